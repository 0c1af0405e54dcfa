"""How well those who chose an item liked it, on the whole: asked once for each item, or read from a column.

A model knows of many items what single users' clicks do not say. A score is an item's own, not a pair's: as a prior at
ranking (``blend --prior``) it costs one short answer an item.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from llmhd_tools import notes
from llmhd_tools.errors import InputError
from llmhd_tools.files.columns import Column
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table
from llmhd_tools.importers.item_texts import ItemTexts
from llmhd_tools.importers.rows import number
from llmhd_tools.importers.text import BadRows
from llmhd_tools.llm.requests import Appraise, Provider, is_blank
from llmhd_tools.settings import Appraising, pick
from llmhd_tools.stages.pairs import spread_out
from llmhd_tools.stages.together import Places, groups


def appraise(
    items: Table, provider: Provider, how: Appraising | None = None, *, places: Places | None = None, **choices: Any
) -> Table:
    """Appraisals of the items of an items table, in its order: ``score`` or ``error``, and ``model``.

    ``places`` counts how scores go with the place in the question. ``choices`` are those of ``Appraising`` by name.
    Raises UsageError where the provider compares texts and knows nothing of items.
    """
    how = pick(Appraising, how, choices)
    texts = shown(items, how.shown)
    names = [str(name) for name in items.items.take(items["item"])]
    due = [row for row, text in enumerate(texts) if not is_blank(text)]
    asked = [
        (sample, [due[place] for place in group])
        for sample in range(how.repeat)
        for group in groups([names[row] for row in due], how.together, sample)
    ]
    scores = np.full((how.repeat, len(items)), np.nan)
    errors: list[str | None] = ["the item text is empty" if is_blank(text) else None for text in texts]
    requests = (Appraise(tuple(texts[row] for row in rows), sample) for sample, rows in asked)
    for (sample, rows), answer in zip(asked, provider.answer(requests), strict=True):
        values = spread_out(answer, len(rows))
        for row, (value, error) in zip(rows, values, strict=True):
            scores[sample, row], errors[row] = (np.nan, error) if value is None else (value, errors[row])
        if places is not None:
            places.add([value for value, _ in values])
    meta = {"made": made("appraise", asdict(how) | {"llm": provider.name}, {"items": items.digest()})}
    columns: dict[str, Column] = {"item": items["item"], **averaged(scores)}
    answered = np.isfinite(columns["score"])
    columns["error"] = [None if known else error for known, error in zip(answered, errors, strict=True)]
    columns["model"] = [provider.name] * len(items)
    return Table("appraisals", columns, items=items.items, meta=meta)


def shown(items: Table, what: str) -> list[str]:
    """The text of each item: its ``title``, its ``profile``, or ``both``; one that it lacks is left out."""
    profiles: list[str] = list(items.columns["profile"])
    titles = list(items.columns["title"]) if "title" in items else [None] * len(profiles)
    if what == "profile":
        return profiles
    found = []
    for title, profile in zip(titles, profiles, strict=True):
        named = str(title or "")
        double = not named or profile.startswith(named)
        found.append(named if what == "title" else profile if double else f"{named}: {profile}")
    return found


def averaged(scores: Any) -> dict[str, Column]:
    """``score``, the mean over samples (samples, n) that have one; of several samples ``spread`` as well."""
    counted = np.isfinite(scores).sum(0)
    mean = np.divide(np.nansum(scores, 0), counted, out=np.full(scores.shape[1], np.nan), where=counted > 0)
    if len(scores) == 1:
        return {"score": mean}
    squares = np.nansum((scores - mean) ** 2, 0)
    deviation = np.sqrt(np.divide(squares, counted - 1, out=np.full(len(mean), np.nan), where=counted > 1))
    return {"score": mean, "spread": deviation}


def appraisals_of(path: str, item: str, column: str, lower: bool = False) -> Table:
    """Appraisals from a column of a table (CSV, TSV, JSON Lines, Parquet): a mean rating, or a return rate.

    With ``lower`` less is better, and the sign is turned. Rows without a value are left out. Raises InputError for what
    is no number, with the item.
    """
    if Path(path).is_dir():
        raise InputError("is a folder, must be a file", where=path)
    records, told = ItemTexts(Path(path), item, (column,)).read(BadRows())
    for line in told:
        notes.note(line.replace("without text", "without a value"))
    names, values = zip(*_numbers(records, column, path), strict=True) if records else ((), ())
    if not names:
        raise InputError(f"holds no value in column '{column}'", where=path)
    score = np.array(values, dtype=np.float64) * (-1 if lower else 1)
    ids = Ids(list(names))
    codes = np.arange(len(names), dtype=np.int32)
    columns: dict[str, Column] = {"item": codes, "score": score, "model": [f"column:{column}"] * len(names)}
    return Table("appraisals", columns, items=ids, source=path)


def _numbers(records: list[dict[str, str]], column: str, path: str) -> Iterator[tuple[str, float]]:
    for record in records:
        try:
            yield record["item"], number(record["profile"], column)
        except ValueError as error:
            raise InputError(f"item '{record['item']}': {error}", where=path) from None

"""Tables with named columns: CSV, TSV, JSON Lines (``.gz``, ``.zst``), Parquet and NPZ."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from llmhd_tools.errors import UsageError
from llmhd_tools.importers import cells, jsonl
from llmhd_tools.importers.item_texts import DELIMITERS, ItemTexts, kind_of
from llmhd_tools.importers.rows import Rows, noise_of
from llmhd_tools.importers.source import NUMBERS, Source
from llmhd_tools.importers.text import BadRows, Lines


def read(
    path: Path,
    *,
    user: str = "user",
    item: str = "item",
    rating: str | None = None,
    timestamp: str | None = None,
    weight: str | None = None,
    noise: str | None = None,
    time_format: str | None = None,
    kind: str | None = None,
    delimiter: str | None = None,
    header: bool = True,
    quote: str | None = None,
    escape: str | None = None,
    encoding: str | None = None,
    texts: str | None = None,
    texts_item: str | None = None,
    text: Sequence[str] = ("profile",),
    title: str | None = None,
    texts_delimiter: str | None = None,
    texts_encoding: str | None = None,
    bad: BadRows | None = None,
) -> Source:
    """Interactions from the named columns; every other column is ignored.

    ``kind`` is csv, tsv, jsonl, parquet or npz (by suffix if None); ``delimiter`` overrides the kind's. A table separated by
    tabs has no quoting unless ``quote`` is given, and a cell there never goes over a line's end; other text tables are
    quoted as RFC 4180 says unless ``quote`` is none. Without ``header`` their columns are called 1, 2, 3, …. Ids are taken
    as they stand. Times are numbers as they are, or dates (``dates.Times``) as seconds. ``noise`` may be ``COLUMN=VALUE``.
    Rows of another length, empty ids and numbers that are none go to ``bad``. Blank lines are counted.

    ``texts`` is a table of item texts (``item_texts.ItemTexts``), whose ids are in column ``texts_item`` (``item`` if None)
    and whose form is that of the source where both are tables of text and nothing else is said.
    """
    bad = bad or BadRows()
    names = {"user": user, "item": item}
    names |= {n: v for n, v in zip(NUMBERS, (rating, weight, noise, timestamp), strict=True) if v is not None}
    _check_distinct(names)
    kind = kind or (kind_of(path) if delimiter is None else "csv")
    forms = {"delimiter": delimiter, "quote": quote, "escape": escape, "encoding": encoding, "time_format": time_format}
    _check_form(path, kind, forms | {"no_header": None if header else True})
    items: list[dict[str, str]] = []
    told: list[str] = []
    if texts is not None:
        found = ItemTexts(
            Path(texts), texts_item or item, text, title, texts_delimiter, delimiter, header,
            quote if kind in DELIMITERS else None, escape, texts_encoding or encoding or "utf-8",
        )  # fmt: skip
        items, told = found.read(bad)
    if kind in ("parquet", "npz"):
        module = importlib.import_module(f"{__package__}.{kind}")
        return Source(module.read_columns(path, names, bad), items=items, told=told)
    lines = Lines(path, encoding=encoding or "utf-8", bad=bad)
    rows = Rows(lines, names, shape=time_format)
    columns = [noise_of(name)[0] if field == "noise" else name for field, name in names.items()]
    if kind == "jsonl":
        found_rows = jsonl.records(lines, columns)
    else:
        form = cells.Form.of(DELIMITERS[kind] if delimiter is None else delimiter, header, quote, escape)
        found_rows = cells.records(lines, columns, form)  # type: ignore[assignment]
    for row in found_rows:
        rows.add(*row)
    return Source(rows.done(), items=items, told=[*lines.told(), *told])


def _check_distinct(names: dict[str, str]) -> None:
    """Raise UsageError where two of the columns are the same one, but for a rating that counts as weight as well."""
    for one, other in (("user", "item"), *((side, name) for side in ("user", "item") for name in NUMBERS)):
        if names[one] == names.get(other):
            raise UsageError(f"`{one}` and `{other}` are both the column '{names[one]}'")


_OPTIONS = {  # what can be said of a kind's form
    "csv": {"delimiter", "quote", "escape", "encoding", "time_format", "no_header"},
    "tsv": {"delimiter", "quote", "escape", "encoding", "time_format", "no_header"},
    "jsonl": {"encoding", "time_format"},
    "parquet": set[str](),
    "npz": set[str](),
}


def _check_form(path: Path, kind: str, given: dict[str, object]) -> None:
    """Raise UsageError for a kind that there is not, and for words about a form that it does not have."""
    if kind not in _OPTIONS:
        raise UsageError(f"kind is '{kind}', must be {', '.join(_OPTIONS)}")
    if wrong := [name for name, value in given.items() if value is not None and name not in _OPTIONS[kind]]:
        fitting = ", ".join(kind for kind, names in _OPTIONS.items() if wrong[0] in names)
        raise UsageError(f"{path}: `{wrong[0]}` is for {fitting}, not for {kind}")

"""From what an importer read to a dataset: filtered and split, with every row that is left out accounted for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from llmhd_tools import notes
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.jsonl import Record, record_writer
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table, to_records
from llmhd_tools.importers.dates import moment
from llmhd_tools.importers.source import Interactions, Source
from llmhd_tools.importers.text import BadRows
from llmhd_tools.settings import Filtering, Splitting
from llmhd_tools.stages.census import odd_ids, summary, texts_of_items, used
from llmhd_tools.stages.split import Filtered, filter_rows, overlaps, split_rows, strangers

Keep = Callable[[Record], None]


@dataclass
class Dataset:
    """What is to be written, and what became of the rows."""

    parts: dict[str, Table] = field(default_factory=dict)
    pool: Table | None = None
    read: int = 0
    left_out: dict[str, int] = field(default_factory=dict)


def made_by(format: str, reading: Record, filtering: Filtering, splitting: Splitting) -> Record:
    """How the dataset was made; ``reading`` are the options of the format's reader."""
    record = made("import", {"format": format, **reading, **vars(filtering), **vars(splitting)}, {})
    return {"made": {name: value for name, value in record.items() if name != "inputs"}}  # files are not digested


def cuts_of(text: str | None) -> list[float]:
    """The times of ``--split-at``: one or two, ascending. Raises UsageError for anything else."""
    if text is None:
        return []
    try:
        cuts = [moment(part) for part in text.split(",")]
    except ValueError:
        cuts = []
    if not 1 <= len(cuts) <= 2 or sorted(set(cuts)) != cuts:
        raise UsageError(
            f"`split_at` '{text}' is not one or two ascending dates such as 2018-01-01,2018-07-01 (or times)"
        )
    return cuts


@contextlib.contextmanager
def rejecting(path: str | None) -> Iterator[Keep | None]:
    """Where rows that are left out are kept; None where they are not."""
    if path is None:
        yield None
        return
    with record_writer(path) as keep:
        yield keep


def filtered(found: Source, name: str, how: Filtering, splitting: Splitting, keep: Keep | None) -> Dataset:
    """The dataset of what was read. Rows left out go to ``keep``."""
    done = Dataset(read=len(found.interactions))
    if found.splits:
        if how.min_rating is not None or how.k_core > 1:
            raise UsageError(f"{name} comes with its own split; `min_rating` and `k_core` would spoil it")
        done.parts = {part: _filter(rows, how, done, keep).table for part, rows in found.splits.items()}
        return done
    kept = _filter(found.interactions, how, done, keep)
    done.pool = kept.pool
    cuts = cuts_of(splitting.split_at)
    done.parts = split_rows(kept.table, splitting.split, splitting.split_by, splitting.seed, cuts)
    if not len(next(iter(done.parts.values()))):
        when = kept.table["timestamp"]
        raise InputError(
            f"the split leaves no row for train; times go from {when.min():.0f} to {when.max():.0f}", where=name
        )
    return done


def _filter(rows: Interactions, how: Filtering, done: Dataset, keep: Keep | None) -> Filtered:
    table = rows.table()
    result = filter_rows(table, how.min_rating, how.k_core, how.repeats)
    for reason, gone in result.left_out.items():
        done.left_out[reason] = done.left_out.get(reason, 0) + len(gone)
        if keep is None:
            continue
        for record, line in zip(to_records(table.take(gone)), rows.line[gone].tolist(), strict=True):
            keep({"file": rows.file, "line": line, "reason": reason, **record})
    return result


def tell(found: Source, done: Dataset, bad: BadRows, by_time: bool) -> Record:
    """Say what became of the rows and what looks odd; returns the counts."""
    parts = done.parts
    users, items = (used(parts.values(), side) for side in ("user", "item"))
    with_text, doubt = texts_of_items(items, found.items)
    files = {rows.file for rows in [found.interactions, *found.splits.values()]}
    bad_rows = sum(count for file, count in bad.counts.items() if file in files)
    left = sum(map(len, parts.values()))
    texts = f"; texts of {with_text:,} of them" if found.items else ""
    notes.note(summary(done.read + bad_rows, bad_rows, done.left_out, left, len(users), len(items), texts))
    for sentence in [
        *found.told,
        *(f"{f}: left out {notes.many(n, 'bad row')}" for f, n in bad.counts.items() if f not in files),
    ]:
        notes.note(sentence)
    for sentence in [*odd_ids("user", users), *odd_ids("item", items), *filter(None, [doubt])]:
        notes.warn(sentence)
    _tell_split(parts, by_time)
    counts = {"read": done.read + bad_rows, "bad": bad_rows, **done.left_out, "left": left}
    return {"rows": counts, "users": len(users), "items": len(items), "items_with_text": with_text}


def _tell_split(parts: dict[str, Table], by_time: bool) -> None:
    if by_time:
        notes.note("of each user the newest rows are held out; `split_by` global-time cuts all users' rows at one time")
    for (one, other), count in overlaps(parts).items():
        notes.warn(f"{count:,} of {len(parts[other]):,} pairs of {other} are in {one} too")
    for name in ("valid", "test"):
        if name in parts and len(parts[name]) and (count := strangers(parts["train"], parts[name])):
            notes.note(
                f"{count:,} of {len(parts[name]):,} rows of {name} name a user or item that train lacks: "
                "evaluate and run count them as misses with `unknown` miss or leave them out with `unknown` skip"
            )
    if empty := [name for name, table in parts.items() if not len(table)]:
        notes.note(f"the split leaves no rows for {' and '.join(empty)}, so there is no such file")


def texts_to_write(found: Source) -> dict[str, list[dict[str, Any]]]:
    """The records of items and profiles, where there are any."""
    return {name: records for name, records in (("items", found.items), ("profiles", found.profiles)) if records}

"""Tables with named columns: CSV, TSV (``.gz``, ``.zst``), Parquet and NPZ."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.importers.source import Source
from llmhd_tools.importers.text import Lines, Rows, shown

_KINDS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".txt": "tsv"}
_KINDS |= {".parquet": "parquet", ".pq": "parquet", ".npz": "npz"}
_DELIMITERS = {"csv": ",", "tsv": "\t"}


def read(
    path: Path,
    *,
    user: str = "user",
    item: str = "item",
    rating: str | None = None,
    timestamp: str | None = None,
    kind: str | None = None,
    delimiter: str | None = None,
    header: bool = True,
    texts: str | None = None,
    text: str = "profile",
) -> Source:
    """Interactions from the named columns; every other column is ignored.

    ``kind`` is csv, tsv, parquet or npz (by suffix if None); ``delimiter`` overrides the kind's. Without ``header`` the
    columns of a text table are called 1, 2, 3, …. Ids are taken as they stand; empty ids, numbers that are not finite
    and rows of another length are InputErrors with file and line (Parquet, NPZ: row, from 1). Blank lines are skipped.
    ``texts`` is a CSV or TSV (by suffix) of item texts, in columns ``item`` and ``text``; blank ones are left out.
    """
    kind = kind or (_kind(path) if delimiter is None else "csv")
    items = [] if texts is None else list(_texts(Path(texts), item, text, delimiter, header))
    if kind in ("parquet", "npz"):
        if delimiter is not None or not header:
            raise UsageError(f"{path}: {kind} has names for its columns and no delimiter")
        module = importlib.import_module(f"{__package__}.{kind}")
        return Source(module.read_columns(path, user, item, rating, timestamp), items=items)
    if kind not in _DELIMITERS:
        raise UsageError(f"kind is '{kind}', must be csv, tsv, parquet or npz")
    names = [user, item, *(name for name in (rating, timestamp) if name is not None)]
    lines = Lines(path)
    rows = Rows(lines, rating=rating, timestamp=timestamp)
    cells = records(lines, names, delimiter=delimiter or _DELIMITERS[kind], header=header)
    if rating is None and timestamp is not None:
        for u, i, t in cells:
            rows.add(u, i, "", t)
    else:
        for row in cells:
            rows.add(*row)
    return Source(rows.done(), items=items)


def _texts(path: Path, item: str, text: str, delimiter: str | None, header: bool) -> Iterator[dict[str, str]]:
    """The records of kind ``items`` of a table of texts. Raises InputError for an id that stands twice."""
    lines, seen = Lines(path), set()
    delimiter = delimiter or _DELIMITERS.get(_kind(path), ",")
    for name, words in records(lines, [item, text], delimiter=delimiter, header=header):
        if not name.strip():
            raise lines.error("empty item id")
        if name in seen:
            raise lines.error(f"item {shown(name)} stands twice")
        seen.add(name)
        if words.strip():
            yield {"item": name, "profile": words}


def _kind(path: Path) -> str:
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".zst"):
        suffixes.pop()
    if not suffixes or suffixes[-1] not in _KINDS:
        raise UsageError(f"{path}: cannot tell the kind of table from the name; name it .csv or .tsv")
    return _KINDS[suffixes[-1]]


def records(lines: Lines, names: Sequence[str], *, delimiter: str, header: bool = True) -> Iterator[list[str]]:
    """The named cells of every row of a CSV (RFC 4180 quoting); ``lines.number`` is the row's (last) line."""
    if len(delimiter) != 1 or delimiter in '\r\n"':
        raise UsageError(f"delimiter is {delimiter!r}, must be one character")
    table = csv.reader(lines, delimiter=delimiter, strict=True)
    width = 0
    picks: list[int] = []
    try:
        for row in table:
            if not row:
                continue
            if not picks:
                columns = row if header else [str(k + 1) for k in range(len(row))]
                width, picks = len(columns), _positions(columns, names, lines)
                if header:
                    continue
            if len(row) != width:
                raise lines.error(f"row has {len(row)} columns, must have {width}")
            yield [row[k] for k in picks]
    except csv.Error as err:
        raise lines.error(f"not a table separated by {delimiter!r}: {err}") from err
    if not picks:
        raise InputError("is empty", where=lines.path)


def _positions(columns: Sequence[str], names: Sequence[str], lines: Lines) -> list[int]:
    for name in names:
        if columns.count(name) != 1:
            found = "twice in" if name in columns else "not among"
            raise lines.error(f"column '{name}' is {found} the columns {', '.join(columns)}{_hint(columns)}")
    return [columns.index(name) for name in names]


def _hint(columns: Sequence[str]) -> str:
    """What to do where a header looks as if other characters stood between its columns."""
    if len(columns) > 1:
        return ""
    return "".join(f"; {shown(mark)} seems to separate them" for mark in ";,\t|" if mark in columns[0])

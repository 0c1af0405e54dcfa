"""Texts of items from a table of their own: CSV, TSV, JSON Lines or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.importers import jsonl
from llmhd_tools.importers.cells import Form, positions, table
from llmhd_tools.importers.text import BadRows, Lines, name_of, shown
from llmhd_tools.notes import many

KINDS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "tsv",
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".ndjson": "jsonl",
}
KINDS |= {".parquet": "parquet", ".pq": "parquet", ".npz": "npz"}
DELIMITERS = {"csv": ",", "tsv": "\t"}


def kind_of(path: Path) -> str:
    """The kind of table that a name says. Raises UsageError where it says none."""
    suffixes = [s.lower() for s in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".zst"):
        suffixes.pop()
    if not suffixes or suffixes[-1] not in KINDS:
        raise UsageError(f"{path}: cannot tell the kind of table from the name; name it .csv, .tsv, .jsonl or .parquet")
    return KINDS[suffixes[-1]]


@dataclass(frozen=True)
class ItemTexts:
    """A table of texts as a user names it: ``text`` are columns to be joined, ``title`` one to be kept as such.

    ``delimiter`` None is ``usual``, that of the interactions, or goes by the name; ``quote`` and ``escape`` are as for
    ``Form.of``.
    """

    path: Path
    item: str
    text: Sequence[str] = ("profile",)
    title: str | None = None
    delimiter: str | None = None
    usual: str | None = None
    header: bool = True
    quote: str | None = None
    escape: str | None = None
    encoding: str = "utf-8"

    def read(self, bad: BadRows) -> tuple[list[dict[str, str]], list[str]]:
        """The records of kind ``items``, those without a text left out; and what a person should know, a sentence each.

        Raises InputError for what cannot be read, a column that is not there and, unless bad rows are skipped, an id that
        is empty or stands twice.
        """
        kind = "csv" if self.delimiter else kind_of(self.path)
        if kind == "npz":
            raise UsageError(f"{self.path}: texts are read from CSV, TSV, JSON Lines and Parquet, not NPZ")
        if kind == "parquet":
            return _gathered(self, self._parquet(), None, bad)
        lines = Lines(self.path, encoding=self.encoding, bad=bad)
        rows = self._objects(lines) if kind == "jsonl" else self._cells(lines)
        records, told = _gathered(self, rows, lines, bad)
        return records, [*told, *lines.told()]

    def _cells(self, lines: Lines) -> Iterator[tuple[int, list[str]]]:
        delimiter = self.delimiter or self.usual or DELIMITERS[kind_of(self.path)]
        form = Form.of(delimiter, self.header, self.quote, self.escape, prefix="texts_")
        columns, rows = table(lines, form)
        texts = [part for name in self.text for part in _parts(name, columns)]
        names = [self.item, *texts, *([self.title] if self.title else [])]
        picks = positions(columns, names, lines, form, prefix="texts_")
        for row in rows:
            if len(row) != len(columns):
                lines.bad(f"row has {len(row)} columns, must have {len(columns)}")
                continue
            cells = [row[k] for k in picks]
            yield lines.number, [cells[0], joined(cells[1 : 1 + len(texts)]), *cells[1 + len(texts) :]]

    def _parquet(self) -> Iterator[tuple[int, list[str]]]:
        from llmhd_tools.importers import parquet

        columns = parquet.column_names(self.path)
        texts = [part for name in self.text for part in _parts(name, columns)]
        names = [self.item, *texts, *([self.title] if self.title else [])]
        for number, values in enumerate(parquet.rows(self.path, names), start=1):
            cells = [jsonl.text_of(value) for value in values[1:]]
            name = "" if values[0] is None else str(values[0])
            yield number, [name, joined(cells[: len(texts)]), *cells[len(texts) :]]

    def _objects(self, lines: Lines) -> Iterator[tuple[int, list[str]]]:
        seen: set[str] = set()
        for record in jsonl.objects(lines):
            texts = [part for name in self.text for part in _parts(name, record)]
            seen |= record.keys() & {self.item, *texts, self.title}
            name = record.get(self.item)
            if type(name) not in (str, int):
                found = (
                    f"is {shown(name)}"
                    if self.item in record
                    else f"is not among {', '.join(map(shown, [*record][:20]))}"
                )
                lines.bad(f"field '{self.item}' {found}, must be a string or an integer")
                continue
            cells = [str(name), joined([jsonl.text_of(record.get(part)) for part in texts])]
            yield lines.number, cells + ([jsonl.text_of(record.get(self.title))] if self.title else [])
        for wanted in (*self.text, self.title):
            if seen and wanted and not {wanted, *wanted.split(",")} & seen:
                raise InputError(f"no record has a field '{wanted}'", where=self.path)


def _parts(name: str, columns: Any) -> list[str]:
    """A column's name, or the names that commas separate, where no column is called so."""
    parts = name.split(",")
    return parts if name not in columns and len(parts) > 1 and any(part in columns for part in parts) else [name]


def joined(texts: Sequence[str]) -> str:
    """One text as it stands, several as one, each a sentence or more; blank ones left out."""
    if len(texts) == 1:
        return texts[0] if texts[0].strip() else ""
    parts = [text.strip() for text in texts if text.strip()]
    ended = [text if text[-1] in ".!?…" else f"{text}." for text in parts[:-1]]
    return " ".join([*ended, *parts[-1:]])


def _gathered(
    given: ItemTexts, rows: Iterator[tuple[int, list[str]]], lines: Lines | None, bad: BadRows
) -> tuple[list[dict[str, str]], list[str]]:
    """Records of rows of (line, [item, text, title?])."""
    records: dict[str, dict[str, str]] = {}
    without = 0
    for number, (item, text, *title) in rows:
        if not item.strip() or item in records:
            reason = f"item {shown(item)} stands twice" if item.strip() else "empty item id"
            if lines is None:
                bad.add(given.path, number, reason, unit="row")
            else:
                lines.bad(reason)
            continue
        records[item] = {"item": item, "profile": text} | (
            {"title": title[0].strip()} if title and title[0].strip() else {}
        )
        without += not text
    told = [f"{name_of(given.path)}: left out {many(without, 'item')} without text"] if without else []
    return [record for record in records.values() if record["profile"]], told

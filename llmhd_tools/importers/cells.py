"""Rows of text tables: CSV (RFC 4180 quoting), TSV (no quoting unless asked for), and whatever else separates columns."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.importers.text import Lines, shown

_UNREAD = 1000  # rows whose quotes do not close, each of which costs a look at up to 128 KiB: then it is no such table


@dataclass(frozen=True)
class Form:
    """How a table is written: what stands between columns, around cells and before a character that is meant as it is."""

    delimiter: str = ","
    header: bool = True
    quote: str | None = '"'
    escape: str | None = None

    @classmethod
    def of(
        cls, delimiter: str, header: bool = True, quote: str | None = None, escape: str | None = None, prefix: str = ""
    ) -> Form:
        """The form that a user's words mean. Tabs, and delimiters of several characters, go without quotes unless asked.

        Raises UsageError, which calls the options ``{prefix}delimiter`` and so on.
        """
        delimiter = "\t" if delimiter == "\\t" else delimiter
        if not delimiter or set(delimiter) & set("\r\n"):
            raise UsageError(f"`{prefix}delimiter` is {delimiter!r}, must be one or more characters of a line")
        single = len(delimiter) == 1
        if quote is None:
            quote = '"' if single and delimiter != "\t" else "none"
        marks = {"`quote`": None if quote in ("none", "") else quote, "`escape`": escape or None}
        for option, mark in marks.items():
            if mark is None:
                continue
            if len(mark) != 1 or mark in "\r\n" or mark == delimiter:
                raise UsageError(f"{option} is {mark!r}, must be one character, not the delimiter")
            if not single:
                raise UsageError(f"{option} needs a delimiter of one character, not {delimiter!r}")
        if marks["`quote`"] is not None and marks["`quote`"] == marks["`escape`"]:
            raise UsageError("`quote` and `escape` are the same character; a quote is doubled within quotes by itself")
        return cls(delimiter, header, marks["`quote`"], marks["`escape`"])


def table(lines: Lines, form: Form) -> tuple[list[str], Iterator[list[str]]]:
    """The names of the columns and the rows, each of as many cells; ``lines.number`` is the line where the row began.

    Without a header the columns are called 1, 2, 3, …. Blank lines are counted. A row that cannot be read, or has more or
    fewer cells, is bad; of several lines that a quote held together then only the first is. Raises InputError without a row.
    """
    rows = _rows(lines, form)
    first = next(rows, None)
    if first is None:
        raise InputError("is empty", where=lines.path)
    names = [name.strip() for name in first] if form.header else [str(k + 1) for k in range(len(first))]
    return names, rows if form.header else itertools.chain([first], rows)


def records(lines: Lines, names: Sequence[str], form: Form) -> Iterator[Sequence[str]]:
    """The named cells of every row. Raises InputError as ``table``, and where a name is not that of one column."""
    columns, rows = table(lines, form)
    width, pick = len(columns), itemgetter(*positions(columns, names, lines, form))
    for row in rows:
        if len(row) != width:
            lines.bad(f"row has {len(row)} columns, must have {width}")
        else:
            yield pick(row)


def positions(columns: Sequence[str], names: Sequence[str], lines: Lines, form: Form, prefix: str = "") -> list[int]:
    """Where the names stand among the columns. Raises InputError, with what may be wrong with the form."""
    for name in names:
        if columns.count(name) != 1:
            found = "twice in" if name in columns else "not among"
            hint = _hint(columns, form, prefix)
            raise lines.error(f"column '{name}' is {found} the columns {', '.join(columns)}{hint}")
    return [columns.index(name) for name in names]


def _hint(columns: Sequence[str], form: Form, prefix: str) -> str:
    """What to do where a header looks as if other characters stood between its columns or around them."""
    if len(columns) == 1:
        found = [shown(mark) for mark in ";,\t|" if mark in columns[0]]
        return "".join(f"; {mark} seems to separate them: `{prefix}delimiter` {mark}" for mark in found)
    if form.quote is None and all(len(c) > 1 and c[0] == c[-1] == '"' for c in columns):
        return "; they stand in quotes: `quote` '\"'"
    return ""


def _rows(lines: Lines, form: Form) -> Iterator[list[str]]:
    if form.quote is None and form.escape is None:
        return _split(lines, form.delimiter)
    return _one_by_one(lines, form) if form.quote is None or form.delimiter == "\t" else _quoted(lines, form)


def _split(lines: Lines, delimiter: str) -> Iterator[list[str]]:
    for line in lines:
        if line := line.rstrip("\r\n"):
            yield line.split(delimiter)
        else:
            lines.blank += 1


def _reader(lines: Iterator[str], form: Form) -> Iterator[list[str]]:
    return csv.reader(
        lines,
        delimiter=form.delimiter,
        quotechar=form.quote,
        escapechar=form.escape,
        quoting=csv.QUOTE_NONE if form.quote is None else csv.QUOTE_MINIMAL,
        strict=True,
    )


def _one_by_one(lines: Lines, form: Form) -> Iterator[list[str]]:
    """Rows of a table whose cells never go over a line's end."""
    first = True
    for line in lines:
        if not (line := line.rstrip("\r\n")):
            lines.blank += 1
            continue
        try:
            (row,) = _reader(iter([line]), form)
        except csv.Error as err:
            if first:
                raise lines.error(_say(err, form)) from None
            lines.bad(_say(err, form))
            continue
        first = False
        yield row


def _say(err: csv.Error, form: Form) -> str:
    way_out = f"; if {form.quote} is a mere character here: `quote` none" if form.quote else ""
    return f"not a table separated by {form.delimiter!r}: {err}{way_out}"


class _Feed:
    """Hands lines to a CSV reader, and again those behind the first of a row that could not be read."""

    def __init__(self, lines: Lines) -> None:
        self._lines, self._source = lines, iter(lines)
        self._last = 0
        self._again: list[tuple[int, str]] = []  # the next one last
        self.taken: list[tuple[int, str]] = []  # of the present row

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if self._again:
            number, line = self._again.pop()
        else:
            self._lines.number = self._last
            line = next(self._source)
            number = self._last = self._lines.number
        self.taken.append((number, line))
        return line

    def begin(self) -> None:
        """The row is over: what follows is taken for the next one."""
        self.taken.clear()

    def give_back(self) -> bool:
        """Of the present row's lines only the first counts as read; whether there are others."""
        self._again += reversed(self.taken[1:])
        del self.taken[1:]
        return bool(self._again)


def _quoted(lines: Lines, form: Form) -> Iterator[list[str]]:
    feed, unread = _Feed(lines), 0
    reader = _reader(feed, form)
    width = 0
    while True:
        feed.begin()
        try:
            row = next(reader)
            fault = f"row has {len(row)} columns, must have {width}" if width and row and len(row) != width else ""
        except StopIteration:
            return
        except csv.Error as err:
            row, fault = [], _say(err, form)
        if not feed.taken:  # an error at the end, once all is read
            return
        lines.number, lines.text = feed.taken[0]
        if fault:
            unread += feed.give_back()
            if not width:
                raise lines.error(fault)
            if unread > _UNREAD:
                raise lines.error(f"more than {_UNREAD:,} rows have quotes that do not close; {fault}")
            lines.bad(fault)
        elif not row:
            lines.blank += 1
        else:
            width = width or len(row)
            lines.joined += len(feed.taken) - 1
            yield row

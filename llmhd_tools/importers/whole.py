"""A CSV or TSV with all its columns, for rows that are to come back as they were."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from llmhd_tools.errors import InputError
from llmhd_tools.files.columns import Column
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.streams import open_out
from llmhd_tools.files.table import Table
from llmhd_tools.importers.cells import Form, positions, table
from llmhd_tools.importers.text import Lines


@dataclass(frozen=True)
class Whole:
    """The names of the columns, all rows' cells, and who touched what in them, row by row."""

    names: list[str]
    rows: list[list[str]]
    interactions: Table
    form: Form


def form_of(path: str) -> Form | None:
    """How a file of this name is written, ``.gz`` and ``.zst`` aside; None where it is no text table."""
    name = path.removesuffix(".gz").removesuffix(".zst")
    return Form.of(",") if name.endswith(".csv") else Form.of("\t") if name.endswith(".tsv") else None


def read_whole(path: str, user: str, item: str, form: Form) -> Whole:
    """Read a text table with a header. Raises InputError for a row that is none, and for an empty id."""
    lines = Lines(Path(path))
    names, cells = table(lines, form)
    sides = positions(names, [user, item], lines, form)
    rows, numbers = [], []
    for row in cells:
        if not all(row[side].strip() for side in sides):
            raise lines.error("a row without user or item")
        rows.append(row)
        numbers.append(lines.number)
    known = [Ids(list(dict.fromkeys(row[side] for row in rows))) for side in sides]
    codes = [ids.find([row[side] for row in rows]).astype(np.int32) for ids, side in zip(known, sides, strict=True)]
    columns: dict[str, Column] = {"user": codes[0], "item": codes[1]}
    found = Table("interactions", columns, known[0], known[1], source=path, lines=numbers)
    return Whole(names, rows, found, form)


def check_new(whole: Whole, names: Iterable[str]) -> None:
    """Raise InputError where the table has a column that is to be added."""
    if there := [name for name in names if name in whole.names]:
        raise InputError(f"has a column '{there[0]}' already; rename it", where=whole.interactions.source)


def write_whole(path: str, whole: Whole, added: Sequence[str], rows: Iterable[tuple[int, Sequence[object]]]) -> None:
    """Write some rows, by number, each with cells of the ``added`` columns behind its own."""
    form = whole.form
    with open_out(path) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        quotes = {"quotechar": form.quote} if form.quote else {"quoting": csv.QUOTE_NONE, "quotechar": None}
        out = csv.writer(text, delimiter=form.delimiter, lineterminator="\n", **quotes)
        out.writerow([*whole.names, *added])
        for number, cells in rows:
            out.writerow([*whole.rows[number], *cells])
        text.flush()
        text.detach()

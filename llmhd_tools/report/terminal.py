"""Tables for a terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmhd_tools.notes import visible


def table(header: Sequence[str], rows: Iterable[Sequence[tuple[str, str]]]) -> str:
    """A table of (text, style) cells, the first column names and the others numbers; styled only on a terminal."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(header):
        made.add_column(Text(visible(name)), justify="right" if number else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(Text().append(visible(text), style) for text, style in row))
    out, shown = io.StringIO(), sys.stdout is not None and sys.stdout.isatty()
    Console(file=out, force_terminal=shown, width=None if shown else 10_000).print(made)
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").splitlines()) + "\n\n"

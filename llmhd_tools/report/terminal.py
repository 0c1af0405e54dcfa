"""Tables for a terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from llmhd_tools.notes import visible


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[tuple[str, str]]],
    words: Collection[str] = (),
    fold: Collection[str] = (),
) -> str:
    """A table of (text, style) cells, the first column names and the others numbers but for those called as in ``words``;
    styled only on a terminal, where those in ``fold`` go on in the next line and others are cut at its edge."""
    from rich import box  # here: it draws from the global random state as it is imported
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(header):
        side: Literal["left", "right"] = "right" if number and name not in words else "left"
        made.add_column(Text(visible(name)), justify=side, no_wrap=name not in fold)
    for row in rows:
        made.add_row(*(Text().append(visible(text), style) for text, style in row))
    out, shown = io.StringIO(), sys.stdout is not None and sys.stdout.isatty()
    Console(file=out, force_terminal=shown, width=None if shown else 10_000).print(made)
    return "\n".join(line.rstrip() for line in out.getvalue().strip("\n").splitlines()) + "\n\n"

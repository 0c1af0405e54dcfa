"""How figures look, drawn with matplotlib (extra ``[plot]``): legible without colours, the same bytes each time."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from llmhd_tools import notes
from llmhd_tools.errors import UsageError
from llmhd_tools.files.streams import open_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Look = dict[str, Any]  # a line's colour, marker and dashes

# Okabe and Ito's colours, which colour-blind readers tell apart; markers and dashes say the same once more.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "D", "^", "v")
DASHES = ("-", "--", "-.", ":")
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "llmhd",  # ids of the file's parts; else random
    "svg.fonttype": "none",  # text stays text
    "text.parse_math": False,  # a name is a name, dollar signs and all
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "lines.linewidth": 1.2,
    "lines.markersize": 4.0,
    "errorbar.capsize": 3.0,
    "legend.frameon": False,
    "savefig.dpi": 150.0,
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw and save inside of this. Raises UsageError without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        raise UsageError("drawing needs matplotlib: pip install 'llmhd-tools[plot]'") from None
    with matplotlib.rc_context(STYLE):
        yield


def looks(names: Iterable[str]) -> dict[str, Look]:
    """How the line of each name looks."""
    return {
        name: {"color": COLOURS[n % 7], "marker": MARKERS[n % 5], "linestyle": DASHES[n % 4]}
        for n, name in enumerate(names)
    }


def panels(count: int, named: dict[str, Look]) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, at most four beside each other, and below them one legend."""
    from matplotlib.figure import Figure

    across, down = min(count, 4), -(-count // 4)
    figure = Figure(figsize=(0.8 + 3.2 * across, 0.6 + 2.6 * down), layout="constrained")
    figure.legend(*legend(named), loc="outside lower center", ncols=min(len(named), 4))
    return figure, [figure.add_subplot(down, across, number + 1) for number in range(count)]


def legend(named: dict[str, Look]) -> tuple[list[Any], list[str]]:
    """A legend's lines and names."""
    from matplotlib.lines import Line2D

    return [Line2D([], [], **look) for look in named.values()], [notes.visible(name) for name in named]


def draw(figure: Figure, form: str) -> bytes:
    """A figure as ``svg`` or ``png``, without clock or version in it."""
    drawn = io.BytesIO()
    nameless = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Glyph .* missing from font"
        )  # seen as a box; in SVG the viewer's fonts count
        figure.savefig(drawn, format=form, metadata=nameless)
    return drawn.getvalue()


def save(figure: Figure, path: str, form: str) -> None:
    """Write a figure whole or not at all, without clock or version in it."""
    drawn = draw(figure, form)
    with open_out(path) as out:
        out.write(drawn)

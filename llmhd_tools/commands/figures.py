"""Figures of runs, drawn with matplotlib (extra ``[plot]``): legible without colours, the same bytes each time."""

from __future__ import annotations

import contextlib
import functools
import io
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from llmhd_tools import console
from llmhd_tools.commands.runs import Run, Wanted, by_row, check_seeds, check_settings, spell
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.streams import open_out
from llmhd_tools.files.tables import read_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    "savefig.dpi": 150.0,
}
AXIS = {"noise": "noisy rows added, share of the clean", "alpha": "α (steps)", "max-noise": "ε_max",
        "candidates": "ε_v", "confidence": "ε_γ"}  # fmt: skip


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw and save inside of this. Raises UsageError without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        raise UsageError("drawing needs matplotlib: pip install 'llmhd-tools[plot]'") from None
    with matplotlib.rc_context(STYLE, fname=None):
        yield


def save(figure: Figure, path: str, form: str) -> None:
    """Write a figure whole or not at all, without clock or version in it."""
    drawn = io.BytesIO()
    nameless = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # seen as a box; in SVG the viewer's fonts count
        figure.savefig(drawn, format=form, metadata=nameless)
    with open_out(path) as out:
        out.write(drawn.getvalue())


def over_epochs(runs: Sequence[Run], wanted: Sequence[Wanted] | None, split: str) -> Figure:
    """Metrics over the epochs, a line for each run; a marker stands at its best epoch."""

    def draw(axes: Axes, metric: Wanted) -> None:
        for row, look in _looks(by_row(runs)).items():
            for run in by_row(runs)[row]:
                found = [r for r in run.records if (r["split"], r["metric"], r.get("k")) == (split, *metric)]
                best = [at for at, record in enumerate(found) if record.get("epoch") == run.best_epoch]
                axes.plot([r["epoch"] for r in found], [r["value"] for r in found], markevery=best, **look)
        axes.set_xlabel("epoch")

    return panels(_metrics(runs, wanted, split), split, _looks(by_row(runs)), draw)


def across(runs: Sequence[Run], wanted: Sequence[Wanted] | None, split: str, setting: str) -> Figure:
    """Metrics against a setting, a line for each row: mean ± sd over seeds."""
    at = [noise_added(str(run.settings["train"])) if setting == "noise" else setting_of(run, setting) for run in runs]
    points: dict[tuple[str, float], list[Run]] = {}
    for run, x in sorted(zip(runs, at, strict=True), key=lambda pair: pair[1]):
        points.setdefault((run.row, x), []).append(run)
    for same in points.values():
        check_seeds(same)
    for row in by_row(runs).values():
        check_settings(row, setting.replace("-", "_"))

    def draw(axes: Axes, metric: Wanted) -> None:
        for row, look in _looks(by_row(runs)).items():
            values = {x: [run.measured(split).get(metric) for run in its] for (r, x), its in points.items() if r == row}
            known = {x: [v for v in its if v is not None] for x, its in values.items()}
            known = {x: its for x, its in known.items() if its}
            spread = [float(np.std(its, ddof=1)) if len(its) > 1 else 0.0 for its in known.values()]
            axes.errorbar(list(known), [float(np.mean(its)) for its in known.values()], spread, **look)
        axes.set_xlabel(AXIS.get(setting, setting))
        if min(at) > 0 and max(at) / min(at) >= 20:
            axes.set_xscale("log")
        axes.set_xticks(sorted(set(at)), [f"{x:.0%}" if setting == "noise" else f"{x:g}" for x in sorted(set(at))])
        axes.minorticks_off()

    return panels(_metrics(runs, wanted, split), split, _looks(by_row(runs)), draw)


def panels(
    metrics: Sequence[Wanted], split: str, looks: dict[str, dict[str, Any]], draw: Callable[[Axes, Wanted], None]
) -> Figure:
    """One panel for each metric, at most four beside each other, and one legend of the rows."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    across, down = min(len(metrics), 4), -(-len(metrics) // 4)
    figure = Figure(figsize=(0.8 + 3.2 * across, 0.6 + 2.6 * down), layout="constrained")
    for number, metric in enumerate(metrics, start=1):
        axes = figure.add_subplot(down, across, number)
        draw(axes, metric)
        axes.set_ylabel(console.visible(f"{spell(metric)} ({split})"))
    handles = [Line2D([], [], **look) for look in looks.values()]
    figure.legend(handles, [console.visible(row) for row in looks], loc="outside lower center", ncols=min(len(looks), 4), frameon=False)
    return figure


def _looks(rows: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour, marker and dashes of each row."""
    return {
        row: {"color": COLOURS[n % 7], "marker": MARKERS[n % 5], "linestyle": DASHES[n % 4]}
        for n, row in enumerate(rows)
    }


def _metrics(runs: Sequence[Run], wanted: Sequence[Wanted] | None, split: str) -> list[Wanted]:
    """The metrics to draw. Raises UsageError where no run has one of them."""
    known = list(dict.fromkeys((r["metric"], r.get("k")) for run in runs for r in run.records if r["split"] == split))
    if not known:
        raise UsageError(f"--split {split}: no run has metrics of it")
    if missing := [metric for metric in wanted or [] if metric not in known]:
        raise UsageError(f"--metrics {spell(missing[0])} is in no run; there are {', '.join(map(spell, known))}")
    return list(wanted or known)


def setting_of(run: Run, name: str) -> float:
    """A numeric setting of a run, by the name of its option. Raises UsageError for another one."""
    value = run.settings.get(name.replace("-", "_"))
    if not isinstance(value, int | float) or isinstance(value, bool):
        numbers = sorted(k.replace("_", "-") for k, v in run.settings.items() if type(v) in (int, float))
        raise UsageError(f"--over {name}: {run.folder} has no such number; choose from epoch, noise, {', '.join(numbers)}")
    return value


@functools.cache
def noise_added(path: str) -> float:
    """Known noisy rows of a training file for each clean one. Raises InputError where it has no marks."""
    table = read_table(path, "interactions")
    if "noise" not in table:
        raise InputError("has no 'noise' marks to plot over", where=path)
    noisy = int((table["noise"] == 1).sum())
    return noisy / max(len(table) - noisy, 1)

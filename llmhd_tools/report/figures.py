"""The figures of ``plot``: runs over their epochs, runs over a setting, diagnostics."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from llmhd_tools import notes
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.table import Table, to_records
from llmhd_tools.files.tables import read_table
from llmhd_tools.report.drawing import legend, looks, panels
from llmhd_tools.report.runs import Run, Wanted, by_row, check_seeds, check_settings, spell

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXIS = {"noise": "noisy rows added, share of the clean", "alpha": "α (steps)", "max-noise": "ε_max",
        "candidates": "ε_v", "confidence": "ε_γ"}  # fmt: skip
MIDDLE = ("q25", "q50", "q75")


def over_epochs(runs: Sequence[Run], wanted: Sequence[Wanted] | None, split: str) -> Figure:
    """Metrics over the epochs, a line for each run; a marker stands at its best epoch."""
    rows, metrics = by_row(runs), _metrics(runs, wanted, split)
    figure, every = panels(len(metrics), looks(rows))
    for axes, metric in zip(every, metrics, strict=True):
        for row, look in looks(rows).items():
            for run in rows[row]:
                found = [r for r in run.records if (r["split"], r["metric"], r.get("k")) == (split, *metric)]
                best = [at for at, record in enumerate(found) if record.get("epoch") == run.best_epoch]
                axes.plot([r["epoch"] for r in found], [r["value"] for r in found], markevery=best, **look)
        axes.set_xlabel("epoch")
        axes.set_ylabel(notes.visible(f"{spell(metric)} ({split})"))
    return figure


def across(runs: Sequence[Run], wanted: Sequence[Wanted] | None, split: str, setting: str) -> Figure:
    """Metrics against a setting, a line for each row: mean ± sd over seeds."""
    at = [noise_added(str(run.settings["train"])) if setting == "noise" else setting_of(run, setting) for run in runs]
    points: dict[tuple[str, float], list[Run]] = {}
    for run, x in sorted(zip(runs, at, strict=True), key=lambda pair: pair[1]):
        points.setdefault((run.row, x), []).append(run)
    for same in points.values():
        check_seeds(same)
    rows, metrics = by_row(runs), _metrics(runs, wanted, split)
    for row in rows.values():
        check_settings(row, setting.replace("-", "_"))
    figure, every = panels(len(metrics), looks(rows))
    for axes, metric in zip(every, metrics, strict=True):
        for name, look in looks(rows).items():
            _bars(axes, {x: its for (row, x), its in points.items() if row == name}, split, metric, look)
        axes.set_xlabel(AXIS.get(setting, setting))
        axes.set_ylabel(notes.visible(f"{spell(metric)} ({split})"))
        if min(at) > 0 and max(at) / min(at) >= 20:
            axes.set_xscale("log")
        axes.set_xticks(sorted(set(at)), [f"{x:.0%}" if setting == "noise" else f"{x:g}" for x in sorted(set(at))])
        axes.minorticks_off()
    return figure


def _bars(axes: Axes, points: dict[float, list[Run]], split: str, metric: Wanted, look: dict[str, str]) -> None:
    """One row's line: the mean of its runs at each x, with a bar of one sd where there are several."""
    values = {x: [v for run in its if (v := run.measured(split).get(metric)) is not None] for x, its in points.items()}
    values = {x: its for x, its in values.items() if its}
    spread = [float(np.std(its, ddof=1)) if len(its) > 1 else 0.0 for its in values.values()]
    axes.errorbar(list(values), [float(np.mean(its)) for its in values.values()], spread, **look)  # type: ignore[arg-type]


def diagnosed(table: Table) -> Figure:
    """Figure 1 over the epochs, and the premise of Eq. 8-10.

    For each measure a panel with the median and the middle half of every group of samples; last, among the samples of
    high loss, how often noise has more of a measure than a clean one: 0.5 is chance, below it the premise holds.
    """
    curves: dict[tuple[str, ...], dict[int, float]] = {}
    for record in to_records(table):
        key = tuple(record.get(name) or "" for name in ("within", "statistic", "measure", "group", "against"))
        curves.setdefault(key, {})[record["epoch"]] = record["value"]
    measures = list(dict.fromkeys(key[2] for key in curves if key[:2] == ("all", "q50")))
    groups = looks(dict.fromkeys(key[3] for key in curves if key[:2] == ("all", "q50")))
    inside = {key[1:3]: curve for key, curve in curves.items() if key[0] == "high-loss" and key[4] == "clean"}
    chances = {m if s == "auc" else f"{m}, like prediction": curve for (s, m), curve in inside.items()}
    figure, every = panels(len(measures) + bool(chances), groups)
    for axes, measure in zip(every, measures, strict=False):
        for group, look in groups.items():
            low, middle, high = (curves.get(("all", q, measure, group, ""), {}) for q in MIDDLE)
            axes.plot(list(middle), list(middle.values()), markevery=max(len(middle) // 8, 1), **look)
            axes.fill_between(list(low), list(low.values()), list(high.values()), color=look["color"], alpha=0.15, lw=0)
        axes.set_ylabel(notes.visible(f"{measure}: median, middle half"))
        axes.set_xlabel("epoch")
    if chances:
        _chances(every[-1], chances)
    return figure


def _chances(axes: Axes, chances: dict[str, dict[int, float]]) -> None:
    for measure, look in looks(chances).items():
        axes.plot(list(chances[measure]), list(chances[measure].values()), markevery=0.15, **look)
    axes.axhline(0.5, color="#888888", linewidth=0.8)
    axes.set_xlabel("epoch")
    axes.set_ylabel("high loss: noise above clean (AUC)")
    axes.legend(*legend(looks(chances)), fontsize=7)


def _metrics(runs: Sequence[Run], wanted: Sequence[Wanted] | None, split: str) -> list[Wanted]:
    """The metrics to draw. Raises UsageError where no run has one of them."""
    known = list(dict.fromkeys((r["metric"], r.get("k")) for run in runs for r in run.records if r["split"] == split))
    if not known:
        raise UsageError(f"`split` {split}: no run has metrics of it")
    if missing := [metric for metric in wanted or [] if metric not in known]:
        elsewhere = {r["split"] for run in runs for r in run.records if (r["metric"], r.get("k")) == missing[0]}
        raise UsageError(
            f"`metrics` {spell(missing[0])} is in no run"
            + (f" for `split` {split}, but for {', '.join(sorted(elsewhere))}" if elsewhere else "")
            + f"; there are {', '.join(map(spell, known))}"
        )
    return list(wanted or known)


def setting_of(run: Run, name: str) -> float:
    """A numeric setting of a run, by the name of its option. Raises UsageError for another one."""
    value = run.settings.get(name.replace("-", "_"))
    if not isinstance(value, int | float) or isinstance(value, bool):
        numbers = sorted(k.replace("_", "-") for k, v in run.settings.items() if type(v) in (int, float))
        raise UsageError(
            f"`over` {name}: {run.folder} has no such number; choose from epoch, noise, {', '.join(numbers)}"
        )
    return value


@functools.cache
def noise_added(path: str) -> float:
    """Known noisy rows of a training file for each clean one. Raises InputError where it has no marks."""
    table = read_table(path, "interactions")
    if "noise" not in table:
        raise InputError("has no 'noise' marks to plot over", where=path)
    noisy = int((table["noise"] == 1).sum())
    return noisy / max(len(table) - noisy, 1)

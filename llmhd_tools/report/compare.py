"""Runs side by side: mean ± sd over seeds, paired t-test."""

from __future__ import annotations

from collections.abc import Sequence

from llmhd_tools.core import comparison
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import Table, from_records, to_records
from llmhd_tools.report.runs import (
    Run,
    Wanted,
    by_row,
    check_seeds,
    check_settings,
    parse_wanted,
    read_runs,
    spell,
    tell_odd,
)


def compare(
    runs: Sequence[str],
    metrics: Sequence[str] | None = None,
    split: str = "test",
    baseline: str | None = None,
    beside: Table | None = None,
    pooled: bool = False,
    holm: bool = False,
) -> Table:
    """Runs side by side, of folders or ``NAME=PATTERN`` words: mean, sd and paired t-test of each metric and method.

    A file of metrics (``evaluate``) is a run as well, of the seed that its name ends with. ``holm`` corrects each metric's
    p for the number of its tests.

    ``metrics`` such as ``ndcg@10`` (None: all of the split); ``beside`` holds published figures. Raises InputError where a
    folder holds no run, or runs of one row differ in more than seed and files; UsageError for an unknown name.
    """
    wanted = parse_wanted(",".join(metrics)) if metrics else None
    found = read_runs(runs)
    for row in by_row(found).values():
        check_seeds(row, pooled)
        check_settings(row)
    if baseline is not None and baseline not in by_row(found):
        raise UsageError(f"`baseline` '{baseline}' is none of {', '.join(by_row(found))}")
    tell_odd(found, split, pooled)
    return from_records("comparison", compare_runs(found, wanted, split, baseline, beside, pooled, holm), "comparison")


def compare_runs(
    runs: Sequence[Run],
    wanted: Sequence[Wanted] | None,
    split: str,
    baseline: str | None = None,
    published: Table | None = None,
    pooled: bool = False,
    holm: bool = False,
) -> list[Record]:
    """Records of kind comparison: for each metric the rows in order of their first run, published figures behind.

    Runs are paired by seed; ``pooled``, by seed and training file, a seed's differences counting as one, by their mean.

    Raises InputError where a run has nothing measured on the split, UsageError for a metric that no run has.
    """
    measured = [run.measured(split) for run in runs]
    for run, values in zip(runs, measured, strict=True):
        if not values:
            raise InputError(
                f"has no {split} metrics; is the run finished, and was it given `{split}`?", where=run.folder
            )
    known = list(dict.fromkeys(metric for values in measured for metric in values))
    for metric in wanted or []:
        if metric not in known:
            raise UsageError(f"`metrics` {spell(metric)} is in no run; there are {', '.join(map(spell, known))}")
    epochs = {row: _mean_epoch(its) for row, its in by_row(runs).items()}
    others = list(to_records(published)) if published is not None else []
    records = []
    for metric in wanted or known:
        head = {"metric": metric[0], "k": metric[1]}
        methods: dict[str, dict[tuple[int, str], float]] = {}
        for run, values in zip(runs, measured, strict=True):
            if metric in values:
                methods.setdefault(run.row, {})[run.key(pooled)] = values[metric]
        for row, found in comparison.compare(methods, metric[0], baseline, holm).items():
            tested = {"against": found.against if found.p is not None else None, "p": found.p, "tests": found.tests}
            spread = {"value": found.mean, "sd": found.sd, "runs": found.runs, "place": found.place}
            records.append({"row": row, "split": split, **head, **spread, "epoch": epochs[row], **tested})
        for record in others:
            if (record["metric"], record.get("k")) == metric:
                records.append({"row": record["row"], **head, "value": record["value"], "published": True})
    return [{name: value for name, value in record.items() if value is not None} for record in records]


def _mean_epoch(runs: Sequence[Run]) -> float | None:
    """The mean of the best epochs; None where a model has none."""
    if any(run.best_epoch is None for run in runs):
        return None
    return sum(run.best_epoch or 0 for run in runs) / len(runs)

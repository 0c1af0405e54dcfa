"""What a folder holds, as one record: its runs, issues, comparison, alerts and how to make it again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from llmhd_tools import notes
from llmhd_tools.errors import InputError
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.kinds import read_any
from llmhd_tools.files.streams import suffix_of
from llmhd_tools.files.table import Table, to_records
from llmhd_tools.report.alerts import alerts
from llmhd_tools.report.issues import Known, issue
from llmhd_tools.report.runs import Run, differences, read_runs, spell
from llmhd_tools.report.script import script

LARGEST = 256 << 20  # bytes; a larger file is named and left unread
_JUDGED = ("suspects", "judged", "verdicts")


def gather(folder: str) -> Record:
    """The facts of a folder: ``runs``, ``issues``, ``comparison``, ``alerts``, ``unread`` files and ``script``.

    Raises InputError where ``folder`` is none, or holds nothing to report.
    """
    if not os.path.isdir(folder):
        raise InputError("is no folder; name the one that runs and files of scores are in", where=folder)
    places, files = _find(folder)
    runs = read_runs(places, metrics=False)
    tables, unread = _tables(folder, files)
    known = Known.of(tables.values())
    found = [made for name, table in tables.items() if (made := _issue(name, table, known))]
    for run in runs:
        best = os.path.join(run.folder, f"epoch-{run.best_epoch}")
        names = [path for name in _JUDGED if os.path.isfile(path := os.path.join(best, f"{name}.jsonl"))]
        inner, missed = _tables(folder, names)
        unread += missed
        found += [made for name, table in inner.items() if (made := _issue(name, table, known))]
    if not runs and not found:
        told = "holds no run, suspects, scores or judged rows to report; name the folder that `run -o` or `denoise -o` made"
        raise InputError(told, where=folder)
    record: Record = {"runs": [_run(folder, run) for run in runs], "issues": found, "comparison": _compared(runs)}
    record |= {"unread": unread, "script": script(runs)}
    return record | {"alerts": alerts(record)}


def _find(folder: str) -> tuple[list[str], list[str]]:
    """Folders of runs, and the tables beside them, in the order of their names; hidden ones and links to folders not."""
    runs, files = [], []
    for place, inside, names in os.walk(folder):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        if {"settings.json", "progress.json", "metrics.jsonl"} <= set(names):
            runs.append(place)
            inside[:] = []
            continue
        tables = [name for name in sorted(names) if suffix_of(name) in (".jsonl", ".npz") and not name.startswith(".")]
        files += [os.path.join(place, name) for name in tables]
    return runs, files


def _tables(folder: str, files: list[str]) -> tuple[dict[str, Table], list[str]]:
    """Tables by their names in the folder, and what could not be read, with the reason."""
    found, unread = {}, []
    for path in files:
        name = os.path.relpath(path, folder)
        if os.path.getsize(path) > LARGEST:
            unread.append(f"{name}: is larger than {LARGEST >> 20} MiB")
            continue
        try:
            content = read_any(path)
        except InputError as error:
            told = str(error)
            unread.append(notes.visible(told.replace(path, name, 1) if path in told else f"{name}: {told}"))
            continue
        if isinstance(content, Table):
            found[name] = content
    return found, unread


def _issue(name: str, table: Table, known: Known) -> Record | None:
    judged = table.kind == "interactions" and table.extra and any("noise_score" in extra for extra in table.extra)
    return issue(name, list(to_records(table)), table.kind, known) if judged or table.kind in _JUDGED else None


def _run(folder: str, run: Run) -> Record:
    """A run for the page: its metrics at the best epoch by split, what it dropped and asked, and its curves."""
    measured: dict[str, Any] = {}
    for split in ("valid", "test"):
        measured[split] = {spell(wanted): value for wanted, value in run.measured(split).items()}
    train = {spell(wanted): value for wanted, value in run.measured("train").items()}
    return {
        "name": run.row,
        "folder": os.path.relpath(run.folder, folder),
        "method": _method(run),
        "seed": run.seed,
        "best_epoch": run.best_epoch,
        "epochs": max((r["epoch"] for r in run.records if "epoch" in r), default=0),
        "finished": run.finished,
        **measured,
        "train": train,
        "curves": dict(_curves(run)),
    }


def _method(run: Run) -> str:
    """What it denoises by, in its steps and in its graph; ``none`` of plain training."""
    clean = run.settings.get("clean") or "none"
    parts = [run.settings.get("denoise") or "none", "none" if clean == "none" else f"clean {clean}"]
    return ", ".join(part for part in parts if part != "none") or "none"


def _curves(run: Run) -> Iterator[tuple[str, list[list[float]]]]:
    """The points (epoch, value) of each metric on valid, and of the loss."""
    found: dict[str, list[list[float]]] = {}
    for r in run.records:
        if "epoch" in r and (r["split"] == "valid" or r["metric"] == "loss"):
            found.setdefault(f"{spell((r['metric'], r.get('k')))} ({r['split']})", []).append([r["epoch"], r["value"]])
    yield from found.items()


def _compared(runs: list[Run]) -> list[Record]:
    """The first run beside each other: by how much each metric differs, and in which settings."""
    found = []
    for other in runs[1:]:
        split = "test" if runs[0].measured("test") and other.measured("test") else "valid"
        one, two = runs[0].measured(split), other.measured(split)
        both = {spell(m): [one[m], two[m], two[m] - one[m]] for m in one if m in two}
        apart = {name: [runs[0].settings[name], other.settings[name]] for name in differences(runs[0], other)}
        found.append({"one": runs[0].row, "other": other.row, "split": split, "metrics": both, "settings": apart})
    return found

"""Finished runs as ``llmhd run`` leaves them in folders, and metrics of ``evaluate``, read to be compared and plotted."""

from __future__ import annotations

import filecmp
import glob
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from llmhd_tools import notes
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.folder import read_json
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import to_records
from llmhd_tools.files.tables import read_table

Wanted = tuple[str, int | None]  # a metric and the length of its list, such as ("ndcg", 10)

# Settings in which runs of one method may differ: what they read, where, and what they measure besides.
_FILES = {"train", "valid", "test", "items", "profiles", "vectors", "aligned", "disliked"}
_APART = _FILES | {"digests", "title", "seed", "at", "metrics", "noise", "keep", "device"}


@dataclass(frozen=True)
class Run:
    """One run's settings and measurements; ``row`` is the method that it is a run of.

    Of a file of metrics ``folder`` is that file, ``best_epoch`` the epoch measured; None where the model has no epochs.
    """

    row: str
    folder: str
    settings: Record
    best_epoch: int | None
    records: list[Record]

    @property
    def seed(self) -> int:
        """The seed of its random draws."""
        return self.settings["seed"] or 0

    def key(self, pooled: bool = False) -> tuple[int, str]:
        """What it is paired by with runs of other rows: its seed; ``pooled``, its training file as well."""
        if pooled and "train" not in self.settings:
            told = "is a file of metrics, which does not tell its training file; compare it without `pooled`"
            raise InputError(told, where=self.folder)
        return self.seed, str(self.settings["train"]) if pooled else ""

    @property
    def finished(self) -> bool:
        """Whether it came to its end, as far as one can see: a run without --test never shows it."""
        return self.settings.get("test") is None or any(r["split"] == "test" for r in self.records)

    def measured(self, split: str) -> dict[Wanted, float]:
        """The values of a split at the best epoch."""
        found = (r for r in self.records if r["split"] == split and r.get("epoch", self.best_epoch) == self.best_epoch)
        return {(r["metric"], r.get("k")): r["value"] for r in found}


def read_runs(words: Iterable[str], metrics: bool = True) -> list[Run]:
    """The runs that ``FOLDER`` and ``NAME=PATTERN`` words name, in that order; files of metrics too, but for ``metrics``.

    Raises InputError where a folder holds no run, UsageError where a pattern matches nothing.
    """
    found = [run for word in words for run in _named(word)]
    if not metrics and (files := [run.folder for run in found if "test" not in run.settings]):
        raise InputError("is no run's folder, and metrics alone have no epochs or settings to plot", where=files[0])
    return found


def check_seeds(runs: Sequence[Run], pooled: bool = False) -> None:
    """Raise InputError where two runs of a row have the same seed; ``pooled``, on the same training file."""
    seen: dict[tuple[int, str], Run] = {}
    for run in runs:
        other = seen.setdefault(run.key(pooled), run)
        if other is not run:
            raise InputError(f"is of seed {run.seed}, as is {other.folder}, and both are '{run.row}'", where=run.folder)


def check_settings(runs: Sequence[Run], varied: str | None = None) -> None:
    """Raise InputError where runs of a row differ in another setting than ``varied``, their seed and their files."""
    for run in runs[1:]:
        if differing := [name for name in differences(runs[0], run) if name != varied]:
            told = f"{differing[0].replace('_', '-')} differs from that of {runs[0].folder}, yet both are '{run.row}'"
            raise InputError(f"{told}; tell them apart as NAME=FOLDER", where=run.folder)


def by_row(runs: Iterable[Run]) -> dict[str, list[Run]]:
    """The runs of each row, in order of the rows' first run."""
    rows: dict[str, list[Run]] = {}
    for run in runs:
        rows.setdefault(run.row, []).append(run)
    return rows


def _named(word: str) -> list[Run]:
    name, equals, pattern = word.partition("=")
    if not equals or os.path.isdir(word):
        return [_read(word, None)]
    folders = sorted(glob.glob(pattern))
    if not name or not folders:
        raise UsageError(f"'{word}' is no folder, and as NAME=PATTERN it matches none")
    return [_read(folder, name) for folder in folders]


def _read(folder: str, row: str | None) -> Run:
    if os.path.isfile(folder):
        return _of_metrics(folder, row)
    if not os.path.isfile(os.path.join(folder, "settings.json")):
        raise InputError("is not the folder of a run; name what `run -o` did", where=folder)
    settings = read_json(os.path.join(folder, "settings.json"))
    progress = read_json(os.path.join(folder, "progress.json"))
    path = os.path.join(folder, "metrics.jsonl")
    records = [r for r in to_records(read_table(path, "metrics")) if "user" not in r]
    best, seed = progress.get("best_epoch"), settings.get("seed", "")
    if not isinstance(best, int) or not isinstance(seed, int | None) or "test" not in settings:
        raise InputError("is not the folder of a run by this llmhd", where=folder)
    return Run(row or settings.get("title") or _row(folder, seed or 0), folder, settings, best, records)


def _of_metrics(path: str, row: str | None) -> Run:
    """A file of metrics as a run. Raises InputError where its name does not end with the seed."""
    records = [r for r in to_records(read_table(path, "metrics")) if "user" not in r]
    stem = os.path.basename(path).split(".jsonl")[0].split(".npz")[0]
    if not (number := re.search(r"(\d+)$", stem)):
        raise InputError("has no seed at its name's end to pair it by; name it as ease-1.jsonl", where=path)
    seed, epochs = int(number[1]), {r.get("epoch") for r in records}
    if len(epochs) > 1:
        raise InputError("holds several epochs; name the run's folder", where=path)
    return Run(
        row or _row(os.path.join(os.path.dirname(path), stem), seed), path, {"seed": seed}, epochs.pop(), records
    )


def _row(folder: str, seed: int) -> str:
    """The method's name: the folder's without the seed, or the folder above where that is all: bpr-1, bpr/seed-1."""
    above, name = os.path.split(os.path.abspath(folder))
    plain = re.sub(rf"(^|[-_.])(seed|s)?[-_=]?{seed}$", "", name)
    return plain or os.path.basename(above) or name


def differences(one: Run, other: Run) -> list[str]:
    """Settings in which two runs differ, of those that make a method; one that only a newer llmhd knows is none."""
    shared = one.settings.keys() & other.settings.keys() - _APART
    return sorted(name for name in shared if _setting(one, name) != _setting(other, name))


def _setting(run: Run, name: str) -> Any:
    """A setting; in the words of a scorer the run's own files are as one with another run's."""
    value = run.settings[name]
    if name == "scorer" and value:
        for file in sorted(_FILES & run.settings.keys()):
            if path := run.settings[file]:
                value = value.replace(path, file)
    return value


def tell_odd(runs: Sequence[Run], split: str, pooled: bool = False) -> None:
    """Say what makes the runs hard to compare: other rows in the files of one seed, an early end."""
    for key in sorted({run.key(pooled) for run in runs}):
        seed, alike = key[0], [run for run in runs if run.key(pooled) == key]
        for name in ("train", "valid", "test"):
            files = sorted({str(run.settings[name]) for run in alike if name in run.settings})
            if others := [file for file in files[1:] if not _same(files[0], file)]:
                told = f"name different {name} files, such as {files[0]} and {others[0]}"
                notes.note(f"runs of seed {seed} {told}; their figures compare only if these are the same")
    if split != "test":  # where it is, an unfinished run has nothing to compare
        for run in runs:
            if not run.finished:
                notes.note(f"{run.folder} is not finished; go on with it by llmhd run --resume")


def _same(one: str, other: str) -> bool:
    """Whether both files are still there, with the same bytes; studies link one test split into many folders."""
    return os.path.isfile(one) and os.path.isfile(other) and filecmp.cmp(one, other, shallow=False)


def parse_wanted(text: str) -> list[Wanted]:
    """[("ndcg", 10), ("noise-auc", None)] of ``ndcg@10,noise-auc``. Raises UsageError for what is neither."""
    found: list[Wanted] = []
    for word in text.split(","):
        name, at, k = word.strip().partition("@")
        if not name or (at and not (k.isdecimal() and int(k))):
            raise UsageError(f"`metrics` '{word}' is not a metric such as ndcg@10 or noise-auc")
        found.append((name, int(k) if at else None))
    return found


def spell(wanted: Wanted) -> str:
    """``ndcg@10`` of ("ndcg", 10)."""
    return wanted[0] if wanted[1] is None else f"{wanted[0]}@{wanted[1]}"

"""A run's folder: what the run is, where it stands, what was measured, and the files of its epochs."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from dataclasses import dataclass

from llmhd_tools import notes
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.folder import read_json, write_json
from llmhd_tools.files.jsonl import Record, read_records, write_records
from llmhd_tools.files.streams import remove_unfinished
from llmhd_tools.files.tensors import Tensors, write_tensors

# what stays of the best epoch when all others are dropped: small, and it says why its samples were kept or dropped
REASONS = ("noisy.jsonl", "judged.jsonl", "verdicts.jsonl", "flags.npz", "profiles.jsonl")


@dataclass
class Progress:
    """Where a run stands after its last whole epoch; the last file that an epoch writes."""

    epoch: int = 0
    best_epoch: int = 0
    best: float = -math.inf  # what is to grow: a metric, or a loss with its sign turned


class Journal:
    """One run's folder, held by this process."""

    def __init__(self, folder: str, settings: Record, window: int, keep: bool) -> None:
        """``settings`` is what the run is; of old epochs the last ``window`` stay, or all where ``keep``."""
        self.folder, self.settings, self.window, self.keep = folder, settings, window, keep
        self.progress = Progress()
        self.records: list[Record] = []

    def take_up(self, resume: bool) -> None:
        """See whether the folder is free, or stand where it stands. Raises InputError or UsageError where it is neither."""
        known = os.path.exists(self.path("settings.json"))
        if known or os.path.exists(self.path("progress.json")):
            if not resume:
                raise InputError("holds a run already; go on with `resume` or name another folder", where=self.folder)
            self._compare(read_json(self.path("settings.json")))
        if os.path.exists(self.path("progress.json")):
            self.progress = Progress(**read_json(self.path("progress.json")))
            found = (record for _, record in read_records(self.path("metrics.jsonl")))
            self.records = [r for r in found if r["epoch"] <= self.progress.epoch and r["split"] != "test"]
        elif resume:
            notes.note(f"{self.folder} holds no whole epoch yet; starting with the first")
        if resume:
            self._tidy()

    def _compare(self, kept: Record) -> None:
        ours, theirs = self.settings.get("digests", {}), kept.get("digests", {})
        for name in ours.keys() | theirs.keys():
            if ours.get(name) != theirs.get(name):
                told = f"`{name}` has other content than when the run in {self.folder} began"
                raise UsageError(f"{told}; `resume` needs the same")
        for name, value in self.settings.items():
            if name not in ("digests", "title") and name not in ours and kept.get(name) != value:
                was = "not given" if kept.get(name) is None else kept[name]
                raise UsageError(
                    f"`{name}` differs from the run in {self.folder} (there {was}); `resume` needs the same"
                )

    def begin(self) -> None:
        """Make the folder this run's, once all that it needs is there."""
        if not os.path.exists(self.path("settings.json")):
            write_json(self.path("settings.json"), self.settings)

    def commit(self, epoch: int, value: float, z: Tensors, records: list[Record]) -> bool:
        """Make an epoch count: metrics, the best embeddings, and last the progress; then drop what is done with.

        Returns whether it is the best so far.
        """
        self.records += records
        before = self.progress.best_epoch
        if better := value > self.progress.best:
            self.progress = Progress(epoch, epoch, value)
            write_tensors(self.path("best.npz"), z)
        else:
            self.progress = Progress(epoch, self.progress.best_epoch, self.progress.best)
        write_records(self.path("metrics.jsonl"), self.records)
        write_json(self.path("progress.json"), vars(self.progress))
        self._drop(epoch - 1)
        if better and before <= epoch - self.window and not self.keep:
            shutil.rmtree(self.path(f"epoch-{before}"), ignore_errors=True)
        return better

    def finish(self, records: list[Record]) -> None:
        """Keep what was measured at the end."""
        if records:
            write_records(self.path("metrics.jsonl"), self.records + records)

    def _drop(self, epoch: int) -> None:
        """Remove what no epoch needs any more, once the one after ``epoch`` is done."""
        if not self.keep:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(f"epoch-{epoch}", "model.npz"))
            self._empty(epoch + 1 - self.window)

    def _empty(self, epoch: int) -> None:
        """Remove an epoch's files; of the best one all but what explains it."""
        folder = self.path(f"epoch-{epoch}")
        there = {*os.listdir(folder)} if os.path.isdir(folder) else set()
        if epoch != self.progress.best_epoch or not there & {*REASONS}:
            shutil.rmtree(folder, ignore_errors=True)
            return
        for name in there - {*REASONS}:
            os.unlink(os.path.join(folder, name))

    def _tidy(self) -> None:
        """Remove what a killed process left: half-written files, and old ones that it had no time to drop."""
        remove_unfinished(self.folder)
        for epoch in range(1, self.progress.epoch + 3):  # an epoch writes the samples of the next
            remove_unfinished(self.path(f"epoch-{epoch}"))
        for epoch in range(1, self.progress.epoch):
            self._drop(epoch)

    def path(self, *parts: str) -> str:
        """A file of the folder."""
        return os.path.join(self.folder, *parts)

    def epoch_path(self, epoch: int, name: str) -> str:
        """A file of an epoch."""
        return self.path(f"epoch-{epoch}", name)

    def open_epoch(self, epoch: int) -> None:
        """Have an epoch's own folder there."""
        os.makedirs(self.path(f"epoch-{epoch}"), exist_ok=True)

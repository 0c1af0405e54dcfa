"""What the kept epochs of a run did with one pair, and the profiles that its user had, with what changed in them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from llmhd_tools.core.pruning import NoiseRate, predictions
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import Table, to_records
from llmhd_tools.files.tables import read_table
from llmhd_tools.files.tensors import read_tensors
from llmhd_tools.runs.kept import kept_epochs, read_epoch
from llmhd_tools.runs.opened import Opened
from llmhd_tools.settings import Judging, Pruning, choices_of
from llmhd_tools.settings.spans import Span, steps_of
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.stages.judge import parse_thresholds, pick_rule

_SAMPLE = ("loss", "variance", "negative_variance", "candidate", "score", "negative_score", "error", "model")


@dataclass(frozen=True)
class Histories:
    """A run's kept epochs, to be asked about pairs; codes are those of ``dataset``."""

    run: Opened
    dataset: Dataset

    def of(self, user: int, item: int) -> list[Record]:
        """What each kept epoch did with a pair, oldest first: a record for each of its samples that the pair was in, or one
        with the prediction alone."""
        run, found = self.run, []
        names = ("embeddings.npz", "verdicts.jsonl")
        for epoch in sorted({epoch for name in names for epoch in kept_epochs(run, name)} | {self.best}):
            head: Record = {"epoch": epoch} | ({"best": True} if epoch == self.best else {})
            head |= self._prediction(epoch, user, item) | self._flags(epoch, user, item)
            found += [head | sample for sample in self._samples(epoch, user, item)] or [head]
        return found

    @property
    def best(self) -> int:
        """The best epoch."""
        return int(self.run.progress["best_epoch"])

    def _prediction(self, epoch: int, user: int, item: int) -> Record:
        path = self.run.path("best.npz")
        if epoch != self.best:
            if epoch not in kept_epochs(self.run, "embeddings.npz"):
                return {}
            path = self.run.path(f"epoch-{epoch}", "embeddings.npz")
        z = read_tensors(path, "embeddings").aligned(self.dataset.users, self.dataset.items)
        pair = np.array([user], np.int32), np.array([item], np.int32)
        return {"prediction": float(predictions(z, *pair, "raw")[0])}

    def _table(self, epoch: int, name: str, kind: str) -> Table | None:
        if epoch not in kept_epochs(self.run, name):
            return None
        return read_epoch(self.run, epoch, name, kind, self.dataset.users, self.dataset.items)

    def _flags(self, epoch: int, user: int, item: int) -> Record:
        table = self._table(epoch, "flags.npz", "flags")
        if table is None:
            return {}
        rows = np.flatnonzero((table["user"] == user) & (table["item"] == item))
        return {"flags": int(table["count"][rows[0]])} if len(rows) else {}

    def _samples(self, epoch: int, user: int, item: int) -> Iterator[Record]:
        """The epoch's samples of the pair: of all where they are kept, else of the noisy ones."""
        judged = self._table(epoch, "judged.jsonl", "judged") or self._table(epoch, "noisy.jsonl", "noisy")
        verdicts = self._table(epoch, "verdicts.jsonl", "verdicts")
        samples = self._table(epoch, "samples.npz", "samples")
        told = set()
        if judged is not None and verdicts is not None and len(judged):
            for row in _rows_of(judged, user, item).tolist():
                told.add(int(judged["row"][row]) if "row" in judged else -1)
                yield self._judged(epoch, judged, row, user, item, str(verdicts.columns["verdict"][row]), samples)
        for row in _rows_of(samples, user, item).tolist() if samples is not None else []:
            if row not in told:
                assert samples is not None
                found = _one(samples, row, user, item) | {"noisy": False, "verdict": "kept"}
                yield found | _loss_rank(samples, found["loss"])

    def _judged(
        self, epoch: int, judged: Table, row: int, user: int, item: int, verdict: str, samples: Table | None
    ) -> Record:
        found = _one(judged, row, user, item) | {"noisy": True}
        found |= _loss_rank(samples, found["loss"]) if samples is not None else {}
        found["verdict"] = "kept" if verdict == "hard" else verdict
        if (steps := self._steps) is not None:
            found |= {"step": int(steps * (epoch - 1)) + int(judged["batch"][row])}
        return found | self._reason(found)

    @cached_property
    def _steps(self) -> float | None:
        """How many steps an epoch has, as all have as many; None where no model is kept."""
        if not (kept := kept_epochs(self.run, "model.npz")):
            return None
        meta = read_tensors(self.run.path(f"epoch-{kept[-1]}", "model.npz"), "model").meta
        return int(meta["step"]) / int(meta["epoch"])

    def _reason(self, found: Record) -> Record:
        """The verdict on a noisy sample in words, ``why``, with the thresholds that were in force."""
        pruning = self._section(Pruning)
        told, said = "its loss is among the highest of its batch", {}
        if (step := found.get("step")) is not None:
            alpha = steps_of(pruning.alpha, self._steps or 1.0)
            share = NoiseRate(alpha, pruning.max_noise, pruning.schedule).share(step, self._batch)
            told, said = (
                f"its loss is among the highest {share:.2%} of its batch at step {step:,}",
                {"noise_share": share},
            )
        if self.run.settings.get("denoise") != "llmhd":
            more = "nobody is asked which of those are hard"
        elif not found.get("candidate"):
            more = f"it is no candidate ({pruning.candidates:.0%} of such are, by {pruning.selection})"
        elif found.get("score") is None or ("negative" in found and found.get("negative_score") is None):
            more = f"it is a candidate without a score: {found.get('error', 'nobody answered')}"
        elif step is None:
            more = "against which thresholds nobody knows, as the last epoch's model.npz is gone"
        else:
            more, limit = self._rule(found, pruning.alpha)
            said["threshold"] = limit
        return said | {"why": f"{told}; {more}"}

    def _rule(self, found: Record, alpha: Span) -> tuple[str, float]:
        """What a scored candidate's scores were held against, in words, and the threshold."""
        how = self._section(Judging)
        limits = parse_thresholds(how, alpha, self._steps or 1.0)
        rule = pick_rule(how.rule, "bpr" if "negative" in found else "bce")
        at = np.array([found["step"]])
        if "negative" in found:
            limit = -limits.gap if rule == "band" else float(limits.pair.at(at)[0])
            score, other = found["score"], found["negative_score"]
            asked = "below" if rule == "gap-below" else "above"
            return (
                f"{score:g} against {other:g} is a gap of {score - other:g}; hard is {asked} {limit:.2f} ({rule})",
                limit,
            )
        observed = found["label"] == 1
        moving = limits.positive if observed else limits.negative
        limit = (limits.low if observed else limits.high) if rule == "band" else float(moving.at(at)[0])
        asked = "below" if observed == (rule == "disagree") else "above"
        return f"the score is {found['score']:g}; hard is {asked} {limit:.2f} ({rule})", limit

    @property
    def _batch(self) -> int:
        params = read_tensors(self.run.path("best.npz"), "embeddings").meta.get("made", {}).get("params", {})
        return int(params.get("batch", 1))

    def _section(self, section: Any) -> Any:
        """A section of the run's settings; a choice that a newer llmhd has is as usual."""
        given = {name: self.run.settings[name] for name in choices_of(section) if name in self.run.settings}
        return section(**given)

    def profiles(self, user: str) -> list[Record]:
        """The versions of a user's profile that are kept, oldest first, each with its words against those before.

        ``changes`` are [mark, words]: "=" as before, "-" gone, "+" new. A version that says the same as before is left out.
        """
        found: list[Record] = []
        for epoch, path in self._profile_files():
            record = next((r for r in to_records(read_table(path, "profiles")) if str(r["user"]) == user), None)
            if record is None or (found and record["profile"] == found[-1]["profile"]):
                continue
            changes = {"changes": word_diff(found[-1]["profile"], record["profile"])} if found else {}
            kept = {name: record[name] for name in ("version", "model", "profile", "error") if name in record}
            found.append({"after_epoch": epoch} | kept | changes)
        return found

    def _profile_files(self) -> list[tuple[int, str]]:
        """After which epoch, 0 for before all, and where profiles were written."""
        run = self.run
        first = run.settings.get("profiles") or run.path("profiles.jsonl")
        base = [(0, first)] if os.path.exists(first) else []
        return base + [(e, run.path(f"epoch-{e}", "profiles.jsonl")) for e in kept_epochs(run, "profiles.jsonl")]


def _rows_of(table: Table, user: int, item: int) -> np.ndarray:
    """The rows that a pair is in, as interaction or as the sampled item."""
    rows = table["item"] == item
    if "negative" in table:
        rows = rows | (table["negative"] == item)
    return np.flatnonzero((table["user"] == user) & rows)


def _one(table: Table, row: int, user: int, item: int) -> Record:
    """What a row says of the pair."""
    record = next(to_records(table.take(np.array([row]))))
    sampled = int(table["item"][row]) != item or record.get("label") == 0
    found: Record = {"as": "sampled" if sampled else "interaction"}
    found |= {name: record[name] for name in ("negative", "label") if name in record}
    if int(table["item"][row]) != item:
        found["against"] = record["item"]
    return found | {name: record[name] for name in _SAMPLE if name in record}


def _loss_rank(samples: Table, loss: float) -> Record:
    """The share of the epoch's samples of lower loss."""
    return {"loss_rank": float((samples["loss"] < np.float32(loss)).mean())}


def word_diff(before: str, after: str) -> list[list[str]]:
    """One text against another word by word, as [mark, words]: "=" in both, "-" only before, "+" only after."""
    old, new = before.split(), after.split()
    found = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        parts = (("=", old[a:b]),) if kind == "equal" else (("-", old[a:b]), ("+", new[c:d]))
        found += [[mark, " ".join(words)] for mark, words in parts if words]
    return found

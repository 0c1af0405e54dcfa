"""What ``run`` measures: every epoch on valid and against known noise, the best one on test."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmhd_tools import notes
from llmhd_tools.errors import InputError
from llmhd_tools.files.jsonl import Record
from llmhd_tools.measure.dislikes import disliked_metrics
from llmhd_tools.measure.known_noise import cut_metrics, noise_metrics, numbered, trust_metrics
from llmhd_tools.measure.ranking import Ranking, parse_at, parse_metrics, rank_metrics, tell_unknown
from llmhd_tools.measure.selection import Selection, Selector

if TYPE_CHECKING:
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors
    from llmhd_tools.run.plan import Settings
    from llmhd_tools.stages.dataset import Training
    from llmhd_tools.stages.model import Run
    from llmhd_tools.train.config import Config


class Measuring:
    """The held-out tables of a run, and how it is measured on them."""

    def __init__(self, settings: Settings) -> None:
        """Raises UsageError for a wrong --select, --at or --metrics."""
        self.settings = settings
        self.select = Selection.parse(settings.select, settings.trim)
        self.at, self.names = parse_at(settings.at), parse_metrics(settings.metrics)
        self.selector: Selector | None = None

    def read(self, interactions: Table, training: Training) -> None:
        """Read what is held out. Raises InputError where that does not fit the training interactions."""
        from llmhd_tools.files.tables import read_table
        from llmhd_tools.stages.dataset import by_user

        s = self.settings
        if s.noise and "noise" not in interactions:
            raise InputError("has no 'noise' marks for --noise to measure against", where=s.train)
        self.interactions, self.training = interactions, training
        self.hidden = by_user(interactions, training.users, training.items)
        self.valid = read_table(s.valid, "interactions")
        self.test = read_table(s.test, "interactions") if s.test else None
        self.disliked = read_table(s.disliked, "interactions") if s.disliked else None
        for table in (self.valid, self.test, self.disliked):
            if table is not None:
                tell_unknown("run", table, training.users, training.items, s.unknown)
        self._tell_overlap(self.valid, [interactions], "train")
        if self.test is not None:
            self._tell_overlap(self.test, [interactions, self.valid], "train or valid")

    def _tell_overlap(self, held_out: Table, seen: Sequence[Table], names: str) -> None:
        """Say how many held-out pairs were there to learn or to choose by: their ranks say little about new ones."""
        import numpy as np

        known = np.concatenate([numbered(table, self.training) for table in seen])
        pairs = numbered(held_out, self.training)
        if both := int(np.isin(pairs[pairs >= 0], known).sum()):
            notes.note(f"{both:,} of {len(held_out):,} pairs of {held_out.source} are in {names} too")

    def prepare(self, config: Config) -> None:
        """Make ready what chooses the epoch. Raises InputError where no validation row has a loss to choose by."""
        if not self.select.ranked:
            self.selector = Selector(
                self.select, self.valid, self.training, self.hidden, config.loss, config.seed, self.settings.unknown
            )

    def epoch(self, z: Tensors, run: Run, counts: dict[str, int]) -> tuple[list[Record], float]:
        """The records of the epoch that ``run`` has just finished, its ``counts`` among them; and the value that chooses
        the epoch, which is to grow."""
        select, lengths, names = self.select, self.at, self.names
        if select.k and not self.selector:
            lengths, names = sorted({*lengths, select.k}), list(dict.fromkeys([*names, select.metric]))
        unknown, rank = self.settings.unknown, _ranking(run)
        every = rank_metrics(z, self.valid, [self.hidden], lengths, names, "valid", unknown, rank=rank)
        found = [r for r in every if r["k"] in self.at and r["metric"] in self.names]
        if self.selector:
            chosen = self.selector.record(z)
        else:
            (chosen,) = (r for r in every if (r["k"], r["metric"]) == (select.k, select.metric))
        if chosen not in found:
            found.append(chosen)
        head = {"epoch": z.meta["epoch"], "split": "train"}
        found.append(head | {"metric": "loss", "value": run.loss})
        found += [head | {"metric": name, "value": float(count)} for name, count in counts.items()]
        if self.settings.noise:
            found += noise_metrics(z, self.interactions, run.verdicts)
            if trust := run.trust():
                found += trust_metrics(z, trust, self.training, self.interactions)
        if run.drop:
            found += cut_metrics(z, run.drop, self.training, self.interactions if self.settings.noise else None)
        return found, float(chosen["value"]) * (-1 if select.metric == "loss" else 1)

    def best(self, z: Tensors, run: Run) -> list[Record]:
        """The records of the best epoch on test, none without --test."""
        from llmhd_tools.stages.dataset import by_user

        if self.test is None:
            return []
        hidden = [by_user(table, z.users, z.items) for table in (self.interactions, self.valid)]
        unknown, rank = self.settings.unknown, _ranking(run)
        found = rank_metrics(z, self.test, hidden, self.at, self.names, "test", unknown, rank=rank)
        if self.disliked is not None:
            found += disliked_metrics(z, self.test, self.disliked, hidden, self.at, "test", unknown, rank=rank)
        return found


def _ranking(run: Run) -> Ranking | None:
    """How to rank where the run trains; None on the CPU."""
    if (device := run.trainer.device).type != "cuda":
        return None
    from llmhd_tools.train.ranking import hits_at

    return functools.partial(hits_at, device=device)

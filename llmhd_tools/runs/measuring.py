"""What a run measures: every epoch on valid and against known noise, the best one on test."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from llmhd_tools import notes
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.measure.dislikes import disliked_metrics
from llmhd_tools.measure.known_noise import cut_metrics, noise_metrics, numbered, trust_metrics
from llmhd_tools.measure.ranking import Ranking, parse_at, parse_metrics, rank_metrics, tell_unknown
from llmhd_tools.measure.selection import Selection, Selector
from llmhd_tools.runs.plan import Inputs, Plan, check_noise
from llmhd_tools.stages.dataset import Dataset, by_user
from llmhd_tools.stages.model import Model
from llmhd_tools.train.config import Config
from llmhd_tools.train.ranking import hits_at


class Measurer:
    """The held-out tables of a run, and how it is measured on them."""

    def __init__(self, plan: Plan, inputs: Inputs, dataset: Dataset, config: Config) -> None:
        """Raises UsageError for a wrong choice, InputError where what is held out does not fit the training interactions,
        or no validation row has a loss to choose by."""
        check_noise(plan, inputs.train)
        self.inputs, self.dataset, self.noise = inputs, dataset, plan.noise
        self.unknown, self.select = plan.measuring.unknown, Selection.parse(plan.stopping.select)
        self.at, self.names = parse_at(plan.measuring.at), parse_metrics(plan.measuring.metrics)
        self.hidden = by_user(inputs.train, dataset.users, dataset.items)
        for table in (inputs.valid, inputs.test, inputs.disliked):
            if table is not None:
                tell_unknown(table, dataset.users, dataset.items, self.unknown)
        self._tell_overlap(inputs.valid, [inputs.train], "train")
        if inputs.test is not None:
            self._tell_overlap(inputs.test, [inputs.train, inputs.valid], "train or valid")
        self.selector: Selector | None = None
        if not self.select.ranked:
            how = config.loss, config.seed, self.unknown
            self.selector = Selector(self.select, inputs.valid, dataset, self.hidden, *how)

    def _tell_overlap(self, held_out: Table, seen: Sequence[Table], names: str) -> None:
        """Say how many held-out pairs were there to learn or to choose by: their ranks say little about new ones."""
        known = np.concatenate([numbered(table, self.dataset) for table in seen])
        pairs = numbered(held_out, self.dataset)
        if both := int(np.isin(pairs[pairs >= 0], known).sum()):
            notes.warn(f"{both:,} of {len(held_out):,} pairs of {held_out.source} are in {names} too")

    def epoch(self, z: Tensors, model: Model, counts: dict[str, int]) -> tuple[list[Record], float]:
        """The records of the epoch that the model has just finished, its ``counts`` among them; and the value that chooses
        the epoch, which is to grow."""
        select, lengths, names = self.select, self.at, self.names
        if select.k and not self.selector:
            lengths, names = sorted({*lengths, select.k}), list(dict.fromkeys([*names, select.metric]))
        valid, rank = self.inputs.valid, _ranking(model)
        every = rank_metrics(z, valid, [self.hidden], lengths, names, "valid", self.unknown, rank=rank)
        found = [r for r in every if r["k"] in self.at and r["metric"] in self.names]
        if self.selector:
            chosen = self.selector.record(z)
        else:
            (chosen,) = (r for r in every if (r["k"], r["metric"]) == (select.k, select.metric))
        if chosen not in found:
            found.append(chosen)
        found += self._of_training(z, model, counts)
        return found, float(chosen["value"]) * (-1 if select.metric == "loss" else 1)

    def _of_training(self, z: Tensors, model: Model, counts: dict[str, int]) -> list[Record]:
        """Loss and counts of the epoch, and how well it told known noise."""
        head = {"epoch": z.meta["epoch"], "split": "train"}
        found: list[Record] = [head | {"metric": "loss", "value": model.loss}]
        found += [head | {"metric": name, "value": float(count)} for name, count in counts.items()]
        train = self.inputs.train
        if self.noise:
            found += noise_metrics(z, train, model.verdicts)
            if trust := model.trust():
                found += trust_metrics(z, trust, self.dataset, train)
        if model.edges.drop:
            found += cut_metrics(z, model.edges.drop, self.dataset, train if self.noise else None)
        return found

    def best(self, z: Tensors, model: Model) -> list[Record]:
        """The records of the best epoch on test, none where there is no test."""
        test, disliked = self.inputs.test, self.inputs.disliked
        if test is None:
            return []
        hidden = [by_user(table, z.users, z.items) for table in (self.inputs.train, self.inputs.valid)]
        rank = _ranking(model)
        found = rank_metrics(z, test, hidden, self.at, self.names, "test", self.unknown, rank=rank, tell_ties=True)
        if disliked is not None:
            found += disliked_metrics(z, test, disliked, hidden, self.at, "test", self.unknown, rank=rank)
        return found


def _ranking(model: Model) -> Ranking | None:
    """How to rank where the model trains; None on the CPU."""
    device = model.trainer.device
    return functools.partial(hits_at, device=device) if device.type == "cuda" else None

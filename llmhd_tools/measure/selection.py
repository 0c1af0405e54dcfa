"""Which epoch of a run is best: by a ranking metric or by the loss on valid, trimmed or not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmhd_tools.core.metrics import ByUser
from llmhd_tools.core.trimming import HeldOut
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.measure.ranking import check_known, parse_metrics, rank_metrics
from llmhd_tools.stages.dataset import Dataset

TRIMMED, SHARE = "trimmed", "0.2"


def _share(text: str) -> float:
    """The share of rows that a text names, below 1; -1 where it is none."""
    try:
        share = float(text)
    except ValueError:
        return -1
    return share if 0 <= share < 1 else -1


@dataclass(frozen=True)
class Selection:
    """``metric`` at ``k``, or ``loss`` without a k; ``trim`` is the share of highest loss to leave out, None: no trimming."""

    metric: str
    k: int | None
    trim: float | None

    @classmethod
    def parse(cls, text: str) -> Selection:
        """``ndcg@10``, ``loss``, ``trimmed:ndcg@10``, ``trimmed:loss:0.3``; ``trimmed`` alone is ``trimmed:loss:0.2``.

        Raises UsageError for anything else.
        """
        head, *more = text.split(":")
        trim = None
        if head == TRIMMED:
            head, share, *more = [*more, *("loss", SHARE)[len(more) :]]
            trim = _share(share)
        name, _, k = head.partition("@")
        wrong = more or trim == -1 or (head != "loss" and ("," in name or not k.isdecimal() or int(k) < 1))
        if wrong:
            told = f"is not a metric and a list length such as ndcg@10, nor loss, nor {TRIMMED}:…"
            raise UsageError(f"`select` '{text}' {told}")
        if head == "loss":
            return cls(head, None, trim)
        return cls(parse_metrics(name, "select")[0], int(k), trim)

    @property
    def ranked(self) -> bool:
        """Whether it is a metric of the ranking of all rows."""
        return self.k is not None and self.trim is None


class Selector:
    """Measures on the validation rows what chooses the epoch, where that is not a metric of their ranking.

    A row without an embedding has no loss: it counts in a ranking as ``unknown`` says, in no loss, and is never trimmed.
    Raises UsageError for a loss that no row has by itself.
    """

    def __init__(
        self, chosen: Selection, valid: Table, dataset: Dataset, hidden: ByUser, loss: str, seed: int, unknown: str
    ) -> None:
        if loss == "softmax":
            raise UsageError("`select` by loss is not for `loss` softmax, whose loss is a batch's; name a metric alone")
        user, item, _ = check_known(valid, dataset.users, dataset.items, unknown)
        self.rows = np.flatnonzero((user >= 0) & (item >= 0))
        if not len(self.rows):
            raise InputError("no row has an embedding, so there is no loss to choose by", where=valid.source)
        self.held_out = HeldOut.of(dataset.graph, user[self.rows], item[self.rows], seed)
        self.chosen, self.valid, self.hidden, self.loss, self.unknown = chosen, valid, hidden, loss, unknown

    def record(self, z: Tensors) -> Record:
        """The metric record of an epoch's embeddings, whose ids are those of the training."""

        embeddings, chosen, trim = (z.arrays["user"], z.arrays["item"]), self.chosen, self.chosen.trim or 0.0
        prefix = "" if chosen.trim is None else f"{TRIMMED}-"
        if chosen.k is None:
            head: Record = {"epoch": z.meta["epoch"], "split": "valid", "metric": f"{prefix}loss"}
            return head | {"value": self.held_out.loss(embeddings, self.loss, trim)}
        stays = np.ones(len(self.valid), dtype=bool)
        stays[self.rows] = self.held_out.kept(embeddings, self.loss, trim)
        rest = self.valid.take(stays)
        (found,) = rank_metrics(z, rest, [self.hidden], [chosen.k], [chosen.metric], "valid", self.unknown)
        return found | {"metric": prefix + chosen.metric}

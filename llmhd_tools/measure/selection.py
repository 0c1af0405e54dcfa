"""Which epoch of a run is best, as ``--select`` says: by a ranking metric or by the loss on valid, trimmed or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.jsonl import Record

if TYPE_CHECKING:
    from llmhd_tools.core.metrics import ByUser
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors
    from llmhd_tools.stages.dataset import Training

TRIMMED = "trimmed"


@dataclass(frozen=True)
class Selection:
    """``metric`` at ``k``, or ``loss`` without a k; ``trim`` is the share of highest loss to leave out, None: no trimming."""

    metric: str
    k: int | None
    trim: float | None

    @classmethod
    def parse(cls, text: str, trim: float) -> Selection:
        """``ndcg@10``, ``loss``, ``trimmed:ndcg@10``, ``trimmed:loss``; ``trimmed`` alone is the last.

        Raises UsageError for anything else.
        """
        from llmhd_tools.measure.ranking import parse_metrics

        head, colon, rest = (TRIMMED, ":", "loss") if text == TRIMMED else text.rpartition(":")
        name, _, k = rest.partition("@")
        if head != TRIMMED * bool(colon) or (rest != "loss" and ("," in name or not k.isdecimal() or int(k) < 1)):
            raise UsageError(
                f"--select '{text}' is not a metric and a list length such as ndcg@10, nor loss, nor {TRIMMED}:…"
            )
        share = trim if colon else None
        if rest == "loss":
            return cls(rest, None, share)
        return cls(parse_metrics(name, "--select")[0], int(k), share)

    @property
    def ranked(self) -> bool:
        """Whether it is a metric of the ranking of all rows."""
        return self.k is not None and self.trim is None


class Selector:
    """Measures on the validation rows what chooses the epoch, where that is not a metric of their ranking.

    A row without an embedding has no loss: it counts in a ranking as ``unknown`` says, in no loss, and is never trimmed.
    """

    def __init__(
        self, chosen: Selection, valid: Table, training: Training, hidden: ByUser, loss: str, seed: int, unknown: str
    ) -> None:
        import numpy as np

        from llmhd_tools.core.trimming import HeldOut
        from llmhd_tools.measure.ranking import check_known

        user, item, _ = check_known(valid, training.users, training.items, unknown)
        self.rows = np.flatnonzero((user >= 0) & (item >= 0))
        if not len(self.rows):
            raise InputError("no row has an embedding, so there is no loss to choose by", where=valid.source)
        self.held_out = HeldOut.of(training.graph, user[self.rows], item[self.rows], seed)
        self.chosen, self.valid, self.hidden, self.loss, self.unknown = chosen, valid, hidden, loss, unknown

    def record(self, z: Tensors) -> Record:
        """The metric record of an epoch's embeddings, whose ids are those of the training."""
        import numpy as np

        from llmhd_tools.measure.ranking import rank_metrics

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

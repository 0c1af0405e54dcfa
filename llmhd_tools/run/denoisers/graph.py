"""The stages with which ``run`` cleans the graph: suspects, their scores, and the pairs that leave (docs/graph.md)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmhd_tools.errors import UsageError

if TYPE_CHECKING:
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors
    from llmhd_tools.stages.dataset import Training
    from llmhd_tools.stages.edges import Drop

    Judge = Callable[[Table, str, str], Table]  # scores of suspects that lie in a file, to be written to another

_JUDGED = 2.0  # times the share to cut are scored: those, and the next that may take their places


@dataclass(frozen=True)
class Cleaning:
    """After which ``epochs`` to cut which ``share`` of the training pairs, and how to rank them; see ``suspect``."""

    epochs: tuple[int, ...]
    share: float
    text_weight: float
    leave_one_out: bool

    @classmethod
    def parse(cls, at: str, epochs: int, share: float, text_weight: float, leave_one_out: bool) -> Cleaning:
        """Of the options of ``run``. Raises UsageError where ``at`` is no list of epochs, or none before the last."""
        found = sorted({int(part) if part.strip().isdecimal() else 0 for part in at.split(",")})
        if found[0] < 1:
            raise UsageError(f"--clean-at '{at}' is not a list of epochs such as 8,16")
        if found[0] >= epochs:
            raise UsageError(f"--clean-at {found[0]} leaves no epoch on the clean graph within --epochs {epochs}")
        return cls(tuple(found), share, text_weight, leave_one_out)

    def before(self, epoch: int) -> int:
        """The last cleaning that came before the end of ``epoch``, 0 for none."""
        return max((at for at in self.epochs if at < epoch), default=0)

    def clean(
        self,
        epoch: int,
        training: Training,
        history: Iterable[Tensors],
        drop: Drop | None,
        vectors: Tensors | None,
        judge: Judge | None,
        folder: str,
    ) -> Table:
        """The suspects to cut after ``epoch``; the tables of each step are written into ``folder``.

        Of the ``history``, the epochs since the last cleaning count, which were trained without ``drop``.
        """
        from llmhd_tools.files.tables import write_table
        from llmhd_tools.stages.suspect import Texts, suspects

        since = [z for z in history if z.meta["epoch"] > self.before(epoch)]
        how: dict[str, Any] = {"leave_one_out": self.leave_one_out, "drop": drop}
        texts = Texts(None, vectors, self.text_weight)
        if judge:
            doubtful, scored = (os.path.join(folder, f"{name}-{epoch}.jsonl") for name in ("suspects", "scored"))
            found = suspects(training, since, min(_JUDGED * self.share, 1.0), texts, **how)
            write_table(doubtful, found)
            texts = Texts(judge(found, doubtful, scored), vectors, self.text_weight)
        cut = suspects(training, since, self.share, texts, **how)
        write_table(os.path.join(folder, f"drop-{epoch}.npz"), cut)
        return cut

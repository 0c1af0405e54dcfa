"""The graph cleaned: suspects, their scores, and the pairs that leave (docs/graph.md)."""

from __future__ import annotations

from dataclasses import replace

from llmhd_tools.files.table import Table
from llmhd_tools.files.tables import write_table
from llmhd_tools.runs.denoisers import Context
from llmhd_tools.stages.edges import Drop, drop_of, read_drop
from llmhd_tools.stages.judge import Judge
from llmhd_tools.stages.suspect import suspect

_SCORED = 2.0  # times the share to cut are scored: those, and the next that may take their places


class CleanGraph:
    """Has the most suspicious training pairs leave graph and loss after some epochs, each time chosen anew."""

    def __init__(self, context: Context) -> None:
        self.context, self.plan = context, context.plan

    def resume(self, done: int) -> None:
        """Have those pairs gone that the last cleaning chose."""
        if last := self._last(done):
            self._leave_out(read_drop(self.context.journal.path(f"drop-{last}.npz"), self.context.dataset, 1))

    def before(self, epoch: int) -> tuple[Table | None, Judge | None]:
        """Clean, where the epoch before is one to clean after."""
        if epoch - 1 in self.plan.clean_epochs:
            self._leave_out(drop_of(self._clean(epoch - 1), self.context.dataset, 1))
        return None, None

    def after(self, epoch: int) -> dict[str, int]:
        """Nothing."""
        return {}

    def _last(self, epoch: int) -> int:
        """The last cleaning that came before the end of ``epoch``, 0 for none."""
        return max((at for at in self.plan.clean_epochs if at < epoch), default=0)

    def _leave_out(self, drop: Drop) -> None:
        model = self.context.model
        model.change_edges(replace(model.edges, drop=drop))

    def _clean(self, epoch: int) -> Table:
        """The suspects to cut after ``epoch``, ranked by the epochs since the last cleaning."""
        c, share, path = self.context, self.plan.cleaning.clean_share, self.context.journal.path
        since = [z for z in c.history if z.meta["epoch"] > self._last(epoch)]
        how, weighed = self.plan.suspecting, self.plan.suspecting.text_weight > 0
        drop, vectors, scores = c.model.edges.drop, c.vectors if weighed else None, None
        if c.texts and weighed:
            doubtful = suspect(c.dataset, since, how, share=min(_SCORED * share, 1.0), vectors=vectors, drop=drop)
            write_table(path(f"suspects-{epoch}.jsonl"), doubtful)
            scores = c.texts.scores(doubtful, path(f"suspects-{epoch}.jsonl"), path(f"scored-{epoch}.jsonl"))
        soft = self.plan.cleaning.clean == "soft"
        cut = suspect(c.dataset, since, how, share=share, scores=scores, vectors=vectors, drop=drop, weights=soft)
        write_table(path(f"drop-{epoch}.npz"), cut)
        return cut

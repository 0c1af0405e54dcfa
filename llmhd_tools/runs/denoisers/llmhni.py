"""Disputed pairs, asked about once, correct the graph (LLMHNI, module 2; docs/llmhni.md)."""

from __future__ import annotations

from dataclasses import replace

from llmhd_tools.files.table import Table
from llmhd_tools.files.tables import write_table
from llmhd_tools.files.tensors import read_tensors
from llmhd_tools.runs.denoisers import Context
from llmhd_tools.stages.edges import read_relations, relations_of
from llmhd_tools.stages.judge import Judge
from llmhd_tools.stages.relate import relate


class CorrectedGraph:
    """Has noisy pairs leave the graph and hard ones enter it, after one epoch."""

    def __init__(self, context: Context) -> None:
        self.context, self.at = context, context.plan.inferring.relate_at

    @property
    def path(self) -> str:
        """Where the relations lie."""
        return self.context.journal.path(f"relations-{self.at}.jsonl")

    def resume(self, done: int) -> None:
        """Correct the graph, where the answers are there."""
        if done > self.at:
            model = self.context.model
            model.change_edges(replace(model.edges, relations=read_relations(self.path, self.context.dataset)))

    def before(self, epoch: int) -> tuple[Table | None, Judge | None]:
        """Ask about the pairs that the epoch before disputes."""
        c = self.context
        if epoch - 1 == self.at:
            assert c.texts is not None
            z = read_tensors(c.journal.epoch_path(self.at, "embeddings.npz"), "embeddings")
            found = relate(z, c.dataset, c.texts.by_user(), c.texts.items, c.texts.provider, c.plan.relating)
            write_table(self.path, found)
            c.model.change_edges(replace(c.model.edges, relations=relations_of(found, c.dataset)))
        return None, None

    def after(self, epoch: int) -> dict[str, int]:
        """Nothing."""
        return {}

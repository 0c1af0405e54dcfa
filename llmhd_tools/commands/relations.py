"""What disputed pairs do to the graph (LLMHNI, module 2, step 6): G' is G without noisy pairs and with inferred ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmhd_tools.commands.dropping import Drop, places
from llmhd_tools.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from llmhd_tools.commands.loading import Training
    from llmhd_tools.core.graph import Graph
    from llmhd_tools.files.tables import Table
    from llmhd_tools.train.config import Config


@dataclass(frozen=True)
class Relations:
    """Training pairs that were judged ``noisy``, and other pairs that were judged hard, ``inferred``."""

    noisy: Drop
    inferred: Graph

    def corrected(self, graph: Graph) -> Graph:
        """G' of G: without the noisy pairs, the inferred ones behind all others."""
        return self.with_inferred(self.noisy.kept(graph))

    def with_inferred(self, graph: Graph) -> Graph:
        """The graph and the inferred pairs, none of which may be drawn as a negative."""
        return graph.plus(self.inferred.user, self.inferred.item)


def check_relations(config: Config) -> None:
    """Raise UsageError where the denoiser changes the graph, or labels, in its own way."""
    if config.denoise not in ("none", "llmhni"):
        raise UsageError(
            f"--relations corrects the graph, and --denoise {config.denoise} denoises its own way; leave one out"
        )


def tell_relations(relations: Relations | None) -> str:
    """How the graph was corrected, as the end of a sentence."""
    if relations is None:
        return ""
    return f"; {len(relations.noisy.pairs):,} noisy pairs left out of the graph, {len(relations.inferred):,} inferred"


def read_relations(path: str, training: Training) -> Relations:
    """Read judged relations. Raises InputError for another kind, and as ``relations_of``."""
    from llmhd_tools.files.tables import read_table

    table = read_table(path, "relations", users=training.users, items=training.items)
    return relations_of(table, training)


def relations_of(table: Table, training: Training) -> Relations:
    """The relations in a table of training's codes; rows without a verdict say nothing.

    Raises InputError for a row whose label is wrong, whose verdict is unknown, or where no training pair is left.
    """
    import numpy as np

    from llmhd_tools.core.graph import Graph

    graph, observed = training.graph, table["label"] == 1
    places(table, training, observed)
    if (known := ~observed & graph.has(table["user"], table["item"])).any():
        raise InputError("label is 0, but this is a training pair", where=table.where(int(np.argmax(known))))
    verdicts = table.columns.get("verdict", [None] * len(table))
    for row, verdict in enumerate(verdicts):
        if verdict not in ("hard", "noisy", None):
            raise InputError(f"verdict is '{verdict}', must be hard or noisy", where=table.where(row))

    def pairs(side: np.ndarray, verdict: str) -> Graph:
        rows = side & np.array([found == verdict for found in verdicts], dtype=bool)
        return Graph.of(table["user"][rows], table["item"][rows], graph.n_users, graph.n_items)

    noisy, inferred = pairs(observed, "noisy"), pairs(~observed, "hard")
    if len(noisy) == len(graph) and not len(inferred):
        raise InputError("calls every training pair noisy; nothing would be left to learn", where=table.source)
    return Relations(Drop(noisy, table.digest()), inferred)

"""Pairs that leave the graph and the loss while they are held for false positives (ours; docs/graph.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmhd_tools.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmhd_tools.commands.loading import Training
    from llmhd_tools.core.graph import Graph
    from llmhd_tools.core.sampling import Samples
    from llmhd_tools.files.tables import Table


@dataclass(frozen=True)
class Drop:
    """The training ``pairs`` to leave out, a graph of the training graph's size; the rest is for provenance."""

    pairs: Graph
    digest: str
    params: dict[str, Any] = field(default_factory=dict)

    def kept(self, graph: Graph) -> Graph:
        """The training graph without these pairs."""
        return graph.without(self.pairs.user, self.pairs.item)

    def rows(self, samples: Samples) -> NDArray[np.bool_]:
        """Which samples are of these pairs, (n,) bool; a sampled negative is not, it is none of the training pairs."""
        found = self.pairs.has(samples.user, samples.item)
        return found if samples.label is None else found & (samples.label == 1)


def tell_drop(drop: Drop | None) -> str:
    """How many pairs are left out, as the end of a sentence."""
    return f"; {len(drop.pairs):,} pairs left out of the graph" if drop else ""


def read_drop(path: str, training: Training, confidence: int) -> Drop:
    """Read the pairs to leave out. Raises InputError for another kind, and for a pair that is not in training."""
    from llmhd_tools.files.tables import read_table

    table = read_table(path, ("suspects", "flags"), users=training.users, items=training.items)
    return drop_of(table, training, confidence)


def drop_of(table: Table, training: Training, confidence: int) -> Drop:
    """The pairs of a table in training's codes: suspects that are cut, or training pairs with ``confidence`` flags (ε_γ).

    Raises InputError for a pair that is not in training.
    """
    import numpy as np

    from llmhd_tools.core.graph import Graph

    graph = training.graph
    if table.kind == "flags":
        ours, chosen = table["label"] == 1, table["count"] >= confidence
        params = {"confidence": confidence}
    else:
        ours, chosen, params = np.ones(len(table), dtype=bool), table["cut"] == 1, {}
    places(table, training, ours)  # refuses a pair that is none
    rows = ours & chosen
    pairs = Graph.of(table["user"][rows], table["item"][rows], graph.n_users, graph.n_items)
    if len(pairs) == len(graph):
        raise InputError("drops every training pair; nothing would be left to learn", where=table.source)
    return Drop(pairs, table.digest(), params)


def places(table: Table, training: Training, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The places of a table's pairs, in training's codes, among the training pairs, for the rows that must be some.

    Raises InputError for a pair that is not in training.
    """
    import numpy as np

    user, item = table["user"][rows], table["item"][rows]
    found = training.graph.find(user, item)
    if (found < 0).any():
        at = int(np.argmax(found < 0))
        pair = f"user '{training.users.names[user[at]]}' with item '{training.items.names[item[at]]}'"
        raise InputError(f"{pair} is no training pair", where=table.where(int(np.flatnonzero(rows)[at])))
    return found

"""Pairs that leave the graph and the loss while they are held for false positives (ours; docs/graph.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmhd_tools.core.graph import Graph
from llmhd_tools.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmhd_tools.commands.loading import Training
    from llmhd_tools.core.sampling import Samples
    from llmhd_tools.files.tables import Table

_KINDS = ("suspects", "flags")


@dataclass(frozen=True)
class Drop:
    """The training ``pairs`` to leave out, a graph of the training graph's size; the rest is for provenance."""

    pairs: Graph
    digest: str
    params: dict[str, Any] = field(default_factory=dict)

    def rows(self, samples: Samples) -> NDArray[np.bool_]:
        """Which samples are of these pairs, (n,) bool; a sampled negative is not, it is none of the training pairs."""
        found = self.pairs.has(samples.user, samples.item)
        return found if samples.label is None else found & (samples.label == 1)


def tell_drop(drop: Drop | None) -> str:
    """How many pairs are left out, as the end of a sentence."""
    return f"; {len(drop.pairs):,} pairs left out of the graph" if drop else ""


def read_drop(path: str, training: Training, confidence: int) -> Drop:
    """Read the pairs to leave out. Raises InputError for another kind, and for a pair that is not in training."""
    from llmhd_tools.files.kinds import read_any
    from llmhd_tools.files.tables import Table, recode

    table = read_any(path)
    if not isinstance(table, Table) or table.kind not in _KINDS:
        raise InputError(f"holds {table.kind}, but {' or '.join(_KINDS)} are wanted here", where=path)
    return drop_of(recode(table, training.users, training.items), training, confidence)


def drop_of(table: Table, training: Training, confidence: int) -> Drop:
    """The pairs of a table in training's codes: suspects that are cut, or training pairs with ``confidence`` flags (ε_γ).

    Raises InputError for a pair that is not in training.
    """
    import numpy as np

    graph, user, item = training.graph, table["user"], table["item"]
    if table.kind == "flags":
        ours, chosen = table["label"] == 1, table["count"] >= confidence
        params = {"confidence": confidence}
    else:
        ours, chosen, params = np.ones(len(table), dtype=bool), table["cut"] == 1, {}
    strange = ours & ~graph.has(user, item)
    if strange.any():
        row = int(np.argmax(strange))
        pair = f"user {table.users.names[user[row]]!r} and item {table.items.names[item[row]]!r}"
        raise InputError(f"{pair} are no pair of the training file", where=table.where(row))
    rows = ours & chosen
    pairs = Graph.of(user[rows], item[rows], graph.n_users, graph.n_items)
    if len(pairs) == len(graph):
        raise InputError("drops every training pair; nothing would be left to learn", where=table.source)
    return Drop(pairs, table.digest(), params)

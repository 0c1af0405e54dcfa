"""What leaves and joins the graph: dropped pairs (ours; docs/graph.md), and relations (LLMHNI, module 2, step 6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Floats, Mask
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import Samples
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.table import Table
from llmhd_tools.files.tables import read_table
from llmhd_tools.stages.dataset import Dataset


@dataclass(frozen=True)
class Drop:
    """The training ``pairs`` to leave out, a graph of the training graph's size, or ``weights`` of all training pairs (n,)
    in its place; the rest is for provenance."""

    pairs: Graph
    digest: str
    params: dict[str, Any] = field(default_factory=dict)
    weights: Floats | None = None

    def kept(self, graph: Graph) -> Graph:
        """The training graph without these pairs."""
        return graph.without(self.pairs.user, self.pairs.item)

    def rows(self, samples: Samples) -> NDArray[np.bool_]:
        """Which samples are of these pairs, (n,) bool; a sampled negative is not, it is none of the training pairs."""
        found = self.pairs.has(samples.user, samples.item)
        return found if samples.label is None else found & (samples.label == 1)


def read_drop(path: str, dataset: Dataset, confidence: int) -> Drop:
    """Read the pairs to leave out. Raises InputError for another kind, and for a pair that is not in training."""
    table = read_table(path, ("suspects", "flags"), users=dataset.users, items=dataset.items)
    return drop_of(table, dataset, confidence)


def drop_of(table: Table, dataset: Dataset, confidence: int) -> Drop:
    """The pairs of a table in training's codes: suspects that are cut, or training pairs with ``confidence`` flags (ε_γ).

    Of suspects with a ``weight`` none is left out; a pair that is none of them weighs 1. Raises
    InputError for a pair that is not in training.
    """
    graph = dataset.graph
    if table.kind == "suspects" and "weight" in table:
        weights, every = np.ones(len(graph)), np.ones(len(table), dtype=bool)
        weights[places(table, dataset, every)] = table["weight"]
        nothing = np.zeros(0, dtype=np.int32)
        return Drop(Graph.of(nothing, nothing, graph.n_users, graph.n_items), table.digest(), {}, weights)
    if table.kind == "flags":
        ours, chosen = table["label"] == 1, table["count"] >= confidence
        params = {"confidence": confidence}
    else:
        ours, chosen, params = (
            np.ones(len(table), dtype=bool),
            table["cut"] == 1 if len(table) else np.zeros(0, dtype=bool),
            {},
        )
    places(table, dataset, ours)  # refuses a pair that is none
    rows = ours & chosen
    pairs = Graph.of(table["user"][rows], table["item"][rows], graph.n_users, graph.n_items)
    if len(pairs) == len(graph):
        raise InputError("drops every training pair; nothing would be left to learn", where=table.source)
    return Drop(pairs, table.digest(), params)


def weights_of(dataset: Dataset, drop: Drop | None) -> Floats | None:
    """How much each training pair counts, (n,): its own weight times that of ``drop``; None: all the same."""
    each = [found for found in (dataset.weights, drop.weights if drop else None) if found is not None]
    return np.multiply.reduce(each) if each else None


def places(table: Table, dataset: Dataset, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The places of a table's pairs, in training's codes, among the training pairs, for the rows that must be some.

    Raises InputError for a pair that is not in training.
    """
    user, item = table["user"][rows], table["item"][rows]
    found = dataset.graph.find(user, item)
    if (found < 0).any():
        at = int(np.argmax(found < 0))
        pair = f"user '{dataset.users.names[user[at]]}' with item '{dataset.items.names[item[at]]}'"
        raise InputError(f"{pair} is no training pair", where=table.where(int(np.flatnonzero(rows)[at])))
    return found


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


def read_relations(path: str, dataset: Dataset) -> Relations:
    """Read judged relations. Raises InputError for another kind, and as ``relations_of``."""
    table = read_table(path, "relations", users=dataset.users, items=dataset.items)
    return relations_of(table, dataset)


def relations_of(table: Table, dataset: Dataset) -> Relations:
    """The relations in a table of training's codes; rows without a verdict say nothing.

    Raises InputError for a row whose label is wrong, whose verdict is unknown, or where no training pair is left.
    """
    graph, observed = dataset.graph, table["label"] == 1
    places(table, dataset, observed)
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


@dataclass(frozen=True)
class Edges:
    """All that left and joined the graph."""

    drop: Drop | None = None
    relations: Relations | None = None

    def check(self, denoise: str) -> None:
        """Raise UsageError where the denoiser changes the graph, or labels, in its own way."""
        if self.relations is not None and denoise not in ("none", "llmhni"):
            raise UsageError(f"`relations` corrects the graph, and `denoise` {denoise} its own way; leave one out")

    def observed(self, graph: Graph) -> Graph:
        """The pairs that are no negatives."""
        return graph if self.relations is None else self.relations.with_inferred(graph)

    def learnt(self, graph: Graph) -> Graph:
        """The pairs to propagate on and to learn."""
        kept = self.drop.kept(graph) if self.drop else graph
        return kept if self.relations is None else self.relations.corrected(kept)

    def gone(self, samples: Samples) -> Mask | None:
        """Which samples are of pairs that left, (n,) bool; None where no pair did."""
        left = [drop.rows(samples) for drop in (self.drop, self.relations and self.relations.noisy) if drop]
        return np.logical_or.reduce(left) if left else None

    def params(self) -> dict[str, Any]:
        """For the record of how a file was made."""
        return self.drop.params if self.drop else {}

    def inputs(self) -> dict[str, str | list[str]]:
        """Digests, likewise."""
        found: dict[str, str | list[str]] = {"drop": self.drop.digest} if self.drop else {}
        if self.relations:
            found["relations"] = self.relations.noisy.digest
        return found

    def tell(self) -> str:
        """How many pairs left and joined, as the end of a sentence."""
        told = f"; {len(self.drop.pairs):,} pairs left out of the graph" if self.drop else ""
        if self.drop and self.drop.weights is not None:
            told = f"; pairs weigh {self.drop.weights.min():.2f} to {self.drop.weights.max():.2f}"
        if (related := self.relations) is not None:
            told += (
                f"; {len(related.noisy.pairs):,} noisy pairs left out of the graph, {len(related.inferred):,} inferred"
            )
        return told

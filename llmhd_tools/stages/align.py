"""Text vectors projected so that their cosine tells what a user would want (LLMHNI, module 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from llmhd_tools import notes
from llmhd_tools.core.arrays import Codes
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.relevance import popular_negatives, relevance_auc
from llmhd_tools.core.seeds import generator
from llmhd_tools.core.split import split_per_user
from llmhd_tools.errors import InputError
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.settings import Aligning, pick
from llmhd_tools.train.align import align
from llmhd_tools.train.ops.threads import use_threads


def align_vectors(
    vectors: Tensors,
    train: Table,
    others: Mapping[str, Table] | None = None,
    how: Aligning | None = None,
    **choices: Any,
) -> tuple[Tensors, list[dict[str, Any]]]:
    """The aligned vectors, and records of the AUC of relevance before (epoch 0) and after on each split.

    ``others`` may hold valid and test. Pairs of a user or an item without a vector are left out. Raises InputError where
    one side has no vectors, or no pair is left to learn from or to choose by.
    """
    how, others = pick(Aligning, how, choices), others or {}
    if len(vectors.arrays) < 2:
        raise InputError("has vectors of one side only; embed items and profiles in one call", where=vectors.source)
    use_threads(1)  # products on several threads may differ in the last digit
    before = vectors.arrays["user"], vectors.arrays["item"]
    graphs = {name: _graph(table, vectors) for name, table in [("train", train), *others.items()]}
    if lost := len(train) - len(graphs["train"]):
        notes.note(f"{lost:,} rows of {train.source} are repeated or have no vectors, and are left out")
    if "valid" not in graphs:
        graphs |= _hold_out(graphs["train"], how.held_out, how.seed)
    chosen_on = "valid" if "valid" in others else "held-out"
    pairs = _against_popular(graphs, how.seed) if len(graphs["train"]) else {}
    if not {"train", chosen_on} <= pairs.keys():
        what = f"no {'train' if 'train' not in pairs else chosen_on} pair has vectors on both sides and a negative"
        raise InputError(f"{what} to be measured against", where=vectors.source)
    done = align(before, graphs["train"], how, lambda now: relevance_auc(now, *pairs[chosen_on]))
    after = done.users, done.items
    records = [
        {"epoch": epoch, "split": split, "metric": "relevance-auc", "value": relevance_auc(rows, *pairs[split])}
        for epoch, rows in ((0, before), (done.epoch, after))
        for split in pairs
    ]
    inputs: dict[str, str | list[str]] = {"vectors": vectors.digest(), "train": train.digest("user", "item")}
    inputs |= {name: table.digest("user", "item") for name, table in others.items()}
    meta = {"made": made("align", asdict(how), inputs)}
    arrays = {"user": done.users, "item": done.items}
    return Tensors("vectors", arrays, vectors.users, vectors.items, meta), records


def _graph(table: Table, vectors: Tensors) -> Graph:
    """The interactions that have vectors on both sides, in the vectors' codes."""
    user, item = (
        table.users.translate(vectors.users)[table["user"]],
        table.items.translate(vectors.items)[table["item"]],
    )
    known = (user >= 0) & (item >= 0)
    return Graph.of(user[known], item[known], len(vectors.users), len(vectors.items))


def _hold_out(graph: Graph, share: float, seed: int) -> dict[str, Graph]:
    """The graph in two parts, ``train`` and ``held-out``; every user keeps a pair to train on."""
    part = split_per_user(graph.user, (1 - share, share), rng=generator(seed, 0, "held-out"))
    return {
        name: Graph(graph.n_users, graph.n_items, graph.user[part == number], graph.item[part == number])
        for number, name in enumerate(("train", "held-out"))
    }


def _against_popular(graphs: Mapping[str, Graph], seed: int) -> dict[str, tuple[Codes, Codes, Codes]]:
    """Of each split its users, items and negatives, which are drawn by popularity from what the user never touched.

    A pair without such a negative is left out, and a split without pairs too.
    """
    first, *_ = graphs.values()
    user, item = (np.concatenate([getattr(graph, side) for graph in graphs.values()]) for side in ("user", "item"))
    touched = Graph.of(user, item, first.n_users, first.n_items)
    pairs = {}
    for name, graph in graphs.items():
        negative = popular_negatives(graphs["train"], touched, graph.user, generator(seed, 0, f"popular {name}"))
        found = negative >= 0
        if found.any():
            pairs[name] = graph.user[found], graph.item[found], negative[found]
    return pairs

"""How much a training pair looks like a false positive: early predictions, texts, scores (ours; docs/graph.md)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Embeddings, Floats, floor_share
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.pruning import predictions
from llmhd_tools.core.relevance import unit

_BLOCK = 2048  # pairs at a time, so that the gathered rows stay in the cache
_NOTHING = 1e-9  # below it a sum of vectors is what rounding left


def mean_prediction(history: Sequence[Embeddings], graph: Graph, edges: Graph | None = None) -> Floats:
    """ŷ of each interaction of ``graph``, a dot product, as mean over the epochs of ``history``, (n,) float64.

    With ``edges``, what those epochs propagated on, a pair does not vouch for itself: the message that its own edge
    brings is taken out at both ends, ŷ' = (z_u - w·z_i)·(z_i - w·z_u), w = 1/√(d_u·d_i) (``leave_one_out``).
    """
    own = None if edges is None else edge_weights(graph, edges)
    each = [predictions(epoch, graph.user, graph.item, "raw") for epoch in history]
    if own is not None:
        each = [leave_one_out(found, epoch, graph, own) for found, epoch in zip(each, history, strict=True)]
    return np.asarray(np.mean(each, axis=0))


def edge_weights(graph: Graph, edges: Graph) -> Floats:
    """The entry of D^-1/2 A D^-1/2, A of ``edges``, for each interaction of ``graph``, (n,); 0 for one without edge."""
    degrees = (
        np.bincount(edges.user, minlength=graph.n_users)[graph.user],
        np.bincount(edges.item, minlength=graph.n_items)[graph.item],
    )
    weights = 1.0 / np.sqrt(np.maximum(degrees[0], 1) * np.maximum(degrees[1], 1).astype(np.float64))
    weights[~edges.has(graph.user, graph.item)] = 0.0
    return np.asarray(weights)


def leave_one_out(prediction: Floats, embeddings: Embeddings, graph: Graph, own: Floats) -> Floats:
    """Predictions (n,) without what the pairs' own edges, of weights ``own`` (n,), bring to both ends.

    An approximation for LightGCN's propagation: the neighbour's z stands for its layers below the last, walks that come
    over the edge and go on are left in, and the degrees stay as they are.
    """
    squares = [np.einsum("nd,nd->n", side, side, dtype=np.float64) for side in embeddings]
    without = (1.0 + own**2) * prediction - own * (squares[0][graph.user] + squares[1][graph.item])
    return np.asarray(without)


def likeness(vectors: NDArray[np.float32], graph: Graph, edges: Graph) -> Floats:
    """How alike each interaction's item is to the others of its user: cos(v_i, sum of v_j over j ≠ i), (n,) float64.

    ``vectors`` (items, width) count at length 1, ``edges`` say which items are the user's. NaN where there is no other.
    """
    rows = unit(vectors).astype(np.float64)
    shape = (graph.n_users, graph.n_items)
    theirs = np.asarray(sp.csr_matrix((np.ones(len(edges)), (edges.user, edges.item)), shape=shape) @ rows)
    own = edges.has(graph.user, graph.item)
    found = np.empty(len(graph))
    for start in range(0, len(graph), _BLOCK):
        part = slice(start, start + _BLOCK)
        item = rows[graph.item[part]]
        others = theirs[graph.user[part]] - own[part, None] * item
        length = np.linalg.norm(others, axis=1) * np.linalg.norm(item, axis=1)
        found[part] = np.where(length > _NOTHING, (others * item).sum(1) / np.maximum(length, _NOTHING), np.nan)
    return found


def suspicion(prediction: Floats, texts: Sequence[Floats] = (), weight: float = 0.25) -> Floats:
    """How far below the mean a pair's prediction is, and what texts say with ``weight`` each, in standard deviations, (n,).

    ``texts`` are likeness, scores: (n,) each, standardised among the pairs that have one (not NaN); the others are
    judged without.
    """
    found = -_standardised(prediction)
    for text in texts:
        known = np.isfinite(text)
        found[known] -= weight * _standardised(text[known])
    return found


def _standardised(values: Floats) -> Floats:
    """Values of mean 0 and standard deviation 1, (n,); 0 where all are equal."""
    if not len(values):
        return values
    spread = values.std()
    return np.asarray((values - values.mean()) / (spread if spread else 1.0))


def soft(suspicion: Floats, share: float) -> Floats:
    """Weights of n pairs, (n,) in 0 to 1: 1 / (1 + e^(s - s₀)), s₀ the least suspicion of those that ``share`` would cut.

    So a pair at that line weighs a half, and one a standard deviation above it .27. All weigh 1 where none would be cut.
    """
    count = floor_share(share, len(suspicion))
    if not count:
        return np.ones(len(suspicion))
    line = np.partition(suspicion, len(suspicion) - count)[len(suspicion) - count]
    return np.asarray(np.exp(-np.logaddexp(0.0, suspicion - line)))


def worst(suspicion: Floats, share: float) -> NDArray[np.bool_]:
    """Marks the ⌊share·n⌋ most suspicious of n pairs, (n,) bool; of equal ones the earlier row."""
    chosen = np.zeros(len(suspicion), dtype=bool)
    chosen[np.argsort(-suspicion, kind="stable")[: floor_share(share, len(suspicion))]] = True
    return chosen

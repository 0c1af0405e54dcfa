"""Relevance of items to users as the cosine of two vectors, what to train it on, and how well it tells (LLMHNI, module 1).

Vectors are pairs (users' rows, items' rows) of one width; pairs of a user and an item are two arrays of codes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Embeddings, ceil_share
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.pruning import predictions

_DRAWS = 100  # for one negative; a user who has touched all that is popular gets none


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows at length 1; a zero row stays zero."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # an infinite row becomes NaN
        return np.asarray(rows / np.where(length > 0, length, 1), dtype=np.float32)


def pseudo_positives(vectors: Embeddings, graph: Graph, share: float) -> NDArray[np.bool_]:
    """Which interactions are also close in text: the top ⌈share · |N(u)|⌉ of each user's by cosine, (n,) bool.

    Ties go to the interaction that came first.
    """
    relevance = predictions((unit(vectors[0]), unit(vectors[1])), graph.user, graph.item, "raw")
    order = np.lexsort((-relevance, graph.user))
    user = graph.user[order]
    rank = np.arange(len(user)) - np.searchsorted(user, user)
    chosen = np.zeros(len(user), dtype=bool)
    chosen[order] = rank < ceil_share(share, np.bincount(user)[user])
    return chosen


def popular_negatives(graph: Graph, taken: Graph, user: Codes, rng: np.random.Generator) -> Codes:
    """For each user an item drawn as often as it is interacted with, not among the user's in ``taken``, (n,) int32.

    Harder to tell from a true item than a uniform one, which most likely nobody wants. -1 where 100 draws find none.
    """
    item = np.full(len(user), -1, dtype=np.int32)
    again = np.arange(len(user))
    for _ in range(_DRAWS):
        drawn = graph.item[rng.integers(len(graph), size=len(again))]
        free = ~taken.has(user[again], drawn)
        item[again[free]] = drawn[free]
        again = again[~free]
    return item


def relevance_auc(vectors: Embeddings, user: Codes, item: Codes, negative: Codes) -> float:
    """The chance that a pair (user, item) is closer than a pair (user, negative), over all pairs; ties count half."""
    near, far = (predictions((unit(vectors[0]), unit(vectors[1])), user, other, "raw") for other in (item, negative))
    order = np.sort(far)
    below = np.searchsorted(order, near, "left") + np.searchsorted(order, near, "right")
    return float(below.mean() / 2 / len(order))

"""Negatives that are harder than uniform ones: chosen by a model's scores and by a relevance that texts tell.

A relevance is a cosine of aligned vectors (``docs/llmhni.md``); like z, the vectors come as (users' rows, items' rows).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Embeddings, floor_share
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import draw_negatives

_BLOCK = 65536  # gathered rows at a time
_USERS = 4096  # pools at a time; each time draws anew, so another number gives other pools


def dots(z: Embeddings, user: Codes, items: Codes) -> NDArray[np.float32]:
    """Dot products of each user's row with its items' rows: (n,) users, (n, k) items -> (n, k)."""
    found = np.empty(items.shape, dtype=np.float32)
    size = max(_BLOCK // max(items.shape[1], 1), 1)
    for start in range(0, len(user), size):
        part = slice(start, start + size)
        np.matmul(z[1][items[part]], z[0][user[part], :, None], out=found[part, :, None])
    return found


def hardest_draws(graph: Graph, user: Codes, z: Embeddings, draws: int, rng: np.random.Generator) -> Codes:
    """For each user the highest-scored of ``draws`` uniform negatives, (n,) int32 (DNS, Zhang et al. 2013).

    Raises InputError where a user has touched every item.
    """
    items = draw_negatives(graph, np.repeat(user, draws), rng).reshape(-1, draws)
    hardest: Codes = items[np.arange(len(user)), dots(z, user, items).argmax(1)]
    return hardest


def refreshed_pool(pool: Codes, graph: Graph, z: Embeddings, fresh: int, rng: np.random.Generator) -> Codes:
    """Each user's pool of hard negatives after an epoch: of the old one and ``fresh`` uniform draws the highest-scored.

    ``pool`` is (users, size) int32, -1 where a place is free; the result too, highest first. No item stands twice, and
    none of the graph's pairs.
    """
    found = np.full_like(pool, -1)
    for start in range(0, len(pool), _USERS):
        user = np.arange(start, min(start + _USERS, len(pool)), dtype=np.int32)
        drawn = draw_negatives(graph, np.repeat(user, fresh), rng).reshape(-1, fresh)
        items = np.sort(np.concatenate([without(graph, pool[user], user), drawn], axis=1), axis=1)
        score = dots(z, user, items)
        score[items < 0] = -np.inf
        score[:, 1:][items[:, 1:] == items[:, :-1]] = -np.inf
        best = np.argsort(-score, axis=1, kind="stable")[:, : pool.shape[1]]
        kept = np.isfinite(np.take_along_axis(score, best, axis=1))
        found[user] = np.where(kept, np.take_along_axis(items, best, axis=1), -1)
    return found


def without(graph: Graph, pool: Codes, user: Codes) -> Codes:
    """The pools (n, size) of these users (n,) with -1 in the place of what is in the graph."""
    known = graph.has(np.repeat(user, pool.shape[1]), pool.reshape(-1)).reshape(pool.shape)
    return np.where(known, np.int32(-1), pool)


def weights(relevance: NDArray[np.float32], rule: str, temperature: float, share: float) -> NDArray[np.float64]:
    """How likely each member of a pool is to be the negative: (n, size) relevances -> (n, size), not normalised.

    Relevance is +inf where a place of the pool is free; its weight is 0. ``argmin``: the least relevant member alone.
    ``soft``: exp(-relevance / temperature). ``filter``: all alike but the ``share`` of highest relevance, rounded down.
    """
    free = np.isinf(relevance)
    if rule == "soft":
        known = np.where(free, 0.0, relevance.astype(np.float64))
        least = known.min(axis=1, keepdims=True, initial=np.inf, where=~free)
        shifted = np.where(free, -np.inf, np.where(np.isfinite(least), least, 0.0) - known)  # so that the best weighs 1
        soft: NDArray[np.float64] = np.exp(shifted / temperature)
        return soft
    rank = np.argsort(np.argsort(relevance, axis=1, kind="stable"), axis=1, kind="stable")
    members = (~free).sum(axis=1, keepdims=True)
    kept = np.minimum(members, 1) if rule == "argmin" else members - floor_share(share, members)
    equal: NDArray[np.float64] = (rank < kept).astype(np.float64)
    return equal


def pick(pool: Codes, chances: NDArray[np.float64], user: Codes, rng: np.random.Generator) -> Codes:
    """For each user a member of its pool, drawn by ``chances`` (``weights``), (n,) int32; -1 where all are 0."""
    ends = np.cumsum(chances, axis=1)
    total = ends[user, -1]
    place = (ends[user] <= (rng.random(len(user)) * total)[:, None]).sum(axis=1)
    found: Codes = np.where(total > 0, pool[user, np.minimum(place, pool.shape[1] - 1)], np.int32(-1))
    return found

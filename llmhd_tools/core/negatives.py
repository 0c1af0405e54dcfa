"""Negatives that are harder than uniform ones: chosen by a model's scores and by a relevance that texts tell.

A relevance is a cosine of aligned vectors (``docs/llmhni.md``); like z, the vectors come as (users' rows, items' rows).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.graph import Codes, Graph
from llmhd_tools.core.pruning import Embeddings
from llmhd_tools.core.sampling import draw_negatives

_BLOCK = 65536  # gathered rows at a time


def dots(z: Embeddings, user: Codes, items: Codes) -> NDArray[np.float32]:
    """Dot products of each user's row with its items' rows: (n,) users, (n, k) items -> (n, k)."""
    found = np.empty(items.shape, dtype=np.float32)
    size = max(_BLOCK // max(items.shape[1], 1), 1)
    for start in range(0, len(user), size):
        part = slice(start, start + size)
        np.matmul(z[1][items[part]], z[0][user[part], :, None], out=found[part, :, None])
    return found


def hardest_draws(graph: Graph, user: Codes, z: Embeddings, draws: int, rng: np.random.Generator) -> Codes:
    """For each user the highest-scored of ``draws`` uniform negatives, (n,) int32 (dynamic negative sampling)."""
    items = draw_negatives(graph, np.repeat(user, draws), rng).reshape(-1, draws)
    hardest: Codes = items[np.arange(len(user)), dots(z, user, items).argmax(1)]
    return hardest

"""Which pairs are confidently mislabelled, so that they may change a user's profile (LLMHD Eq. 17-20; llmhd.md §7)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.graph import Codes, Graph
from llmhd_tools.core.pruning import Embeddings, ceil_share, floor_share, predictions, variance
from llmhd_tools.core.sampling import draw_negatives
from llmhd_tools.core.seeds import generator

SCOPES = ("noisy", "all")


def tracked_negatives(graph: Graph, per_positive: int, seed: int) -> tuple[Codes, Codes]:
    """The tracked negatives D_neg as user and item codes: drawn once from the seed, so that they recur each epoch."""
    user = np.tile(graph.user, per_positive)
    item = draw_negatives(graph, user, generator(seed, 0, "tracked"))
    _, first = np.unique(user.astype(np.int64) * graph.n_items + item, return_index=True)
    first.sort()
    return user[first], item[first]


def flagged(
    history: Sequence[Embeddings], user: Codes, item: Codes, label: int, share: float, *,
    scope: str = "noisy", candidates: float = 0.5, link: str = "sigmoid",
) -> NDArray[np.bool_]:  # fmt: skip
    """Which of one group of pairs (all of ``label``) get a flag this epoch, (n,) bool.

    ``all`` (Eq. 18-20 as printed): the ⌊share·n⌋ pairs of lowest variance. ``noisy``: of the ⌊share·n⌋ pairs whose own
    loss is highest, those that variance pruning would not pick, i.e. all but the ⌈candidates·…⌉ of highest variance.
    None with fewer than 2 epochs of history.
    """
    chosen = np.zeros(len(user), dtype=bool)
    count = floor_share(share, len(user))
    if len(history) < 2 or not count:
        return chosen
    if scope == "all":
        spread = variance(history, user, item, link)
        chosen[np.argsort(spread, kind="stable")[:count]] = True
        return chosen
    latest = predictions(history[-1], user, item, "raw")
    order = np.argsort(latest if label == 1 else -latest, kind="stable")  # a pair's own loss is monotone in ŷ
    high = np.sort(order[:count])
    spread = variance(history, user[high], item[high], link)
    kept = count - ceil_share(candidates, count)
    chosen[high[np.argsort(spread, kind="stable")[:kept]]] = True
    return chosen


def add_flags(
    keys: NDArray[np.int64], count: NDArray[np.int64], sent: NDArray[np.bool_], new: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Flag counts after one more epoch: each of the distinct ``new`` keys gains one. Keys come back sorted."""
    union = np.union1d(keys, new)
    counts = np.zeros(len(union), dtype=np.int64)
    was_sent = np.zeros(len(union), dtype=bool)
    old = np.searchsorted(union, keys)
    counts[old], was_sent[old] = count, sent
    counts[np.searchsorted(union, new)] += 1
    return union, counts, was_sent

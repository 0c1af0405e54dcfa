"""Which pairs are confidently mislabelled, so that they may change a user's profile (LLMHD Eq. 17-20; llmhd.md §7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Embeddings, ceil_share, floor_share, pair_keys
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.pruning import predictions, variance
from llmhd_tools.core.sampling import draw_negatives
from llmhd_tools.core.seeds import generator


def tracked_negatives(graph: Graph, per_positive: int, seed: int) -> tuple[Codes, Codes]:
    """The tracked negatives D_neg, distinct user and item codes (n,): drawn once from the seed, so that they recur.

    ``per_positive`` are drawn for each interaction. Raises InputError where a user has touched every item.
    """
    user = np.tile(graph.user, per_positive)
    item = draw_negatives(graph, user, generator(seed, 0, "tracked"))
    _, first = np.unique(pair_keys(user, item, graph.n_items), return_index=True)
    first.sort()
    return user[first], item[first]


def flagged(
    history: Sequence[Embeddings],
    user: Codes,
    item: Codes,
    label: int,
    share: float,
    *,
    scope: str = "noisy",
    candidates: float = 0.5,
    link: str = "sigmoid",
) -> NDArray[np.bool_]:
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


@dataclass(frozen=True)
class Flags:
    """How often each pair was flagged, sorted by (label, user, item): five columns of one length (n,).

    ``label`` is 1 for a training pair, 0 for a tracked negative; ``sent`` says that it has already changed a profile.
    """

    user: Codes
    item: Codes
    label: NDArray[np.int8]
    count: NDArray[np.int64]
    sent: NDArray[np.bool_]

    @classmethod
    def none(cls) -> Flags:
        """No flags yet."""
        codes = np.zeros(0, dtype=np.int32)
        return cls(codes, codes, np.zeros(0, dtype=np.int8), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool))

    def __len__(self) -> int:
        return len(self.user)

    def plus(self, user: Codes, item: Codes, label: int) -> Flags:
        """One more flag for each of some distinct pairs (k,) of one label."""
        users, items = np.concatenate([self.user, user]), np.concatenate([self.item, item])
        labels = np.concatenate([self.label, np.full(len(user), label, dtype=np.int8)])
        count = np.concatenate([self.count, np.ones(len(user), dtype=np.int64)])
        sent = np.concatenate([self.sent, np.zeros(len(user), dtype=bool)])
        order = np.lexsort((items, users, labels))
        users, items, labels = users[order], items[order], labels[order]
        new = np.diff(users, prepend=-1).astype(bool) | np.diff(items, prepend=-1).astype(bool)
        start = np.flatnonzero(new | np.diff(labels, prepend=-1).astype(bool))
        if not len(start):
            return self
        counts, was_sent = np.add.reduceat(count[order], start), np.logical_or.reduceat(sent[order], start)
        return Flags(users[start], items[start], labels[start], counts, was_sent)

    def confident(self, needed: int) -> NDArray[np.bool_]:
        """Pairs with at least ``needed`` flags (ε_γ) that have not been sent, (n,) bool (Eq. 20)."""
        return np.asarray((self.count >= needed) & ~self.sent)

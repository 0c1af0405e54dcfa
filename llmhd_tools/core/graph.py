"""The training interactions as a set of (user, item) codes that can be asked for membership quickly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, pair_keys


@dataclass(frozen=True)
class Graph:
    """Distinct interactions in the order of their first appearance: ``user`` and ``item`` are (n,) int32 codes."""

    n_users: int
    n_items: int
    user: Codes
    item: Codes

    @classmethod
    def of(cls, user: Codes, item: Codes, n_users: int, n_items: int) -> Graph:
        """The graph of interactions, (k,) codes each; a repeated pair counts once."""
        _, first = np.unique(pair_keys(user, item, n_items), return_index=True)
        first.sort()
        return cls(n_users, n_items, user[first], item[first])

    def __len__(self) -> int:
        return len(self.user)

    @cached_property
    def keys(self) -> NDArray[np.int64]:
        """Sorted (n,) keys ``user * n_items + item``."""
        return np.sort(pair_keys(self.user, self.item, self.n_items))

    def has(self, user: Codes, item: Codes) -> NDArray[np.bool_]:
        """Whether each pair (user[k], item[k]) is an interaction, (k,) bool."""
        wanted = pair_keys(user, item, self.n_items)
        at = np.searchsorted(self.keys, wanted)
        at[at == len(self.keys)] = 0
        return np.asarray(self.keys[at] == wanted) if len(self.keys) else np.zeros(len(wanted), dtype=bool)

    def find(self, user: Codes, item: Codes) -> NDArray[np.int64]:
        """The place of each pair (user[k], item[k]) among the interactions, (k,); -1 where it is none of them."""
        found = np.full(len(user), -1, dtype=np.int64)
        ours = self.has(user, item)
        order = np.argsort(pair_keys(self.user, self.item, self.n_items))
        found[ours] = order[np.searchsorted(self.keys, pair_keys(user[ours], item[ours], self.n_items))]
        return found

    def without(self, user: Codes, item: Codes) -> Graph:
        """The graph without some interactions (k,), the others in their order; a pair that it has not is no matter."""
        kept = ~Graph(self.n_users, self.n_items, user, item).has(self.user, self.item)
        return Graph(self.n_users, self.n_items, self.user[kept], self.item[kept])

    def plus(self, user: Codes, item: Codes) -> Graph:
        """The graph with some interactions (k,) behind its own; a pair that it has already counts once."""
        users, items = np.concatenate([self.user, user]), np.concatenate([self.item, item])
        return Graph.of(users, items, self.n_users, self.n_items)

    def full_users(self) -> NDArray[np.int64]:
        """Codes of the users who have touched every item, so that no negative can be drawn for them, (k,)."""
        return np.flatnonzero(np.bincount(self.user, minlength=self.n_users) >= self.n_items)

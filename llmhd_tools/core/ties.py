"""Which of several equal scores stands first in a ranked list: a digest of the ids decides, not their order in memory.

So equal scores are ranked as by chance, each user's in an order of their own, and the same data in another order, or in
another file, gives the same figures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Mask

Keys = NDArray[np.uint64]
_KEY = b"llmhd: equal scores"


def _digest(name: object) -> int:
    text = str(name).encode("utf-8", "surrogatepass")  # 5 and "5" are the same id
    return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=_KEY).digest(), "little")


def _mixed(keys: Keys) -> Keys:
    """Each key as another one, bits well mixed (the finaliser of SplitMix64, Steele et al. 2014)."""
    mixed = keys + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return np.asarray(mixed, dtype=np.uint64)


class Ties:
    """Orders the equal scores of some users and items, whose ids are given by code; digests are made when first needed.

    ``decided`` has the codes of the users so far whose hits depend on that order: among equal scores that reach their list
    there are some of held-out items and some of others.
    """

    def __init__(self, users: Sequence[object], items: Sequence[object]) -> None:
        self._users, self._items = users, items
        self.decided: list[int] = []

    @cached_property
    def _keys(self) -> Keys:
        return np.array([_digest(name) for name in self._items], dtype=np.uint64)

    def order(self, user: int, columns: NDArray[np.int64]) -> Keys:
        """Numbers (n,) by which the items of some codes (n,) are ordered for a user where they score the same."""
        return _mixed(self._keys[columns] ^ np.uint64(_digest(self._users[user])))

    def ranked(self, user: int, scores: NDArray[np.float32], tested: Mask, k: int) -> NDArray[np.int64]:
        """The codes (k,) of the user's best scores (m,), best first; ``tested`` (m,) says which items are held out.

        -inf is hidden: in what order such items fill up the list does not matter, for they are never held out.
        """
        last = np.partition(scores, len(scores) - k)[len(scores) - k]
        above, level = np.flatnonzero(scores > last), np.flatnonzero(scores == last)
        shown = [columns for columns, is_shown in ((above, True), (level, last > -np.inf)) if is_shown]
        if any(self._mixture(scores[columns], tested[columns]) for columns in shown):
            self.decided.append(user)
        short = k - len(above)
        if last > -np.inf and short < len(level):
            level = level[np.argpartition(self.order(user, level), short - 1)]
        columns = np.concatenate([above, level[:short]])
        return columns[np.lexsort((self.order(user, columns), -scores[columns]))]

    @staticmethod
    def _mixture(scores: NDArray[np.float32], tested: Mask) -> bool:
        """Whether some equal scores are of held-out items and of others."""
        _, group, size = np.unique(scores, return_inverse=True, return_counts=True)
        held_out = np.bincount(group, tested, len(size))
        return bool(((held_out > 0) & (held_out < size)).any())

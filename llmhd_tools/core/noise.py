"""Known noise to measure denoising against: false positives added to clean interactions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, pair_keys
from llmhd_tools.core.graph import Graph
from llmhd_tools.errors import InputError


def random_pairs(clean: Graph, taken: Graph, count: int, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """``count`` distinct uniform pairs that are not in ``taken`` (which contains ``clean``), as user and item codes.

    Only users and items of ``clean`` are drawn: noise must not bring in users that training has never seen. Raises
    InputError where they would be more than nine tenths of such pairs, for the last ones are drawn ever more slowly.
    """
    users, items = np.unique(clean.user), np.unique(clean.item)
    free = len(users) * len(items) - int((np.isin(taken.user, users) & np.isin(taken.item, items)).sum())
    if count > free * 0.9:
        raise InputError(
            f"{count:,} noisy pairs are wanted, but only {free:,} unobserved pairs are left, of which nine tenths can be "
            "drawn; lower `ratio`"
        )
    chosen = np.zeros(0, dtype=np.int64)
    while len(chosen) < count:
        short = count - len(chosen)
        user, item = rng.choice(users, short), rng.choice(items, short)
        fresh = pair_keys(user, item, clean.n_items)
        chosen = _distinct(np.concatenate([chosen, fresh[~taken.has(user, item)]]))
    return _codes(chosen, clean.n_items)


def pool_rows(
    clean: Graph, taken: Graph, user: Codes, item: Codes, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """``count`` rows of a pool (n,) of interactions (such as the low-rated ones) that are usable as noise, in pool order.

    Usable is a pair of a user and an item of ``clean`` that is not in ``taken``. Raises InputError where the pool has
    fewer.
    """
    usable = np.isin(user, clean.user) & np.isin(item, clean.item) & ~taken.has(user, item)
    _, first = np.unique(pair_keys(user, item, clean.n_items), return_index=True)
    distinct = np.zeros(len(user), dtype=bool)
    distinct[first] = True
    rows = np.flatnonzero(usable & distinct)
    if len(rows) < count:
        raise InputError(
            f"{count:,} noisy pairs are wanted, but the pool has only {len(rows):,} usable ones; lower `ratio`"
        )
    return np.sort(rng.choice(rows, count, replace=False))


def _distinct(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first = np.unique(keys, return_index=True)
    return keys[np.sort(first)]


def _codes(keys: NDArray[np.int64], n_items: int) -> tuple[Codes, Codes]:
    return (keys // n_items).astype(np.int32), (keys % n_items).astype(np.int32)

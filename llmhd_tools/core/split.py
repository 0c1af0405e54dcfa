"""Cleaning and splitting of interactions: duplicates, rating floor, k-core, train/valid/test.

Every function takes columns of N rows (int codes from 0; ``rating``, ``timestamp`` finite floats) and returns a mask or
a part number per row, so rows keep their order and their other columns. Randomness comes from the caller's Generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Mask

Parts: TypeAlias = NDArray[np.int8]  # (N,) index into ratios: 0 train, 1 valid, 2 test

RATIOS = (3.0, 1.0, 1.0)


def dedupe(user: Codes, item: Codes, timestamp: NDArray[np.float64] | None = None) -> Mask:
    """(N,) True for one row of each (user, item): the latest by ``timestamp`` (ties: the first row), else the first."""
    rows = np.arange(len(user))
    newest = rows if timestamp is None else -timestamp
    order = np.lexsort((rows, newest, item, user))
    keep = np.zeros(len(user), dtype=np.bool_)
    keep[order[_starts(user[order], item[order])]] = True
    return keep


def rating_floor(rating: NDArray[np.float64], floor: float) -> tuple[Mask, Mask]:
    """((N,) kept, (N,) low-rated): ``rating >= floor`` and ``rating < floor``."""
    return rating >= floor, rating < floor


def k_core(user: Codes, item: Codes, k_user: int, k_item: int) -> Mask:
    """(N,) True for the rows of the largest part in which users have >= k_user and items >= k_item rows.

    Rows are dropped again and again until nothing changes; repeated pairs count as often as they occur (dedupe first).
    """
    rows = np.arange(len(user))
    while len(rows):
        u, i = user[rows], item[rows]
        stay = (np.bincount(u)[u] >= k_user) & (np.bincount(i)[i] >= k_item)
        if stay.all():
            break
        rows = rows[stay]
    mask = np.zeros(len(user), dtype=np.bool_)
    mask[rows] = True
    return mask


def split_global(user: Codes, item: Codes, ratios: Sequence[float] = RATIOS, *, rng: np.random.Generator) -> Parts:
    """(N,) part of every row: one random cut over all rows, as RLMRec does, with every user and item in train.

    Part p > 0 first gets floor(N ratio_p / sum) rows, train the rest. Then each user without a train row gives train
    the row that the shuffle placed first among the user's rows, and after that so does each item. (RLMRec draws anew
    until it fits, which sparse data never does.) So train may exceed its share, by at most users + items rows.
    """
    n = len(user)
    order = rng.permutation(n)
    cuts = np.cumsum(_sizes(np.array([n]), ratios, fill=False)[0])[:-1]
    parts = np.empty(n, dtype=np.int8)
    parts[order] = np.searchsorted(cuts, np.arange(n), side="right")
    for codes in (user, item):
        shuffled = codes[order]
        covered = np.zeros(int(codes.max(initial=-1)) + 1, dtype=np.bool_)
        covered[codes[parts == 0]] = True
        names, first = np.unique(shuffled, return_index=True)
        parts[order[first[~covered[names]]]] = 0
    return parts


def split_per_user(user: Codes, ratios: Sequence[float] = RATIOS, *, rng: np.random.Generator) -> Parts:
    """(N,) part of every row: each user's rows shuffled and cut to RecBole's sizes (``user_sizes``).

    Every user has a train row; an item may have none.
    """
    return _cut(user, rng.permutation(len(user)), ratios)


def split_by_time(user: Codes, timestamp: NDArray[np.float64], ratios: Sequence[float] = RATIOS) -> Parts:
    """(N,) part of every row: each user's rows oldest to newest (ties: row order), cut as by ``split_per_user``."""
    return _cut(user, np.argsort(timestamp, kind="stable"), ratios)


def user_sizes(count: NDArray[np.int64], ratios: Sequence[float] = RATIOS) -> NDArray[np.int64]:
    """(len(count), len(ratios)) rows per part for users with ``count`` rows each, exactly as RecBole 1.2 cuts.

    Parts after the first are rounded down; the first takes the rest. Then, from the last part on, a part whose share
    lies between 0 and 1 gets one row from the first, while the first has more than one.
    """
    return _sizes(count, ratios, fill=True)


def _sizes(count: NDArray[Any], ratios: Sequence[float], *, fill: bool) -> NDArray[np.int64]:
    if not ratios or not all(0 <= r < np.inf for r in ratios) or ratios[0] <= 0:
        raise ValueError(f"ratios are {tuple(ratios)}, must be finite, none negative, the first positive")
    total = sum(ratios)  # summed and divided as RecBole does, to the last bit
    shares = np.array([r / total for r in ratios]) * count[:, None]
    sizes: NDArray[np.int64] = np.floor(shares).astype(np.int64)
    sizes[:, 0] = count - sizes[:, 1:].sum(axis=1)
    if fill:
        for part in range(len(ratios) - 1, 0, -1):
            give = (shares[:, part] > 0) & (shares[:, part] < 1) & (sizes[:, 0] > 1)
            sizes[give, part] += 1
            sizes[give, 0] -= 1
    return sizes


def _cut(user: Codes, order: NDArray[np.intp], ratios: Sequence[float]) -> Parts:
    """Cuts every user's rows, taken in ``order`` (a permutation of all rows), to the user's sizes."""
    if not len(user):
        return np.zeros(0, dtype=np.int8)
    by_user = order[np.argsort(user[order], kind="stable")]
    start = np.flatnonzero(_starts(user[by_user]))
    count = np.diff(start, append=len(user))
    rank = np.arange(len(user)) - np.repeat(start, count)
    ends = np.repeat(np.cumsum(user_sizes(count, ratios), axis=1), count, axis=0)  # (N, parts)
    parts = np.empty(len(user), dtype=np.int8)
    parts[by_user] = (rank[:, None] >= ends).sum(axis=1)
    return parts


def _starts(*sorted_columns: NDArray[Any]) -> Mask:
    """(N,) True where a row differs from the one before in any column (the first row always)."""
    new = np.zeros(len(sorted_columns[0]), dtype=np.bool_)
    new[:1] = True
    for column in sorted_columns:
        new[1:] |= column[1:] != column[:-1]
    return new

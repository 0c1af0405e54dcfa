"""Cleaning and splitting of interactions: duplicates, rating floor, k-core, train/valid/test.

Every function takes columns of N rows (int codes from 0; ``rating``, ``timestamp`` finite floats) and returns a mask or
a part number per row, so rows keep their order and their other columns. Randomness comes from the caller's Generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Floats, Mask, pair_keys

Parts: TypeAlias = NDArray[np.int8]  # (N,) index into ratios: 0 train, 1 valid, 2 test

RATIOS = (3.0, 1.0, 1.0)


def dedupe(user: Codes, item: Codes, timestamp: Floats | None = None, *, first: bool = False) -> Mask:
    """(N,) True for one row of each (user, item): the newest by ``timestamp``, or without times the last one.

    With ``first`` it is the oldest, or without times the first one. Of rows of one time their order decides likewise.
    """
    pairs = _pairs(user, item)
    order = np.argsort(pairs, kind="stable") if timestamp is None else np.lexsort((timestamp, pairs))  # both stable
    starts = _starts(pairs[order])
    keep = np.zeros(len(user), dtype=np.bool_)
    keep[order[starts if first else np.append(starts[1:], True)[: len(order)]]] = True
    return keep


def pair_weights(user: Codes, item: Codes, weight: Floats | None = None) -> Floats:
    """(N,) how often the row's pair occurs, or with ``weight`` (N,) the sum of that over its rows."""
    _, pair = np.unique(_pairs(user, item), return_inverse=True)
    return np.asarray(np.bincount(pair, weight)[pair], dtype=np.float64)


def _pairs(user: Codes, item: Codes) -> NDArray[np.int64]:
    return pair_keys(user, item, int(item.max(initial=-1)) + 1)


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
    return _cut(user, rng.permutation(len(user)), lambda count: user_sizes(count, ratios))


def split_by_time(user: Codes, timestamp: NDArray[np.float64], ratios: Sequence[float] = RATIOS) -> Parts:
    """(N,) part of every row: each user's rows oldest to newest (ties: row order), cut as by ``split_per_user``."""
    return _cut(user, np.argsort(timestamp, kind="stable"), lambda count: user_sizes(count, ratios))


def leave_one_out(user: Codes, timestamp: Floats | None = None, *, rng: np.random.Generator) -> Parts:
    """(N,) part of every row: of each user the newest row is test (part 2), the one before it valid, the rest train.

    Ties in time: row order. Without times both are drawn. A user of two rows has none in valid, of one only train's, as in
    RecBole.
    """
    order = rng.permutation(len(user)) if timestamp is None else np.argsort(timestamp, kind="stable")
    return _cut(user, order, _one_each)


def _one_each(count: NDArray[np.int64]) -> NDArray[np.int64]:
    test, valid = (count > 1).astype(np.int64), (count > 2).astype(np.int64)
    return np.stack([count - valid - test, valid, test], axis=1)


def time_cuts(timestamp: Floats, ratios: Sequence[float] = RATIOS) -> list[float]:
    """The times from which rows are in part 1, 2, … so that the oldest of all rows are train: one cut for all users.

    Part p > 0 gets floor(N ratio_p / sum) rows or more: rows of one time are in one part, the later. ``inf``: no row.
    """
    ends = np.cumsum(_sizes(np.array([len(timestamp)]), ratios, fill=False)[0])[:-1]
    when = np.sort(timestamp)
    return [float(when[end]) if end < len(when) else np.inf for end in ends]


def split_at(timestamp: Floats, cuts: Sequence[float]) -> Parts:
    """(N,) part of every row: how many of the ascending ``cuts`` are at or before its time."""
    return np.searchsorted(np.asarray(cuts), timestamp, side="right").astype(np.int8)


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


def _cut(user: Codes, order: NDArray[np.intp], sizes: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> Parts:
    """Cuts every user's rows, taken in ``order`` (a permutation of all rows), to ``sizes`` (users, parts) of their counts."""
    if not len(user):
        return np.zeros(0, dtype=np.int8)
    by_user = order[np.argsort(user[order], kind="stable")]
    start = np.flatnonzero(_starts(user[by_user]))
    count = np.diff(start, append=len(user))
    rank = np.arange(len(user)) - np.repeat(start, count)
    ends = np.repeat(np.cumsum(sizes(count), axis=1), count, axis=0)  # (N, parts)
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

"""Cleaning and splitting against brute force, stated properties and RecBole's published sizes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core.split import dedupe, k_core, rating_floor, split_by_time, split_global, split_per_user, user_sizes

PAIRS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=60)
RATIOS = st.sampled_from([(3, 1, 1), (8, 1, 1), (0.8, 0.1, 0.1), (1, 1), (7, 0, 3), (1,), (0.29, 0.7, 0.01)])


def codes(pairs: Any) -> tuple[Any, Any]:
    columns = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return columns[:, 0].copy(), columns[:, 1].copy()


# ---- duplicates and ratings


def test_dedupe_keeps_the_first_or_the_latest() -> None:
    user, item = codes([(0, 1), (0, 1), (2, 1), (0, 1), (0, 0)])
    assert dedupe(user, item).tolist() == [True, False, True, False, True]
    time = np.array([1.0, 5.0, 0.0, 5.0, -1.0])
    assert dedupe(user, item, time).tolist() == [False, True, True, False, True]


@given(PAIRS, st.integers(0, 2**32 - 1))
def test_dedupe_brute_force(pairs: Any, seed: int) -> None:
    user, item = codes(pairs)
    time = np.random.default_rng(seed).integers(0, 4, len(pairs)).astype(np.float64)
    best: dict[Any, int] = {}
    for row, pair in enumerate(pairs):
        if pair not in best or time[row] > time[best[pair]]:
            best[pair] = row
    assert np.flatnonzero(dedupe(user, item, time)).tolist() == sorted(best.values())
    first = {pair: row for row, pair in reversed([*enumerate(pairs)])}
    assert np.flatnonzero(dedupe(user, item)).tolist() == sorted(first.values())


def test_rating_floor() -> None:
    rating = np.array([1, 2.5, 3, 4, 5])
    keep, low = rating_floor(rating, 3)
    assert keep.tolist() == [False, False, True, True, True] and (low == ~keep).all()


# ---- k-core


def brute_core(pairs: Any, k_user: int, k_item: int) -> list[int]:
    rows = list(range(len(pairs)))
    while True:
        users, items = Counter(pairs[r][0] for r in rows), Counter(pairs[r][1] for r in rows)
        bad = next((r for r in rows if users[pairs[r][0]] < k_user or items[pairs[r][1]] < k_item), None)
        if bad is None:
            return rows
        rows.remove(bad)  # one row at a time: the order cannot matter


@given(PAIRS, st.integers(0, 4), st.integers(0, 4))
@settings(max_examples=300)
def test_k_core(pairs: Any, k_user: int, k_item: int) -> None:
    user, item = codes(pairs)
    mask = k_core(user, item, k_user, k_item)
    assert np.flatnonzero(mask).tolist() == brute_core(pairs, k_user, k_item)
    assert k_core(user[mask], item[mask], k_user, k_item).all()


def test_k_core_unravels_a_chain() -> None:
    n = 500  # every pass frees only the two ends
    user, item = codes([(k // 2, (k + 1) // 2) for k in range(n)])
    assert not k_core(user, item, 2, 2).any()
    assert k_core(user, item, 1, 1).all()


# ---- splits


# From methods.md §5: rows of a user -> (train, valid, test) at 3:1:1.
RECBOLE = {1: (1, 0, 0), 2: (1, 0, 1), 3: (1, 1, 1), 4: (2, 1, 1), 5: (3, 1, 1), 9: (7, 1, 1), 10: (6, 2, 2)}
RECBOLE[14] = (10, 2, 2)


@pytest.mark.parametrize(("n", "sizes"), RECBOLE.items())
def test_recbole_sizes(n: int, sizes: tuple[int, ...]) -> None:
    assert tuple(user_sizes(np.array([n]))[0]) == sizes
    parts = split_per_user(np.zeros(n, np.int32), rng=np.random.default_rng(0))
    assert tuple(np.bincount(parts, minlength=3)) == sizes


def recbole_sizes(n: int, ratios: Any) -> list[int]:
    """The rule of methods.md §5 for one user, in scalar arithmetic."""
    shares = [r / sum(ratios) * n for r in ratios]
    sizes = [0] + [int(s) for s in shares[1:]]
    sizes[0] = n - sum(sizes)
    for part in reversed(range(1, len(ratios))):
        if sizes[0] > 1 and 0 < shares[part] < 1:
            sizes[part] += 1
            sizes[0] -= 1
    return sizes


@given(PAIRS, RATIOS, st.integers(0, 99))
def test_per_user_splits(pairs: Any, ratios: Any, seed: int) -> None:
    user, _ = codes(pairs)
    time = np.random.default_rng(seed).integers(0, 5, len(user)).astype(np.float64)
    for parts in (split_per_user(user, ratios, rng=np.random.default_rng(seed)), split_by_time(user, time, ratios)):
        assert parts.shape == user.shape
        for u in set(user.tolist()):
            mine = parts[user == u]
            assert np.bincount(mine, minlength=len(ratios)).tolist() == recbole_sizes(len(mine), ratios)
            assert (mine == 0).any()
    for u in set(user.tolist()):  # the last of the two is by time: later parts are never older
        when, which = time[user == u], parts[user == u]
        assert which[np.argsort(when, kind="stable")].tolist() == sorted(which.tolist())


@given(PAIRS, RATIOS, st.integers(0, 99))
def test_global_split(pairs: Any, ratios: Any, seed: int) -> None:
    user, item = codes(pairs)
    parts = split_global(user, item, ratios, rng=np.random.default_rng(seed))
    assert parts.shape == user.shape  # one part per row: the parts are disjoint and cover
    assert set(user[parts == 0].tolist()) == set(user.tolist())
    assert set(item[parts == 0].tolist()) == set(item.tolist())
    sizes = np.bincount(parts, minlength=len(ratios))
    shares = [int(np.floor(r / sum(ratios) * len(user))) for r in ratios]
    assert all(sizes[p] <= shares[p] for p in range(1, len(ratios)))
    assert sizes[0] <= len(user) - sum(shares[1:]) + len(set(user.tolist())) + len(set(item.tolist()))


def test_global_split_on_dense_data_is_exact_and_seeded() -> None:
    user, item = (a.ravel().astype(np.int32) for a in np.mgrid[:60, :50])
    parts = split_global(user, item, rng=np.random.default_rng(5))
    assert np.bincount(parts).tolist() == [1800, 600, 600]
    assert (parts == split_global(user, item, rng=np.random.default_rng(5))).all()
    assert (parts != split_global(user, item, rng=np.random.default_rng(6))).any()
    share = np.bincount(user[parts == 2], minlength=60)  # not per user: sizes vary
    assert share.min() < 10 < share.max()


def test_empty_and_bad() -> None:
    none, rng = np.zeros(0, np.int32), np.random.default_rng(0)
    results = [dedupe(none, none), k_core(none, none, 3, 3), split_global(none, none, rng=rng)]
    results += [split_per_user(none, rng=rng), split_by_time(none, none.astype(float))]
    assert all(len(result) == 0 for result in results)
    for ratios in ((), (0, 1), (1, -1), (1, np.inf), (1, np.nan)):
        with pytest.raises(ValueError, match="ratios are"):
            split_per_user(np.zeros(3, np.int32), ratios, rng=rng)


def test_a_million_rows() -> None:
    rng = np.random.default_rng(0)
    user, item = rng.integers(0, 6040, 10**6, dtype=np.int32), rng.integers(0, 3706, 10**6, dtype=np.int32)
    keep = dedupe(user, item)
    user, item = user[keep], item[keep]
    assert k_core(user, item, 5, 5).all()
    assert abs((split_global(user, item, rng=rng) == 0).mean() - 0.6) < 1e-5
    assert abs((split_per_user(user, rng=rng) == 0).mean() - 0.6) < 0.01

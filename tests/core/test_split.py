"""Cleaning and splitting against brute force, stated properties and RecBole's published sizes."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core.split import (
    dedupe,
    k_core,
    leave_one_out,
    pair_weights,
    rating_floor,
    split_at,
    split_by_time,
    split_global,
    split_per_user,
    time_cuts,
    user_sizes,
)

PAIRS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=60)
RATIOS = st.sampled_from([(3, 1, 1), (8, 1, 1), (0.8, 0.1, 0.1), (1, 1), (7, 0, 3), (1,), (0.29, 0.7, 0.01)])


def codes(pairs: Any) -> tuple[Any, Any]:
    columns = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return columns[:, 0].copy(), columns[:, 1].copy()


# ---- duplicates and ratings


def test_dedupe_keeps_the_last_or_the_first() -> None:
    user, item = codes([(0, 1), (0, 1), (2, 1), (0, 1), (0, 0)])
    assert dedupe(user, item).tolist() == [False, False, True, True, True]
    assert dedupe(user, item, first=True).tolist() == [True, False, True, False, True]
    time = np.array([1.0, 5.0, 0.0, 5.0, -1.0])
    assert dedupe(user, item, time).tolist() == [False, False, True, True, True]
    assert dedupe(user, item, -time).tolist() == [True, False, True, False, True]
    assert dedupe(user, item, time, first=True).tolist() == [True, False, True, False, True]
    assert dedupe(user, item, -time, first=True).tolist() == [False, True, True, False, True]


@given(PAIRS, st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
def test_dedupe_brute_force(pairs: Any, seed: int, timed: bool, first: bool) -> None:
    user, item = codes(pairs)
    time = np.random.default_rng(seed).integers(0, 4, len(pairs)).astype(np.float64)
    best: dict[Any, tuple[float, int]] = {}
    for row, pair in enumerate(pairs):
        place = (time[row] if timed else 0.0, row)
        best[pair] = (min if first else max)(place, best.get(pair, place))
    kept = dedupe(user, item, time if timed else None, first=first)
    assert np.flatnonzero(kept).tolist() == sorted(row for _, row in best.values())


@given(PAIRS, st.integers(0, 2**32 - 1))
def test_pair_weights_brute_force(pairs: Any, seed: int) -> None:
    user, item = codes(pairs)
    assert pair_weights(user, item).tolist() == [pairs.count(pair) for pair in pairs]
    weight = np.random.default_rng(seed).integers(1, 9, len(pairs)).astype(np.float64)
    sums = {pair: sum(w for w, p in zip(weight, pairs, strict=True) if p == pair) for pair in pairs}
    assert pair_weights(user, item, weight).tolist() == [sums[pair] for pair in pairs]


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


@given(PAIRS, st.integers(0, 99), st.booleans())
def test_leave_one_out(pairs: Any, seed: int, timed: bool) -> None:
    user, _ = codes(pairs)
    rng = np.random.default_rng(seed)
    time = rng.integers(0, 5, len(user)).astype(np.float64) if timed else None
    parts = leave_one_out(user, time, rng=rng)
    for u in set(user.tolist()):
        rows = np.flatnonzero(user == u)
        assert (
            sorted(parts[rows].tolist())[::-1] == [2, 1, *[0] * (len(rows) - 2)][: len(rows)] if len(rows) > 2 else True
        )
        assert {1: [0], 2: [0, 2]}.get(len(rows), sorted(parts[rows])) == sorted(parts[rows])
        if time is not None:
            assert parts[rows][np.argsort(time[rows], kind="stable")].tolist() == sorted(parts[rows])


@given(st.lists(st.integers(0, 9), max_size=40), RATIOS)
def test_one_cut_in_time_for_all(times: list[int], ratios: Any) -> None:
    when = np.array(times, dtype=np.float64)
    parts = split_at(when, time_cuts(when, ratios))
    assert (np.diff(parts[np.argsort(when, kind="stable")].astype(int)) >= 0).all()
    for early, late in itertools.pairwise(range(len(ratios))):  # no part begins before the one before it has ended
        assert not when[parts == early].max(initial=-1) >= when[parts >= late].min(initial=99)
    for p in range(1, len(ratios)):  # rows of one time go to the later part
        assert (parts >= p).sum() >= sum(int(np.floor(r / sum(ratios) * len(when))) for r in ratios[p:])
    if len(set(times)) == len(times):
        want = [int(np.floor(r / sum(ratios) * len(when))) for r in ratios]
        assert np.bincount(parts, minlength=len(ratios))[1:].tolist() == want[1:]


def test_split_at_given_times() -> None:
    when = np.array([5.0, 1.0, 10.0, 9.9, 20.0, 25.0])
    assert split_at(when, [10, 20]).tolist() == [0, 0, 1, 0, 2, 2]
    assert split_at(when, [np.inf, 20]).tolist() != split_at(when, [10, 20]).tolist()


def test_empty_and_bad() -> None:
    none, rng = np.zeros(0, np.int32), np.random.default_rng(0)
    results = [dedupe(none, none), k_core(none, none, 3, 3), split_global(none, none, rng=rng)]
    results += [split_per_user(none, rng=rng), split_by_time(none, none.astype(float)), leave_one_out(none, rng=rng)]
    results += [pair_weights(none, none), split_at(none.astype(float), time_cuts(none.astype(float)))]
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

"""Injected noise: exact counts, distinct pairs, never a pair that anyone holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.noise import pool_rows, random_pairs
from llmhd_tools.errors import InputError
from llmhd_tools.files.table import from_records
from llmhd_tools.stages.noise import inject_noise

cells = st.frozensets(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40)


def graph_of(pairs):
    user, item = (np.array([p[side] for p in sorted(pairs)], dtype=np.int32) for side in (0, 1))
    return Graph.of(user, item, 10, 10)


def pairs_of(table):
    return list(zip(table.users.take(table["user"]), table.items.take(table["item"]), strict=True))


def interactions(pairs, **more):
    return from_records("interactions", [{"user": u, "item": i, **more} for u, i in pairs], "x.jsonl")


@settings(deadline=None, max_examples=60)
@given(clean=cells, others=cells, share=st.floats(0, 0.85), seed=st.integers(0, 99))
def test_random_pairs_are_new_distinct_and_exactly_as_many(clean, others, share, seed):
    users, items = {u for u, _ in clean}, {i for _, i in clean}
    others = {(u, i) for u, i in others if u in users and i in items}
    taken = clean | others
    count = int(share * (len(users) * len(items) - len(taken)))
    found = random_pairs(graph_of(clean), graph_of(taken), count, np.random.default_rng(seed))
    drawn = list(zip(*(side.tolist() for side in found), strict=True))
    assert len(drawn) == len(set(drawn)) == count
    assert not set(drawn) & taken
    assert {u for u, _ in drawn} <= users and {i for _, i in drawn} <= items


def test_pairs_against_strangers_leave_room():
    """Pairs of --against whose users or items train lacks can never be drawn, so they take no room away."""
    clean = graph_of([(0, 0), (1, 1), (2, 2), (3, 3)])  # 12 pairs are free
    strangers = graph_of([(0, 0), (1, 1), (2, 2), (3, 3)] + [(u, i) for u in range(4, 10) for i in range(10)])
    assert len(random_pairs(clean, strangers, 8, np.random.default_rng(0))[0]) == 8


def test_random_pairs_are_uniform():
    clean = graph_of([(u, u) for u in range(10)])
    rng = np.random.default_rng(4)
    counts = np.zeros((10, 10), int)
    for _ in range(300):
        np.add.at(counts, random_pairs(clean, clean, 30, rng), 1)
    assert counts.trace() == 0
    free = counts[~np.eye(10, dtype=bool)]
    assert ((free - 100) ** 2 / (100 * 2 / 3)).sum() < 147  # 89 degrees of freedom; p = 0.0001


def test_more_than_there_are_is_refused():
    clean = graph_of([(u, i) for u in range(5) for i in range(5) if u != i])
    with pytest.raises(InputError, match="unobserved pairs are left"):
        random_pairs(clean, clean, 6, np.random.default_rng(0))


@settings(deadline=None, max_examples=60)
@given(
    clean=cells, pool=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=40), seed=st.integers(0, 99)
)
def test_pool_rows_are_usable_and_distinct(clean, pool, seed):
    users, items = {u for u, _ in clean}, {i for _, i in clean}
    usable = {(u, i) for u, i in pool if u in users and i in items and (u, i) not in clean}
    codes = [np.array([p[side] for p in pool], dtype=np.int32) for side in (0, 1)]
    graph = graph_of(clean)
    rows = pool_rows(graph, graph, *codes, len(usable) // 2, np.random.default_rng(seed)).tolist()
    drawn = [pool[row] for row in rows]
    assert rows == sorted(rows) and len(set(drawn)) == len(drawn) == len(usable) // 2
    assert set(drawn) <= usable
    with pytest.raises(InputError, match="the pool has only"):
        pool_rows(graph, graph, *codes, len(usable) + 1, np.random.default_rng(seed))


@pytest.mark.parametrize(("ratio", "count"), [(0.0, 0), (0.05, 2), (0.1, 3), (0.5, 15)])
def test_inject_adds_a_rounded_share_and_marks_it(ratio, count):
    held = [(f"u{n % 6}", n // 6) for n in range(30)]  # item ids stay integers
    against = interactions([("u0", 5), ("u1", 6), ("stranger", 7), ("u0", "new")])
    spare = [(f"u{n}", item) for n in range(6) for item in range(5, 9)]
    clean = interactions(held + [("u9", item) for item in range(5, 9)])
    clean = clean.take(np.arange(len(clean)))
    noisy = inject_noise(clean, ratio * 30 / len(clean), 7, [against])
    added = pairs_of(noisy)[len(clean) :]
    assert len(added) == count == len(set(added))
    assert set(added) <= set(spare) | {("u9", item) for item in range(5)}
    assert not set(added) & {*held, ("u0", 5), ("u1", 6)}
    assert noisy["noise"].tolist() == [0] * len(clean) + [1] * count


def test_inject_from_a_pool_brings_its_columns_along():
    clean = interactions([("a", 1), ("b", 2), ("c", 3), ("d", 4)], rating=5)
    pool = interactions([("a", 2), ("a", 1), ("stranger", 1), ("b", "new"), ("b", 1)], rating=1.5, timestamp=9)
    noisy = inject_noise(clean, 0.5, pool=pool)
    assert pairs_of(noisy)[4:] == [("a", 2), ("b", 1)]
    assert noisy["rating"].tolist() == [5, 5, 5, 5, 1.5, 1.5]
    assert "timestamp" not in noisy  # the clean rows have none

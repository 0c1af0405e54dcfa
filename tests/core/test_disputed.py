"""Disputed pairs and favourites against plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core import disputed as module
from llmhd_tools.core.disputed import disputed, favourites
from llmhd_tools.core.graph import Graph

USERS, ITEMS = 7, 9
rows = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), min_size=1, max_size=50)


def graph_of(pairs):
    user, item = (np.array(side, dtype=np.int32) for side in zip(*pairs, strict=True))
    return Graph.of(user, item, USERS, ITEMS)


def embeddings(seed):
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal((n, 4)).astype(np.float32) for n in (USERS, ITEMS))


def score(z, user, item):
    return float(z[0][user].astype(float) @ z[1][item].astype(float))


@settings(deadline=None)
@given(rows, st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), st.integers(0, 10), st.integers(0, 3))
def test_disputed_are_the_worst_interactions_and_the_best_of_the_rest(pairs, lowest, highest, seed):
    graph, z = graph_of(pairs), embeddings(seed)
    wanted = []
    for user in sorted({user for user, _ in pairs}):
        mine = sorted({item for who, item in pairs if who == user}, key=lambda item: score(z, user, item))
        rest = sorted(set(range(ITEMS)) - set(mine), key=lambda item: -score(z, user, item))
        wanted += [(user, item, 1) for item in mine[: math.floor(lowest * len(mine) + 0.5)]]
        wanted += [(user, item, 0) for item in rest[:highest]]
    found = disputed(z, graph, lowest, highest)
    assert list(zip(*(side.tolist() for side in found), strict=True)) == wanted


def test_users_are_taken_in_blocks(monkeypatch):
    graph, z = graph_of([(user, item) for user in range(USERS) for item in range(user)] + [(0, 3)]), embeddings(1)
    whole = disputed(z, graph, 0.5, 2)
    monkeypatch.setattr(module, "_USERS", 2)
    assert all(np.array_equal(a, b) for a, b in zip(whole, disputed(z, graph, 0.5, 2), strict=True))


@given(rows, st.integers(0, 3))
def test_favourites_are_a_users_items_best_first(pairs, seed):
    graph, z = graph_of(pairs), embeddings(seed)
    liked = favourites(z, graph)
    for user in range(USERS):
        mine = {item for who, item in pairs if who == user}
        wanted = sorted(mine, key=lambda item: -score(z, user, item))
        assert liked.items[liked.start[user] : liked.start[user + 1]].tolist() == wanted


def test_equal_scores_are_ordered_by_item():
    z = np.ones((USERS, 1), dtype=np.float32), np.ones((ITEMS, 1), dtype=np.float32)
    user, item, label = disputed(z, graph_of([(0, 5), (0, 2), (0, 7)]), 0.4, 0)
    assert (user.tolist(), item.tolist(), label.tolist()) == ([0], [2], [1])


def test_a_user_who_has_everything_has_nothing_else():
    z = embeddings(0)
    user, _, label = disputed(z, graph_of([(3, item) for item in range(ITEMS)]), 0.1, 2)
    assert (user.tolist(), label.tolist()) == ([3], [1])


@pytest.mark.parametrize(("count", "low"), [(4, 0), (5, 1), (14, 1), (15, 2)])
def test_a_tenth_is_rounded_half_up(count, low):
    rng = np.random.default_rng(0)
    z = tuple(rng.standard_normal((n, 2)).astype(np.float32) for n in (1, 20))
    graph = Graph.of(np.zeros(count, dtype=np.int32), np.arange(count, dtype=np.int32), 1, 20)
    assert len(disputed(z, graph, 0.1, 0)[0]) == low

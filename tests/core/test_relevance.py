"""Pseudo-positives, popular negatives and the AUC of relevance against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.relevance import popular_negatives, pseudo_positives, relevance_auc, unit

USERS, ITEMS = 6, 8
pairs = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), min_size=1, max_size=40)


def graph_of(rows):
    user, item = (np.array(side, dtype=np.int32) for side in zip(*rows, strict=True))
    return Graph.of(user, item, USERS, ITEMS)


def vectors(seed=0, width=3):
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal((n, width)).astype(np.float32) for n in (USERS, ITEMS))


def cosine(both, user, item):
    a, b = both[0][user].astype(float), both[1][item].astype(float)
    return float(a @ b) / math.sqrt(float(a @ a) * float(b @ b))


@given(pairs, st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]), st.integers(0, 3))
def test_pseudo_positives_are_the_closest_share_of_each_user(rows, share, seed):
    graph, both = graph_of(rows), vectors(seed)
    chosen = pseudo_positives(both, graph, share)
    for user in range(USERS):
        mine = [n for n in range(len(graph)) if graph.user[n] == user]
        best = sorted(mine, key=lambda n: -cosine(both, user, graph.item[n]))[: math.ceil(share * len(mine))]
        assert {n for n in mine if chosen[n]} == set(best)


def test_a_share_that_is_a_whole_number_in_decimals_is_one():
    graph = Graph.of(np.zeros(25, np.int32), np.arange(25, dtype=np.int32), 1, 25)
    both = np.ones((1, 2), np.float32), np.random.default_rng(0).standard_normal((25, 2)).astype(np.float32)
    assert pseudo_positives(both, graph, 0.28).sum() == 7  # 0.28 * 25 is above 7 in floats


def test_of_equally_close_ones_the_first_counts():
    graph = graph_of([(0, 5), (0, 2), (0, 7), (1, 1)])
    alike = np.ones((USERS, 2), dtype=np.float32), np.ones((ITEMS, 2), dtype=np.float32)
    assert pseudo_positives(alike, graph, 0.5).tolist() == [True, True, False, True]


@given(pairs, st.integers(0, 3))
def test_negatives_are_items_that_somebody_chose_and_this_user_did_not(rows, seed):
    graph = graph_of(rows)
    negative = popular_negatives(graph, graph, graph.user, np.random.default_rng(seed))
    chosen = set(graph.item.tolist())
    touched = set(zip(graph.user.tolist(), graph.item.tolist(), strict=True))
    for user, item in zip(graph.user.tolist(), negative.tolist(), strict=True):
        if item < 0:  # only where there is none
            assert all((user, other) in touched for other in chosen)
        else:
            assert item in chosen and (user, item) not in touched


def test_negatives_come_as_often_as_items_are_chosen():
    graph = graph_of([(user, item) for item, count in ((0, 5), (1, 3), (2, 1)) for user in range(1, 1 + count)])
    asked = np.zeros(9000, dtype=np.int32)  # user 0 has chosen nothing
    drawn = popular_negatives(graph, graph, asked, np.random.default_rng(0))
    assert np.bincount(drawn, minlength=3) / 9000 == pytest.approx([5 / 9, 3 / 9, 1 / 9], abs=0.02)


@given(st.integers(0, 20), st.integers(1, 12))
def test_auc_is_the_share_of_pairs_of_pairs_in_order(seed, count):
    rng, both = np.random.default_rng(seed), vectors(seed)
    user, item = (rng.integers(n, size=count, dtype=np.int32) for n in (USERS, ITEMS // 2))
    negative = rng.integers(ITEMS // 2, ITEMS, size=count, dtype=np.int32)
    near, far = ([cosine(both, *pair) for pair in zip(user, side, strict=True)] for side in (item, negative))
    wanted = np.mean([a > b for a in near for b in far])
    assert relevance_auc(both, user, item, negative) == pytest.approx(wanted)


def test_ties_count_half():
    alike = np.ones((USERS, 2), dtype=np.float32), np.ones((ITEMS, 2), dtype=np.float32)
    alike[1][3] = [1, -1]
    user = np.zeros(2, dtype=np.int32)
    item, negative = np.array([0, 1], dtype=np.int32), np.array([2, 3], dtype=np.int32)
    assert relevance_auc(alike, user, item, negative) == 0.75


def test_unit_rows_have_length_one_and_zero_stays_zero():
    rows = unit(np.array([[3, 4], [0, 0]], dtype=np.float32))
    assert rows.tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]

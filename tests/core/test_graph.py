"""Membership and clean-up of interactions."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core.graph import Graph


def codes(values):
    return np.array(values, dtype=np.int32)


pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4)), max_size=40)


@settings(deadline=None)
@given(held=pairs, asked=pairs)
def test_has_is_membership_of_a_set(held, asked):
    graph = Graph.of(codes([u for u, _ in held]), codes([i for _, i in held]), 7, 5)
    found = graph.has(codes([u for u, _ in asked]), codes([i for _, i in asked]))
    assert found.dtype == bool
    assert found.tolist() == [pair in set(held) for pair in asked]


@settings(deadline=None)
@given(held=pairs)
def test_repeated_pairs_count_once_in_order_of_first_appearance(held):
    graph = Graph.of(codes([u for u, _ in held]), codes([i for _, i in held]), 7, 5)
    assert list(zip(graph.user.tolist(), graph.item.tolist(), strict=True)) == list(dict.fromkeys(held))
    assert len(graph) == len(set(held))
    full = [u for u in range(7) if len({i for v, i in held if v == u}) == 5]
    assert graph.full_users().tolist() == full


def test_keys_do_not_overflow_32_bits():
    graph = Graph.of(codes([60_000]), codes([99_999]), 60_001, 100_000)
    assert graph.has(codes([60_000, 17_050]), codes([99_999, 2_703])).tolist() == [True, False]  # 2**32 apart


@settings(deadline=None)
@given(held=pairs, others=pairs)
def test_without_plus_and_find_are_those_of_lists(held, others):
    graph = Graph.of(codes([u for u, _ in held]), codes([i for _, i in held]), 7, 5)
    user, item = codes([u for u, _ in others]), codes([i for _, i in others])
    ours = list(dict.fromkeys(held))

    def listed(found):
        assert (found.n_users, found.n_items) == (7, 5)
        return list(zip(found.user.tolist(), found.item.tolist(), strict=True))

    assert listed(graph.without(user, item)) == [pair for pair in ours if pair not in others]
    assert listed(graph.plus(user, item)) == list(dict.fromkeys([*held, *others]))
    assert graph.find(user, item).tolist() == [ours.index(pair) if pair in ours else -1 for pair in others]

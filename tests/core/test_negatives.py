"""Negatives by scores, against plain loops in double precision."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core import negatives
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.negatives import dots, hardest_draws, pick, refreshed_pool, weights, without
from llmhd_tools.core.sampling import draw_negatives, draw_samples


def random_graph(seed=0, users=20, items=15, share=0.3):
    rng = np.random.default_rng(seed)
    user, item = np.nonzero(rng.random((users, items)) < share)
    return Graph.of(user.astype(np.int32), item.astype(np.int32), users, items)


def embeddings(graph, seed=0, dim=6):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(n, dim)).astype(np.float32) for n in (graph.n_users, graph.n_items))


def test_dots_are_those_of_each_user_with_each_of_its_items(monkeypatch):
    monkeypatch.setattr(negatives, "_BLOCK", 7)
    graph, rng = random_graph(), np.random.default_rng(1)
    z, user = embeddings(graph), rng.integers(20, size=11).astype(np.int32)
    items = rng.integers(15, size=(11, 3)).astype(np.int32)
    wanted = [[z[0][u].astype(float) @ z[1][i].astype(float) for i in row] for u, row in zip(user, items, strict=True)]
    np.testing.assert_allclose(dots(z, user, items), wanted, rtol=1e-5, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), draws=st.integers(1, 6), share=st.floats(0.05, 0.8))
def test_the_hardest_draw_is_the_highest_scored_of_uniform_negatives(seed, draws, share):
    graph = random_graph(seed, share=share)
    if len(graph.full_users()):
        return
    z, user = embeddings(graph, seed), np.repeat(graph.user, 2)
    found = hardest_draws(graph, user, z, draws, np.random.default_rng(seed))
    offered = draw_negatives(graph, np.repeat(user, draws), np.random.default_rng(seed)).reshape(-1, draws)
    for u, item, row in zip(user, found, offered, strict=True):
        score = {i: float(z[0][u].astype(float) @ z[1][i].astype(float)) for i in row.tolist()}
        assert item in score and score[item] >= max(score.values()) - 1e-5
    assert not graph.has(user, found).any()


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_one_draw_is_uniform_sampling(loss):
    graph = random_graph()
    draw = functools.partial(lambda g, user, rng, z: hardest_draws(g, user, z, 1, rng), z=embeddings(graph))
    uniform, one = draw_samples(graph, loss, 16, 3, 4), draw_samples(graph, loss, 16, 3, 4, draw=draw)
    for name in ("batch", "user", "item", "negative" if loss == "bpr" else "label"):
        np.testing.assert_array_equal(getattr(uniform, name), getattr(one, name))


def test_more_draws_are_harder():
    graph = random_graph(1, users=200, items=60)
    z, user = embeddings(graph), np.repeat(np.arange(200, dtype=np.int32), 20)
    means = []
    for draws in (1, 2, 4, 8):
        items = hardest_draws(graph, user, z, draws, np.random.default_rng(2))
        means.append(dots(z, user, items[:, None]).mean())
    assert means == sorted(means) and means[-1] > means[0] + 1


def pools(graph, z, epochs, size, fresh, seed=0):
    """The pools after each of some epochs, whose embeddings differ."""
    pool = np.full((graph.n_users, size), -1, np.int32)
    for epoch in range(epochs):
        before, scale = pool, (z[0] * np.float32(1 + epoch), z[1])
        pool = refreshed_pool(pool, graph, scale, fresh, np.random.default_rng([seed, epoch]))
        yield before, pool, scale


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), size=st.integers(1, 8), fresh=st.integers(1, 12), share=st.floats(0.05, 0.9))
def test_a_pool_holds_the_highest_scored_of_old_members_and_fresh_draws(seed, size, fresh, share):
    graph = random_graph(seed, users=9, items=12, share=share)
    if len(graph.full_users()):
        return
    held = set(zip(graph.user.tolist(), graph.item.tolist(), strict=True))
    for epoch, (before, pool, z) in enumerate(pools(graph, embeddings(graph, seed), 3, size, fresh, seed)):
        rng = np.random.default_rng([seed, epoch])
        drawn = draw_negatives(graph, np.repeat(np.arange(9, dtype=np.int32), fresh), rng).reshape(9, fresh)
        for u in range(9):
            offered = {*before[u].tolist(), *drawn[u].tolist()} - {-1}
            score = {i: float(z[0][u].astype(float) @ z[1][i].astype(float)) for i in offered}
            wanted = sorted(offered, key=lambda i: -score[i])[:size]
            assert pool[u].tolist() == wanted + [-1] * (size - len(wanted))
            assert not {(u, i) for i in pool[u].tolist()} & held


def test_pools_do_not_depend_on_how_many_rows_are_gathered_at_a_time(monkeypatch):
    graph = random_graph(2)
    z, pool = embeddings(graph), np.full((20, 4), -1, np.int32)
    whole = refreshed_pool(pool, graph, z, 6, np.random.default_rng(1))
    monkeypatch.setattr(negatives, "_BLOCK", 5)
    np.testing.assert_array_equal(refreshed_pool(pool, graph, z, 6, np.random.default_rng(1)), whole)


def test_a_pair_that_became_a_positive_leaves_the_pool():
    graph = Graph.of(np.array([0, 1], np.int32), np.array([2, 0], np.int32), 2, 4)
    pool = np.array([[1, 2, 3], [3, -1, 0]], np.int32)
    assert without(graph, pool, np.arange(2, dtype=np.int32)).tolist() == [[1, -1, 3], [3, -1, -1]]


RELEVANCE = np.array([[0.1, -0.4, 0.9, 0.3], [0.2, np.inf, 0.1, np.inf], [np.inf] * 4], np.float32)


@pytest.mark.parametrize(("rule", "wanted"), [
    ("argmin", [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]),
    ("filter", [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]),
    ("soft", [[np.exp(-5), 1, np.exp(-13), np.exp(-7)], [np.exp(-1), 0, 1, 0], [0, 0, 0, 0]]),
])  # fmt: skip
def test_rules_weigh_the_members_of_a_pool(rule, wanted):
    np.testing.assert_allclose(weights(RELEVANCE, rule, 0.1, 0.5), wanted, rtol=1e-5)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 1000), size=st.integers(1, 6))
def test_argmin_picks_the_lowest_relevance(seed, size):
    graph = random_graph(seed, share=0.5)
    if len(graph.full_users()):
        return
    rng = np.random.default_rng(seed)
    *_, (_, pool, _) = pools(graph, embeddings(graph, seed), 2, size, 5)
    relevance = np.where(pool < 0, np.float32(np.inf), rng.normal(size=pool.shape).astype(np.float32))
    picked = pick(pool, weights(relevance, "argmin", 1, 0), graph.user, rng)
    for u, item in zip(graph.user, picked, strict=True):
        assert item == pool[u][relevance[u].argmin()]


def test_members_are_drawn_as_often_as_their_weights_say():
    pool, chances = np.array([[5, 7, 9, -1]], np.int32), np.array([[1.0, 3.0, 0.0, 0.0]])
    user = np.zeros(40_000, np.int32)
    drawn = pick(pool, chances, user, np.random.default_rng(3))
    assert set(drawn.tolist()) == {5, 7}
    assert abs((drawn == 7).mean() - 0.75) < 4 * (0.75 * 0.25 / 40_000) ** 0.5
    assert pick(pool, np.zeros((1, 4)), user[:2], np.random.default_rng(3)).tolist() == [-1, -1]

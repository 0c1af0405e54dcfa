"""Negatives by scores, against plain loops in double precision."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core import negatives
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.negatives import dots, hardest_draws
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

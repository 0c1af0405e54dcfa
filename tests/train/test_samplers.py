"""Samplers of negatives between epochs: where each negative comes from, what is kept, what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from toys import random_graph

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.negatives import dots
from llmhd_tools.core.relevance import unit
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.train.methods import resolve
from llmhd_tools.train.samplers import build

USERS, ITEMS = 20, 15


def rows(seed):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(n, 5)).astype(np.float32) for n in (USERS, ITEMS))


def semantic(graph, *words, seed=0):
    config = resolve({"negatives": "semantic", "seed": seed}, ["pool=4", "fresh=6", "uniform-epochs=2", *words])
    return build(config, graph, rows(9))


def test_the_negative_is_the_least_relevant_of_the_users_pool():
    graph = random_graph(USERS, ITEMS)
    sampler = semantic(graph)
    for epoch in (1, 2, 3):
        sampler.end_epoch(graph, epoch, rows(epoch))
    found = sampler.draw(graph, graph.user, np.random.default_rng(0), rows(3))
    everyone, pool = np.arange(USERS, dtype=np.int32), sampler.state()["pool"]
    relevance = np.where(pool < 0, np.inf, dots(tuple(map(unit, rows(9))), everyone, pool))
    for user, item in zip(graph.user, found, strict=True):
        assert item == pool[user][relevance[user].argmin()]
    assert not graph.has(graph.user, found).any()


def test_the_first_epochs_are_uniform():
    graph = random_graph(USERS, ITEMS)
    sampler, uniform = semantic(graph), build(resolve({}), graph, None)
    sampler.end_epoch(graph, 1, rows(1))
    assert (sampler.state()["pool"] == -1).all()
    one, other = (s.draw(graph, graph.user, np.random.default_rng(4), rows(1)) for s in (sampler, uniform))
    differ = sampler.draw(graph, graph.user, np.random.default_rng(5), rows(1))
    assert len(set(one.tolist())) > 4 and not graph.has(graph.user, one).any()
    assert not graph.has(graph.user, other).any() and (one != differ).any()
    sampler.end_epoch(graph, 2, rows(2))
    assert (sampler.state()["pool"] >= 0).any(axis=1).all()


def test_a_user_whose_pool_became_positives_gets_uniform_negatives():
    graph = random_graph(USERS, ITEMS, share=0.2)
    sampler = semantic(graph)
    sampler.end_epoch(graph, 2, rows(2))
    pool = sampler.state()["pool"]
    grown = graph.plus(np.zeros(4, np.int32), pool[0])
    user = np.zeros(200, np.int32)
    found = sampler.draw(grown, user, np.random.default_rng(1), rows(2))
    assert not grown.has(user, found).any() and len(set(found.tolist())) > 3


def test_state_is_all_that_it_remembers():
    graph = random_graph(USERS, ITEMS)
    one, other = semantic(graph), semantic(graph)
    one.end_epoch(graph, 2, rows(2))
    other.restore(one.state())
    for sampler in (one, other):
        sampler.end_epoch(graph, 3, rows(3))
    np.testing.assert_array_equal(one.state()["pool"], other.state()["pool"])


@pytest.mark.parametrize("pool", [
    np.zeros((USERS, 3), np.int32), np.zeros((USERS, 4), np.int64), np.full((USERS, 4), ITEMS, np.int32),
    np.full((USERS, 4), -2, np.int32), None,
])  # fmt: skip
def test_pools_that_do_not_fit_are_refused(pool):
    sampler = semantic(random_graph(USERS, ITEMS))
    with pytest.raises(InputError, match="pools of negatives"):
        sampler.restore({} if pool is None else {"pool": pool})


@pytest.mark.parametrize(("negatives", "vectors", "told"), [
    ("semantic", None, "give aligned vectors with `aligned`"),
    ("dynamic", rows(1), "leave out `aligned`"),
    ("uniform", rows(1), "leave out `aligned`"),
])  # fmt: skip
def test_vectors_are_there_for_semantic_alone(negatives, vectors, told):
    with pytest.raises(UsageError, match=told):
        build(resolve({"negatives": negatives}), random_graph(USERS, ITEMS), vectors)


def test_a_user_with_few_items_left_has_a_pool_of_those():
    graph = Graph.of(np.repeat(np.int32(0), ITEMS - 2), np.arange(ITEMS - 2, dtype=np.int32), USERS, ITEMS)
    sampler = semantic(graph, "fresh=40")
    sampler.end_epoch(graph, 2, rows(2))
    assert sorted(sampler.state()["pool"][0].tolist()) == [-1, -1, ITEMS - 2, ITEMS - 1]

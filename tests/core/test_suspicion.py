"""Suspicion against plain loops and dense matrices in double precision."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from llmhd_tools.core import suspicion
from llmhd_tools.core.graph import Graph

USERS, ITEMS, DIM, LAYERS = 14, 11, 5, 3


def random_graph(seed):
    user, item = np.nonzero(np.random.default_rng(seed).random((USERS, ITEMS)) < 0.4)
    return Graph.of(user.astype(np.int32), item.astype(np.int32), USERS, ITEMS)


def tables(rng, epochs=1):
    return [
        (rng.normal(size=(USERS, DIM)).astype(np.float32), rng.normal(size=(ITEMS, DIM)).astype(np.float32))
        for _ in range(epochs)
    ]


def adjacency(graph):
    """L = D^-1/2 A D^-1/2 from the definition."""
    a = np.zeros((USERS + ITEMS, USERS + ITEMS))
    a[graph.user, USERS + graph.item] = a[USERS + graph.item, graph.user] = 1.0
    scale = np.array([1 / math.sqrt(d) if d else 0.0 for d in a.sum(0)])
    return scale[:, None] * a * scale


def lightgcn(matrix, ego):
    """z = mean of L^k E."""
    return sum(np.linalg.matrix_power(matrix, k) @ ego for k in range(LAYERS + 1)) / (LAYERS + 1)


def without_edge(matrix, user, item):
    cut = matrix.copy()
    cut[user, USERS + item] = cut[USERS + item, user] = 0.0
    return cut


def test_the_plain_mean_is_a_mean_of_dot_products():
    graph, history = random_graph(1), tables(np.random.default_rng(2), 3)
    found = suspicion.mean_prediction(history, graph)
    for row, (u, i) in enumerate(zip(graph.user, graph.item, strict=True)):
        dots = [math.fsum(float(a) * float(b) for a, b in zip(z[0][u], z[1][i], strict=True)) for z in history]
        assert found[row] == pytest.approx(math.fsum(dots) / 3, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_leave_one_out_takes_the_messages_of_the_edge_away(seed):
    """z minus what the pair's two entries of L bring from each other's z; a pair without edge keeps its prediction."""
    graph, rng = random_graph(seed), np.random.default_rng(seed)
    cut = rng.random(len(graph)) < 0.2
    edges = graph.without(graph.user[cut], graph.item[cut])
    (z,), matrix = tables(rng), adjacency(edges)
    both = np.concatenate(z).astype(np.float64)
    found = suspicion.mean_prediction([z], graph, edges)
    for row, (u, i) in enumerate(zip(graph.user, graph.item, strict=True)):
        left = both - (matrix - without_edge(matrix, u, i)) @ both
        assert found[row] == pytest.approx(left[u] @ left[USERS + i], abs=1e-9)
        assert cut[row] == (matrix[u, USERS + i] == 0)


@pytest.mark.parametrize("seed", range(5))
def test_leave_one_out_is_nearer_to_a_graph_without_the_edge_than_the_prediction(seed):
    """The true value propagates anew for each pair, over L without its two entries."""
    graph, rng = random_graph(seed), np.random.default_rng(seed)
    matrix, ego = adjacency(graph), rng.normal(size=(USERS + ITEMS, DIM))
    z = lightgcn(matrix, ego)
    history = [(z[:USERS].astype(np.float32), z[USERS:].astype(np.float32))]
    plain, found = suspicion.mean_prediction(history, graph), suspicion.mean_prediction(history, graph, graph)
    true = []
    for u, i in zip(graph.user, graph.item, strict=True):
        left = lightgcn(without_edge(matrix, u, i), ego)
        true.append(left[u] @ left[USERS + i])
    assert np.abs(found - true).mean() < 0.5 * np.abs(plain - true).mean()


def test_suspicion_worked_out_by_hand():
    prediction = np.array([1.0, 3.0, 1.0, 3.0])  # standardised -1, 1, -1, 1
    assert suspicion.suspicion(prediction).tolist() == [1, -1, 1, -1]
    score = np.array([10.0, np.nan, 2.0, np.nan])  # standardised 1, -, -1, -
    assert suspicion.suspicion(prediction, [score], 0.5).tolist() == [0.5, -1, 1.5, -1]
    assert suspicion.suspicion(prediction, [score], 0.0).tolist() == [1, -1, 1, -1]
    likeness = np.array([np.nan, 0.5, -0.5, np.nan])
    assert suspicion.suspicion(prediction, [score, likeness], 0.5).tolist() == [0.5, -1.5, 2, -1]
    nobody, same = np.full(4, np.nan), np.array([7.0, np.nan, np.nan, 7.0])
    for scores in (nobody, same):  # nothing that would tell them apart
        assert suspicion.suspicion(prediction, [scores]).tolist() == [1, -1, 1, -1]
    assert suspicion.suspicion(np.zeros(3)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("seed", range(3))
def test_likeness_is_the_cosine_with_the_users_other_items(seed):
    """Of those whose edges are left; a user without another item has none."""
    graph, rng = random_graph(seed), np.random.default_rng(seed)
    alone = Graph.of(np.array([USERS - 1], np.int32), np.array([0], np.int32), USERS, ITEMS)
    graph = graph.without(graph.user[graph.user == USERS - 1], graph.item[graph.user == USERS - 1]).plus(
        alone.user, alone.item
    )
    cut = rng.random(len(graph)) < 0.2
    edges = graph.without(graph.user[cut], graph.item[cut])
    vectors = (rng.normal(size=(ITEMS, DIM)) * rng.uniform(0.1, 9, (ITEMS, 1))).astype(np.float32)
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    found = suspicion.likeness(vectors, graph, edges)
    for row, (u, i) in enumerate(zip(graph.user, graph.item, strict=True)):
        others = [j for j in edges.item[edges.user == u] if j != i]
        if not others:
            assert np.isnan(found[row])
            continue
        total = sum(unit[j] for j in others)
        assert found[row] == pytest.approx(total @ unit[i] / np.linalg.norm(total), abs=1e-6)
    assert np.isnan(found[-1]) and np.isfinite(found).sum() > 30


@pytest.mark.parametrize("percent", [0, 1, 7, 29, 50, 57, 58, 99, 100])
def test_the_worst_are_as_many_as_the_share_says_and_no_better_one_is_among_them(percent):
    """Of equal ones the earlier row; a share counts as the decimal that a person typed."""
    rng = np.random.default_rng(percent)
    for size in (1, 2, 13, 100, 100, 1000):
        values = rng.integers(0, 6, size).tolist()
        cut = suspicion.worst(np.array(values, dtype=np.float64), percent / 100)
        assert cut.sum() == math.floor(Fraction(percent, 100) * size)
        ranked = sorted(range(size), key=lambda row: (-values[row], row))
        assert set(np.flatnonzero(cut)) == set(ranked[: cut.sum()])

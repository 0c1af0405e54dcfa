"""The normalised adjacency and LightGCN's layers: numbers worked out by hand (card §5), laws, and exact gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import CPU, dense, graph_of, random_graph, toy

from llmhd_tools.train.backbones import build
from llmhd_tools.train.config import Config
from llmhd_tools.train.ops.propagation import Adjacency, normalised_adjacency, to_torch


def final(graph, table, layers):
    table = torch.tensor(np.asarray(table), dtype=torch.float32)
    model = build(Config(dim=table.shape[1], layers=layers), graph, CPU)
    return model.final({"embedding": table}).numpy()


def test_entries_of_the_toy_graph():
    half, root = 0.5, 1 / np.sqrt(2)
    wanted = [[0, 0, root, half], [0, 0, 0, root], [root, 0, 0, 0], [half, root, 0, 0]]
    assert normalised_adjacency(toy()).toarray() == pytest.approx(np.array(wanted), abs=1e-7)


def test_layers_mean_and_scores_of_the_toy_graph():
    adjacency = to_torch(normalised_adjacency(toy()), CPU)
    e0 = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    e1 = adjacency @ e0
    assert e1[:, 0].tolist() == pytest.approx([4.121320, 2.828427, 0.707107, 1.914214], abs=1e-6)
    assert (adjacency @ e1)[:, 0].tolist() == pytest.approx([1.457107, 1.353553, 2.914214, 4.060660], abs=1e-6)
    z = final(toy(), e0, 2)
    assert z[:, 0] == pytest.approx([2.192809, 2.060660, 2.207107, 3.324958], abs=1e-6)
    scores = z[:2] @ z[2:].T
    assert scores == pytest.approx(np.array([[4.839764, 7.290998], [4.548097, 6.851608]]), abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_adjacency_is_the_dense_definition(seed):
    graph = random_graph(9, 7, seed)
    found = normalised_adjacency(graph)
    assert found.toarray() == pytest.approx(dense(graph).numpy(), abs=1e-7)
    assert found.has_canonical_format and found.dtype == np.float32
    assert (found != found.T).nnz == 0


def test_isolated_nodes_are_zero_rows():
    graph = graph_of([0], [1], 3, 3)  # only u0 and i1 have a neighbour
    assert final(graph, np.ones((6, 2)), 1) == pytest.approx(np.array([1, 0.5, 0.5, 0.5, 1, 0.5])[:, None] * [[1, 1]])


def test_the_root_of_the_degrees_stays_as_it_is():
    graph = random_graph(9, 7, 1)
    degree = np.bincount(graph.user, minlength=9).tolist() + np.bincount(graph.item, minlength=7).tolist()
    table = np.sqrt(degree)[:, None] * [[1.0, -2.0]]
    assert final(graph, table, 3) == pytest.approx(table, abs=1e-5)


def test_no_layers_is_matrix_factorisation():
    graph = random_graph(9, 7, 2)
    table = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    assert final(graph, table, 0).tolist() == table.tolist()


def test_final_is_linear():
    graph, rng = random_graph(9, 7, 3), np.random.default_rng(1)
    a, b = rng.normal(size=(16, 3)), rng.normal(size=(16, 3))
    assert final(graph, 2 * a - b, 3) == pytest.approx(2 * final(graph, a, 3) - final(graph, b, 3), abs=1e-5)


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_final_is_the_dense_mean_of_powers(layers):
    graph = random_graph(9, 7, 4)
    table = np.random.default_rng(2).normal(size=(16, 4))
    powers = [np.linalg.matrix_power(dense(graph).numpy(), k) @ table for k in range(layers + 1)]
    assert final(graph, table, layers) == pytest.approx(np.mean(powers, axis=0), abs=1e-5)


def test_renumbered_nodes_have_the_same_embeddings():
    graph, rng = random_graph(9, 7, 5), np.random.default_rng(3)
    table = rng.normal(size=(16, 3))
    users, items = rng.permutation(9), rng.permutation(7)
    nodes = np.concatenate([users, 9 + items])
    renumbered = graph_of(users[graph.user], items[graph.item], 9, 7)
    moved = np.empty_like(table)
    moved[nodes] = table
    assert final(renumbered, moved, 3)[nodes] == pytest.approx(final(graph, table, 3), abs=1e-5)


def in_double(adjacency):
    """The operator on double precision tables."""
    adjacency.matrix = adjacency.matrix.double()
    adjacency._rows.values = adjacency._rows.values.astype(np.float64)
    return adjacency


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_backward_is_exact(layers):
    """gradcheck in double precision, with repeated rows: the analytic gradient against finite differences."""
    adjacency = in_double(Adjacency(normalised_adjacency(random_graph(4, 3, 6)), CPU))
    table = torch.randn(7, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    rows = torch.tensor([0, 5, 5, 2, 0])
    assert torch.autograd.gradcheck(lambda t: adjacency.mean_rows(t, layers, rows), (table,))
    assert torch.autograd.gradcheck(adjacency.product, (table,))


@pytest.mark.parametrize("has_grad", [False, True])
def test_backward_agrees_with_dense_autograd(has_grad):
    graph, generator = random_graph(9, 7, 7), torch.Generator().manual_seed(1)
    adjacency = Adjacency(normalised_adjacency(graph), CPU)
    rows = torch.tensor([0, 3, 3, 9, 15, 12])
    start = torch.randn(16, 5, generator=generator)
    weights = [torch.randn(6, 5, generator=generator) for _ in range(2)]

    ours = start.clone().requires_grad_()
    if has_grad:  # then the gradient is added to it in place
        ours.grad = torch.ones_like(ours)
    ego, z = adjacency.mean_rows(ours, 3, rows)
    ((ego * weights[0]).sum() + (z.sigmoid() * weights[1]).sum()).backward()

    theirs = start.double().requires_grad_()
    operator = torch.tensor(np.mean([np.linalg.matrix_power(dense(graph).numpy(), k) for k in range(4)], axis=0))
    ((theirs[rows] * weights[0]).sum() + ((operator @ theirs)[rows].sigmoid() * weights[1]).sum()).backward()
    assert ours.grad.numpy() - has_grad == pytest.approx(theirs.grad.numpy(), abs=1e-5)
    assert z.detach().numpy() == pytest.approx(adjacency.mean(start, 3)[rows].numpy(), abs=1e-6)
    assert ego.detach().equal(start[rows])


@pytest.mark.parametrize("share", [0.01, 1.0])
def test_some_rows_of_a_product_are_those_of_the_whole_by_either_way(share):
    graph = random_graph(users=60, items=50)
    adjacency = Adjacency(normalised_adjacency(graph), CPU)
    table = torch.randn(110, 8, generator=torch.Generator().manual_seed(1))
    rows = torch.arange(0, 110, round(1 / share) if share < 1 else 1).repeat(1 if share < 1 else 2)
    assert adjacency._rows.saves(rows) == (share < 1)
    for way in (adjacency.product_rows(table, rows), adjacency._rows(table, rows)):
        assert torch.allclose(way, adjacency.product(table)[rows], atol=1e-6)

"""RGCF: reliabilities worked out by hand, the denoised and the denser operator, gradients (card §3.5)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_contrast import definition
from toys import CPU, graph_of, pairs, params_of, random_graph, toy

from llmhd_tools.train import backbones
from llmhd_tools.train.config import Config
from llmhd_tools.train.denoisers import build
from llmhd_tools.train.denoisers.rgcf import balanced
from llmhd_tools.train.ops.weighted import Pattern, Weighted

TABLE = torch.tensor([[1.0, 0], [-1, 0], [1, 0], [0, 1]])  # T_U, T_I


def denoiser(graph, **options):
    return build(Config(denoise="rgcf", dim=4, layers=2, seed=1, options=options), graph, CPU)


def matrix_of(weighted):
    size = len(weighted.pattern)
    matrix = torch.zeros(size, size, dtype=weighted.values.dtype)
    return matrix.index_put((weighted.pattern.row, weighted.pattern.column.long()), weighted.values)


def dense_operator(graph, table, prune):
    """The denoised operator in double precision, differentiable, with plain operations."""
    users = graph.n_users
    ones = torch.zeros(len(table), len(table), dtype=torch.float64)
    ones[graph.user, graph.item + users] = ones[graph.item + users, graph.user] = 1
    structure = F.normalize(ones @ table, dim=1)
    score = (structure @ structure.T + 1) / 2 * ones
    score = torch.where(score >= prune, score, 0.0)
    degree = score.sum(1, keepdim=True)
    return torch.where(degree > 0, score / degree.clamp(min=1e-12), 0.0)


def test_reliabilities_of_the_toy_graph():
    graph, params = toy(), {"embedding": TABLE}
    method = denoiser(graph)
    raw = method.binary.product(TABLE)
    assert raw.tolist() == [[1, 1], [0, 1], [1, 0], [0, 0]]
    score = method.reliability(method._structure(params), method.user, method.item)
    assert score.tolist() == pytest.approx([0.853553, 0.5, 0.5], abs=1e-6)
    assert len(denoiser(graph, prune=0.5).edges(params)) == 3
    left = denoiser(graph, prune=0.51).edges(params)
    assert (left.user.tolist(), left.item.tolist()) == ([0], [0])


@pytest.mark.parametrize("prune", [0.0, 0.02, 0.5, 1.01])
def test_operator_is_the_definition_and_its_rows_sum_to_one(prune):
    graph = random_graph()
    params = params_of(backbones.build(Config(dim=4), graph, CPU))
    found = matrix_of(denoiser(graph, prune=prune).operator(params)).detach()
    wanted = dense_operator(graph, params["embedding"].detach().double(), prune)
    assert found.numpy() == pytest.approx(wanted.numpy(), abs=1e-6)
    total = found.sum(1)
    assert ((total - 1).abs() < 1e-5).logical_or(total == 0).all()
    if prune > 1:
        assert not found.any()


def test_everything_pruned_leaves_layer_0():
    graph = random_graph()
    model = backbones.build(Config(dim=4, layers=3), graph, CPU)
    params = params_of(model)
    z = model.final(params, denoiser(graph, prune=1.01).operator(params))
    assert z.detach().numpy() == pytest.approx(params["embedding"].detach().numpy() / 4, abs=1e-7)


def test_products_and_their_gradients_are_exact():
    graph = random_graph(6, 5, seed=3)
    pattern = Pattern.of(graph, CPU)
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(len(pattern.column), dtype=torch.float64, generator=generator, requires_grad=True)
    table = torch.randn(11, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.equal(pattern.mirror[pattern.mirror], torch.arange(len(values)))
    assert torch.equal(pattern.row[pattern.mirror], pattern.column.long())
    assert torch.equal(pattern.edge[pattern.mirror], pattern.edge)
    with torch.no_grad():
        wanted = matrix_of(Weighted(pattern, values)) @ table
        assert Weighted(pattern, values).product(table).numpy() == pytest.approx(wanted.numpy(), abs=1e-12)
    assert torch.autograd.gradcheck(lambda t, v: Weighted(pattern, v).product(t), (table, values))


def test_gradients_flow_through_the_reliabilities():
    graph = random_graph(seed=4)
    model = backbones.build(Config(dim=4, layers=2), graph, CPU)
    params, batch = params_of(model), pairs(graph, 10)
    method = denoiser(graph)
    model.forward(params, batch, method.operator(params)).final.sigmoid().sum().backward()
    table = params["embedding"].detach().double().requires_grad_()
    operator = dense_operator(graph, table, 0.02)
    z = (table + operator @ table + operator @ operator @ table) / 3
    z[batch.nodes.reshape(-1)].sigmoid().sum().backward()
    assert params["embedding"].grad.numpy() == pytest.approx(table.grad.numpy(), abs=1e-5)


def test_the_denser_view_adds_some_unseen_edges_and_is_balanced():
    graph = random_graph(30, 30, share=0.2)
    method = denoiser(graph, augment=0.1)
    params = {"embedding": torch.randn(60, 4, generator=torch.Generator().manual_seed(0))}
    matrix = method._denser(params, 7).matrix.to_dense()
    old = matrix_of(Weighted(method.pattern, torch.ones(len(method.pattern.column)))) > 0
    added = (matrix > 0) & ~old
    assert 0 < added.sum() <= 2 * int(0.1 * len(graph))
    assert torch.equal(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix).max().item() == pytest.approx(1, abs=1e-4)
    assert torch.equal(matrix, method._denser(params, 7).matrix.to_dense())
    assert not torch.equal(matrix, method._denser(params, 8).matrix.to_dense())


def test_balanced_weights():
    matrix = balanced(
        np.array([0, 0]), np.array([0, 1]), np.array([0.5, 0.0]), graph_of([0, 0], [0, 1], 2, 2)
    ).toarray()
    assert matrix[0, 2] == pytest.approx(1) and matrix[2, 0] == pytest.approx(1) and matrix.sum() == pytest.approx(2)


def test_contrast_of_users_is_the_definition():
    graph = random_graph(seed=6)
    model = backbones.build(Config(dim=4, layers=2), graph, CPU)
    params, batch = params_of(model), pairs(graph, 10)
    method = denoiser(graph, mim_weight=0.5, mim_temperature=0.3)
    rows = model.forward(params, batch, method.operator(params))
    extra = method.extra(model, params, batch, rows)
    denser = method._denser(params, 0).matrix.to_dense().double()
    table = params["embedding"].detach().double()
    operator = dense_operator(graph, table, 0.02)
    views = [(table + m @ table + m @ m @ table) / 3 for m in (operator, denser)]
    user = batch.nodes[0]
    wanted = 0.5 * definition(views[0][user], views[1][:12], user, torch.ones(10).double(), 0.3)
    assert extra.item() == pytest.approx(wanted.item(), rel=1e-4)
    assert denoiser(graph, mim_weight=0.0).extra(model, params, batch, rows) is None

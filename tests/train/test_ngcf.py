"""NGCF: numbers worked out by hand (card §5), the definition in double precision, dropout."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from toys import CPU, dense, graph_of, pairs, params_of, random_graph, toy

from llmhd_tools.train.backbones import build
from llmhd_tools.train.config import Config
from llmhd_tools.train.ops import ngcf_layer
from llmhd_tools.train.ops.threads import use_threads


def backbone(graph, layers=3, **options):
    return build(Config(backbone="ngcf", dim=4, layers=layers, options=options), graph, CPU)


def definition(params, graph, layers, matrix=None):
    """z in double precision with plain operations."""
    matrix = dense(graph) if matrix is None else matrix
    table = params["embedding"].detach().double()
    leaves = {name: p.detach().double().requires_grad_() for name, p in params.items()}
    rows = [leaves["embedding"]]
    for k in range(layers):
        near, far = rows[-1], matrix @ rows[-1]
        hidden = (near + far) @ leaves[f"sum.weight.{k}"].T + leaves[f"sum.bias.{k}"]
        hidden = hidden + (far * near) @ leaves[f"product.weight.{k}"].T + leaves[f"product.bias.{k}"]
        rows.append(F.normalize(F.leaky_relu(hidden, 0.2), dim=1))
    assert len(table) == len(rows[0])
    return torch.cat(rows, 1), leaves


def test_one_layer_of_the_toy_graph():
    model = build(Config(backbone="ngcf", dim=2, layers=1), toy(), CPU)
    one, zero = torch.eye(2), torch.zeros(2)
    table = torch.tensor([[1.0, 0], [0, 1], [1, 1], [1, -1]])
    params = {
        "embedding": table,
        "sum.weight.0": one,
        "product.weight.0": one,
        "sum.bias.0": zero,
        "product.bias.0": zero,
    }
    wanted = [[0.998165, 0.060549], [0.993207, -0.116361], [0.923880, 0.382683], [0.995037, -0.099504]]
    z = model.final(params)
    assert z[:, :2].tolist() == table.tolist()
    assert z[:, 2:].numpy() == pytest.approx(np.array(wanted), abs=1e-6)


def test_without_the_product_it_is_e_plus_le():
    graph = random_graph()
    model = backbone(graph, layers=1)
    params = {k: p.detach() for k, p in params_of(model).items()}
    params |= {"sum.weight.0": torch.eye(4), "product.weight.0": torch.zeros(4, 4)}
    table = params["embedding"].double()
    wanted = F.normalize(F.leaky_relu(table + dense(graph) @ table, 0.2), dim=1)
    assert model.final(params)[:, 4:].numpy() == pytest.approx(wanted.numpy(), abs=1e-6)


@pytest.mark.parametrize("tile", [5, 1000])
@pytest.mark.parametrize("layers", [0, 1, 3])
def test_rows_and_gradients_are_the_definition(monkeypatch, layers, tile):
    monkeypatch.setattr(ngcf_layer, "TILE", tile)
    graph = random_graph(seed=layers)
    model = backbone(graph, layers, message_drop=0.0)
    params = params_of(model)
    batch = pairs(graph, 8)
    weight = torch.randn(24, 4 * (layers + 1), generator=torch.Generator().manual_seed(0))
    z, leaves = definition(params, graph, layers)
    (z[batch.nodes.reshape(-1)] * weight).sum().backward()
    for _ in range(2):  # the second time from kept memory
        for param in params.values():
            param.grad = None
        rows = model.forward(params, batch)
        assert rows.final.detach().numpy() == pytest.approx(z[batch.nodes.reshape(-1)].detach().numpy(), abs=1e-6)
        assert rows.regularised is rows.final
        (rows.final * weight).sum().backward()
        for name, leaf in leaves.items():
            assert params[name].grad.numpy() == pytest.approx(leaf.grad.numpy(), rel=1e-5, abs=2e-5), name
    assert model.final(params).numpy() == pytest.approx(z.detach().numpy(), abs=1e-6)
    assert model.tables(params).detach().numpy() == pytest.approx(z.detach().numpy(), abs=1e-6)


def test_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(ngcf_layer, "TILE", 3)
    graph, results = random_graph(seed=2), []
    for threads in (1, 2, 3):
        use_threads(threads)
        try:
            model = backbone(graph, 3, message_drop=0.2)
            params = params_of(model)
            (model.forward(params, pairs(graph, 8)).final ** 3).sum().backward()
        finally:
            use_threads(1)
        results.append([p.grad for p in params.values()])
    assert all(torch.equal(a, b) for other in results[1:] for a, b in zip(results[0], other, strict=True))


def test_gradients_of_whole_tables_are_the_definition():
    graph = random_graph(seed=5)
    model = backbone(graph, 2, message_drop=0.0)
    params = params_of(model)
    z, leaves = definition(params, graph, 2)
    z.sigmoid().sum().backward()
    model.tables(params).sigmoid().sum().backward()
    for name, leaf in leaves.items():
        assert params[name].grad.numpy() == pytest.approx(leaf.grad.numpy(), rel=1e-5, abs=2e-5), name


def test_layers_have_unit_rows_and_evaluation_draws_nothing():
    graph = random_graph(1)
    model = backbone(graph, message_drop=0.5, node_drop=0.5)
    params = params_of(model)
    z = model.final(params)
    for k in range(1, 4):
        assert z[:, 4 * k : 4 * k + 4].norm(dim=1).numpy() == pytest.approx(1, abs=1e-6)
    assert torch.equal(z, model.final(params))


def test_dropout_leaves_out_its_share_and_depends_on_the_epoch_alone():
    graph = graph_of(np.arange(400) % 200, np.arange(400) // 2, 200, 200)
    model = build(Config(backbone="ngcf", dim=16, layers=2, options={"message_drop": 0.3}), graph, CPU)
    params = params_of(model)
    draws = []
    for epoch in (1, 2, 1):
        model.start_epoch(params, epoch, graph)
        draws.append(model.tables(params).detach())
    assert torch.equal(draws[0], draws[2]) and not torch.equal(draws[0], draws[1])
    assert (draws[0][:, 16:] == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)


def test_node_dropout_scales_what_is_kept():
    graph = random_graph(30, 30)
    model = backbone(graph, node_drop=0.4)
    thinned = model._thinned(None)
    whole = model.entries.values
    kept = thinned.values != 0
    assert kept.float().mean().item() == pytest.approx(0.6, abs=0.1)
    assert thinned.values[kept].numpy() == pytest.approx((whole[kept] / 0.6).numpy(), rel=1e-6)


@pytest.mark.parametrize("layers", [1, 2])
def test_gradients_through_a_thinned_operator(layers):
    graph = random_graph(seed=7)
    model = backbone(graph, layers, message_drop=0.0, node_drop=0.3)
    params, batch = params_of(model), pairs(graph, 8)
    model.start_epoch(params, 1, graph)
    values = model._thinned(None)
    matrix = torch.zeros(21, 21, dtype=torch.float64)
    matrix[values.pattern.row, values.pattern.column.long()] = values.values.double()
    z, leaves = definition(params, graph, layers, matrix)
    z[batch.nodes.reshape(-1)].sigmoid().sum().backward()
    model.start_epoch(params, 1, graph)  # the same draw again
    model.forward(params, batch).final.sigmoid().sum().backward()
    for name, leaf in leaves.items():
        assert params[name].grad.numpy() == pytest.approx(leaf.grad.numpy(), rel=1e-5, abs=2e-5), name

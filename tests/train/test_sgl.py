"""SGL: its views, its loss against the definition, the sum over the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_contrast import definition
from toys import CPU, dense, pairs, params_of, random_graph

from llmhd_tools.core.sampling import draw_samples
from llmhd_tools.train.backbones import build
from llmhd_tools.train.backbones.sgl import thin
from llmhd_tools.train.batch import Batch
from llmhd_tools.train.config import Config
from llmhd_tools.train.ops.propagation import normalised_adjacency
from llmhd_tools.train.trainer import Trainer

VIEWS = ("edge-drop", "node-drop", "random-walk")


def model_of(graph, **options):
    return build(Config(backbone="sgl", dim=4, layers=3, seed=1, options=options), graph, CPU)


@pytest.mark.parametrize("drop", [0.0, 0.1, 0.35, 1.0])
def test_edges_and_nodes_that_are_left(drop):
    graph, rng = random_graph(30, 20), np.random.default_rng(0)
    left = thin(graph, "edge-drop", drop, rng)
    assert len(left) == int(len(graph) * (1 - drop) + 1e-9)
    assert len(np.unique(left.user * 20 + left.item)) == len(left) and graph.has(left.user, left.item).all()
    left = thin(graph, "node-drop", drop, rng)
    assert len(np.unique(left.user)) == 30 - int(30 * drop + 1e-9)
    assert len(np.unique(left.item)) == 20 - int(20 * drop + 1e-9)


@pytest.mark.parametrize("view", VIEWS)
def test_views_belong_to_the_epoch(view):
    graph = random_graph(30, 20)
    model = model_of(graph, view=view, drop=0.3)

    def matrices(epoch):
        model.start_epoch({}, epoch, graph)
        return [[layer.matrix.to_dense() for layer in one] for one in model.views]

    first, again, second = matrices(1), matrices(1), matrices(2)
    for one, same, other in zip(first, again, second, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
        assert not torch.equal(one[0], other[0])
        assert torch.equal(one[0], one[0].T)
        assert torch.equal(one[0], one[1]) == (view != "random-walk")
    assert not torch.equal(first[0][0], first[1][0])


def test_degrees_are_those_of_the_view():
    graph = random_graph(30, 20)
    left = thin(graph, "edge-drop", 0.5, np.random.default_rng(1))
    assert normalised_adjacency(left).toarray() == pytest.approx(dense(left).numpy(), abs=1e-6)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_contrast_is_the_definition(view, loss):
    graph = random_graph(seed=2)
    model = model_of(graph, view=view, drop=0.3, temperature=0.4, contrast=0.7)
    params, batch = params_of(model), pairs(graph, 10)
    if loss == "bce":
        batch = Batch(batch.nodes[:2], (torch.arange(10) < 5).float(), 0)
    anchors = batch.nodes[:2] if loss == "bpr" else batch.nodes[:2, :5]
    model.start_epoch(params, 3, graph)
    rows = model.forward(params, batch)
    table = params["embedding"].detach().double().requires_grad_()
    z = []
    for operators in model.views:
        layers = [table]
        for operator in operators:
            layers.append(operator.matrix.to_dense().double() @ layers[-1])
        z.append(sum(layers) / 4)
    wanted = 0.0
    for side, part in enumerate((slice(0, 12), slice(12, 21))):
        nodes = anchors[side]
        ones = torch.ones(len(nodes), dtype=torch.float64)
        wanted = wanted + 0.7 * definition(z[0][nodes], z[1][part], nodes - 12 * side, ones, 0.4)
    assert rows.extra.item() == pytest.approx(wanted.item(), rel=1e-5)
    rows.extra.backward()
    wanted.backward()
    assert params["embedding"].grad.numpy() == pytest.approx(table.grad.numpy(), abs=2e-5)


def test_nothing_dropped_contrasts_z_with_itself():
    graph = random_graph(seed=4)
    model = model_of(graph, drop=0.0, temperature=0.5, contrast=1.0)
    params, batch = params_of(model), pairs(graph, 10)
    model.start_epoch(params, 1, graph)
    z, one = model.final(params), torch.ones(10)
    wanted = sum(
        definition(z[nodes], z[part], nodes - start, one, 0.5)
        for nodes, part, start in ((batch.nodes[0], slice(0, 12), 0), (batch.nodes[1], slice(12, 21), 12))
    )
    assert model.forward(params, batch).extra.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_losses_are_summed_and_prediction_uses_the_whole_graph():
    graph = random_graph(seed=5)
    settings = Config(backbone="sgl", dim=4, layers=2, batch=1000, reg=0.5, seed=1, options={"contrast": 0.0})
    trainer = Trainer(settings, graph, CPU)
    samples = draw_samples(graph, "bpr", 1000, 1, 1)
    users, items = (torch.from_numpy(z).double() for z in trainer.embeddings())
    ego = torch.from_numpy(trainer.state().params["embedding"]).double()
    operator = sum(torch.linalg.matrix_power(dense(graph), k) for k in range(3)) / 3
    assert torch.cat([users, items]).numpy() == pytest.approx((operator @ ego).numpy(), abs=1e-5)
    user, item, negative = samples.user, samples.item, samples.negative
    apart = (users[user] * (items[item] - items[negative])).sum(1)
    rows = (user, item + 12, negative + 12)
    wanted = F.softplus(-apart).sum() + 0.5 * sum(ego[r].norm() for r in rows) / len(samples)
    assert trainer.train(samples) == pytest.approx(wanted.item(), rel=1e-5)

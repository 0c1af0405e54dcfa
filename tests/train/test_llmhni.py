"""LLMHNI's losses against dense double precision, the values known in closed form, and where gradients go."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from test_contrast import definition
from toys import CPU, dense, graph_of, pairs, params_of, points, random_graph

from llmhd_tools.train import backbones
from llmhd_tools.train.config import Config
from llmhd_tools.train.denoisers import build
from llmhd_tools.train.ops.contrast import counted

LAYERS = 2


def two_graphs():
    """G and G', which lacks some pairs of G and has some others."""
    graph = random_graph(12, 9, seed=2)
    return graph, graph.without(graph.user[::4], graph.item[::4]).plus(
        np.array([0, 5], np.int32), np.array([8, 8], np.int32)
    )


def made(graph, edges, backbone="lightgcn", **options):
    config = Config(denoise="llmhni", backbone=backbone, dim=4, layers=LAYERS, seed=1, options=options)
    model = backbones.build(config, edges, CPU)
    return build(config, graph, CPU, edges), model, params_of(model)


def term(method, model, params, batch):
    return method.extra(model, params, batch, model.forward(params, batch))


def propagated(matrix, table):
    layers = [table]
    for _ in range(LAYERS):
        layers.append(matrix @ layers[-1])
    return sum(layers) / (LAYERS + 1)


def wanted_term(one, other, batch, temperature, users):
    """Σ over users and over items of InfoNCE among the batch's nodes, from two tables of z."""
    total = 0.0
    for side in batch.positives():
        nodes, count = counted(side)
        total = total + definition(one[nodes], other[nodes], torch.arange(len(nodes)), count.double(), temperature)
    return total / batch.positives().shape[1]


@pytest.mark.parametrize("turn", [0, 1, 2])
@pytest.mark.parametrize("bce", [False, True])
def test_each_turn_is_its_term_at_the_weight_of_all_and_its_gradient_is_the_definitions(turn, bce):
    graph, edges = two_graphs()
    method, model, params = made(
        graph,
        edges,
        cross_weight=0.3,
        dropped_weight=0.7,
        cross_temperature=0.4,
        dropped_temperature=0.3,
        edge_drop=0.3,
        every=2,
    )
    method.start_epoch(1)
    batch = points([1, 1, 1, 0, 0], graph=edges) if bce else pairs(edges, 11)
    batch = dataclasses.replace(batch, step=2 * (turn + 3))
    found = term(method, model, params, batch)
    found.backward()
    table = params["embedding"].detach().double().requires_grad_()
    if turn == 2:
        wanted = 0.3 * wanted_term(propagated(dense(graph), table), propagated(dense(edges), table), batch, 0.4, 12)
    else:
        views = [propagated(view.matrix.to_dense().double(), table) for view in method.views[turn]]
        wanted = 0.35 * wanted_term(*views, batch, 0.3, 12)
    (6 * wanted).backward()
    assert found.item() == pytest.approx(6 * wanted.item(), rel=1e-5)
    scale = table.grad.abs().max().item()
    assert params["embedding"].grad.numpy() == pytest.approx(table.grad.numpy(), abs=1e-5 * scale)


def test_the_terms_of_one_round_add_up_to_the_loss():
    graph, edges = two_graphs()
    method, model, params = made(graph, edges, cross_weight=0.3, dropped_weight=0.7, every=2)
    method.start_epoch(1)
    batches = [dataclasses.replace(pairs(edges, 11), step=step) for step in range(12)]
    assert all(term(method, model, params, batch) is None for batch in batches[1::2])
    batches = batches[::2]
    found = [term(method, model, params, batch).item() for batch in batches]
    assert found[:3] == found[3:] and len(set(found)) == 3
    alone = {}
    for name, cross, dropped, turns in (("cross", 0.3, 0.0, 1), ("dropped", 0.0, 0.7, 2)):
        one, model, params = made(graph, edges, cross_weight=cross, dropped_weight=dropped, every=2)
        one.start_epoch(1)
        alone[name] = sum(term(one, model, params, batch).item() for batch in batches[:turns]) / turns
    assert sum(found[:3]) / 3 == pytest.approx(alone["cross"] + alone["dropped"], rel=1e-5)


def test_views_hold_the_share_of_edges_that_is_asked_for_and_change_with_the_epoch():
    graph, edges = two_graphs()
    method, *_ = made(graph, edges, edge_drop=0.25)
    drawn = []
    for epoch in (1, 2, 1):
        method.start_epoch(epoch)
        assert len(method.views) == 2
        for views, whole in zip(method.views, (edges, graph), strict=True):
            for view in views:
                kept = view.matrix.to_dense() > 0
                assert kept.sum() == 2 * math.floor(0.75 * len(whole)) and not (kept & (dense(whole) == 0)).any()
        drawn.append([view.matrix.to_dense() for views in method.views for view in views])
    assert all(torch.equal(a, b) for a, b in zip(drawn[0], drawn[2], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(drawn[0], drawn[1], strict=True))
    assert not torch.equal(drawn[0][0], drawn[0][1])


def test_the_same_graph_twice_has_no_cross_term():
    graph, _ = two_graphs()
    method, model, params = made(graph, graph, dropped_weight=0)
    method.start_epoch(1)
    assert term(method, model, params, pairs(graph, 5)) is None
    method, model, params = made(graph, graph)
    method.start_epoch(1)
    assert len(method.views) == 1 and term(method, model, params, pairs(graph, 5)).item() > 0


@pytest.mark.parametrize(("temperature", "wanted"), [(0.5, 0.126928), (0.2, 0.006715)])
def test_two_nodes_at_right_angles_and_nodes_all_alike(temperature, wanted):
    graph = graph_of([0, 1], [0, 1], 2, 2)  # two pairs apart from each other
    method, model, _ = made(graph, graph, dropped_weight=1.0, dropped_temperature=temperature, edge_drop=0, every=1)
    method.start_epoch(1)
    eye = torch.cat([torch.eye(2, 4)] * 2)
    found = term(method, model, {"embedding": eye.requires_grad_()}, pairs(graph, 2))
    assert found.item() == pytest.approx(2 * wanted, abs=1e-5)  # users and items
    alike = torch.ones(4, 4).requires_grad_()
    found = term(method, model, {"embedding": alike}, pairs(graph, 2))
    assert found.item() == pytest.approx(2 * math.log(2), abs=1e-6)


def test_gradients_reach_only_nodes_within_reach_of_the_batch():
    graph = graph_of(
        [0, 0, 1, 2, 3], [0, 1, 1, 2, 2], 4, 3
    )  # users 0 and 1 with items 0 and 1; users 2 and 3 with item 2
    method, model, params = made(graph, graph, dropped_weight=1.0, edge_drop=0)
    method.start_epoch(1)
    batch = pairs(graph, 3)
    batch = dataclasses.replace(
        batch, nodes=torch.cat([batch.nodes[:2], batch.nodes[1:2] * 0 + 4 + 2])
    )  # negative: item 2
    term(method, model, params, batch).backward()
    moved = params["embedding"].grad.abs().sum(1) > 0
    assert moved.tolist() == [True, True, False, False, True, True, False]  # the negative is no anchor


@pytest.mark.parametrize("backbone", ["lightgcn", "ngcf", "sgl", "ncl"])
def test_it_goes_with_every_backbone(backbone):
    graph, edges = two_graphs()
    options = {"cross_weight": 1.0, "dropped_weight": 1.0, "every": 1, **({"clusters": 3} if backbone == "ncl" else {})}
    method, model, params = made(graph, edges, backbone, **options)
    for step in range(3):
        model.start_epoch(params, 1, edges)
        method.start_epoch(1)
        found = term(method, model, params, dataclasses.replace(pairs(edges, 9), step=step))
        (gradient,) = torch.autograd.grad(found, [params["embedding"]])
        assert found.item() > 0 and gradient.isfinite().all() and gradient.abs().sum() > 0


def test_its_terms_are_sums_where_the_backbones_losses_are():
    graph, edges = two_graphs()
    found = []
    for backbone in ("lightgcn", "sgl"):
        method, model, params = made(graph, edges, backbone, contrast=0)
        model.start_epoch(params, 1, edges)
        method.start_epoch(1)
        found.append(term(method, model, params, pairs(edges, 9)).item())
    assert found[1] == pytest.approx(9 * found[0], rel=1e-5)

"""NCL: k-means, the two contrasts against their definitions, the warm-up (card §2.4)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_contrast import definition
from toys import CPU, dense, pairs, params_of, random_graph

from llmhd_tools.train.backbones import build
from llmhd_tools.train.config import Config
from llmhd_tools.train.methods import resolve
from llmhd_tools.train.ops import kmeans as module
from llmhd_tools.train.ops.kmeans import kmeans, nearest


def blobs(n=300, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy((rng.normal(size=(n, 3)) + 8 * rng.integers(3, size=(n, 1))).astype(np.float32))


def inertia(points, clusters, rounds):
    centres, cluster = kmeans(points, clusters, np.random.default_rng(3), rounds)
    return ((points - centres[cluster]) ** 2).sum().item()


def test_inertia_never_grows_and_beats_its_start():
    points = blobs()
    values = [inertia(points, 12, rounds) for rounds in range(12)]
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in zip(values, values[1:], strict=False))
    assert values[-1] < 0.9 * values[0]


@pytest.mark.parametrize("block", [7, 1024])
def test_each_point_is_with_its_nearest_centre(monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK", block)
    points = blobs()
    centres, cluster = kmeans(points, 12, np.random.default_rng(3))
    distance = torch.cdist(points.double(), centres.double())
    assert (distance.gather(1, cluster[:, None]).squeeze(1) <= distance.min(1).values + 1e-4).all()
    assert nearest(points, centres)[1].numpy() == pytest.approx(distance.min(1).values.numpy() ** 2, abs=1e-3)
    assert cluster.bincount(minlength=12).min() > 0


def test_the_same_seed_gives_the_same_clusters():
    one, two, other = (kmeans(blobs(), 12, np.random.default_rng(seed))[0] for seed in (3, 3, 4))
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_no_more_clusters_than_points_and_none_is_empty():
    points = torch.tensor([[0.0], [0.0], [0.0], [5.0]])
    centres, cluster = kmeans(points, 9, np.random.default_rng(0))
    assert len(centres) == 4 and cluster[3] not in cluster[:3]
    centres, cluster = kmeans(torch.zeros(5, 2), 3, np.random.default_rng(0))
    assert torch.isfinite(centres).all()


def test_an_empty_cluster_takes_the_worst_served_point():
    points = torch.tensor([[0.0], [1.0], [10.0]])
    moved = module._moved(
        points, torch.tensor([[0.0], [99.0]]), torch.tensor([0, 0, 0]), torch.tensor([0.0, 1.0, 100.0])
    )
    assert moved[1].item() == 10 and moved[0].item() == pytest.approx(11 / 3)


def model_of(graph, **options):
    options = {"temperature": 0.3, "structure": 0.2, "prototype": 0.5, "clusters": 3, "warm_up": 0} | options
    return build(Config(backbone="ncl", dim=4, layers=1, seed=1, options=options), graph, CPU)


@pytest.mark.parametrize("hops", [1, 2])
@pytest.mark.parametrize("item_weight", [0.0, 1.7])
def test_contrasts_are_the_definition(hops, item_weight):
    graph = random_graph(seed=2)
    model = model_of(graph, hops=hops, item_weight=item_weight)
    params, batch = params_of(model), pairs(graph, 10)
    model.start_epoch(params, 1, graph)
    rows = model.forward(params, batch)
    table = params["embedding"].detach().double().requires_grad_()
    far, one, wanted = torch.linalg.matrix_power(dense(graph), 2 * hops) @ table, torch.ones(10).double(), 0.0
    for side, part in enumerate((slice(0, 12), slice(12, 21))):
        nodes = batch.nodes[side]
        own, (centres, cluster) = nodes - 12 * side, model.clusters[side]
        weight = 0.2 * (1.0, item_weight)[side]
        wanted = wanted + weight * definition(far[nodes], table[part], own, one, 0.3)
        wanted = wanted + 0.5 * definition(table[nodes], centres.double(), cluster[own], one, 0.3)
    assert rows.extra.item() == pytest.approx(wanted.item(), rel=1e-5)
    rows.extra.backward()
    wanted.backward()
    assert params["embedding"].grad.numpy() == pytest.approx(table.grad.numpy(), abs=2e-5)
    z = (table + dense(graph) @ table) / 2  # one layer in z although two or four are computed
    assert rows.final.detach().numpy() == pytest.approx(z[batch.nodes.reshape(-1)].detach().numpy(), abs=1e-6)
    assert model.final(params).numpy() == pytest.approx(z.detach().numpy(), abs=1e-6)


def test_one_cluster_tells_nothing():
    graph = random_graph()
    model = model_of(graph, structure=0.0, clusters=1)
    params = params_of(model)
    model.start_epoch(params, 1, graph)
    assert model.forward(params, pairs(graph, 10)).extra.item() == pytest.approx(0, abs=1e-5)


def test_each_node_its_own_orthonormal_cluster_is_plain_infonce():
    graph = random_graph(4, 4, share=0.7)
    model = model_of(graph, structure=0.0, prototype=1.0, clusters=4)
    params = {"embedding": torch.eye(4).repeat(2, 1)}
    model.start_epoch(params, 1, graph)
    batch, eye = pairs(graph, 6), torch.eye(4)
    wanted = sum(
        definition(eye[nodes], eye, nodes, torch.ones(6), 0.3) for nodes in (batch.nodes[0], batch.nodes[1] - 4)
    )
    assert model.forward(params, batch).extra.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_clusters_wait_for_the_warm_up_and_belong_to_the_epoch():
    graph = random_graph()
    model = model_of(graph, warm_up=20, structure=0.0)
    params, batch = params_of(model), pairs(graph, 10)
    model.start_epoch(params, 20, graph)
    assert model.forward(params, batch).extra.item() == 0
    kept = []
    for _ in range(2):
        model.start_epoch(params, 21, graph)
        kept.append([t for side in model.clusters for t in side])
    assert model.forward(params, batch).extra.item() > 0
    assert all(torch.equal(a, b) for a, b in zip(*kept, strict=True))


def test_its_own_default_of_the_regulariser():
    assert resolve({"backbone": "ncl"}).reg == 1e-4 and resolve({"backbone": "ncl", "reg": 0.5}).reg == 0.5
    assert resolve({"backbone": "sgl"}).reg == 1e-5

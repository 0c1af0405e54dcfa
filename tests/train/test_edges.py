"""Edges that leave the graph: what the backbone propagates on, apart from what was observed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import CPU, dense, pairs, params_of, random_graph

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import draw_samples
from llmhd_tools.registry import BACKBONES, DENOISERS
from llmhd_tools.train import backbones, denoisers
from llmhd_tools.train.methods import load, resolve
from llmhd_tools.train.trainer import Trainer

GRAPH = random_graph(24, 18, seed=4)
CUT = np.arange(len(GRAPH)) % 5 == 2
EDGES = GRAPH.without(GRAPH.user[CUT], GRAPH.item[CUT])
TEXTS = np.random.default_rng(7).normal(size=(18, 3)).astype(np.float32)
OLD_SAMPLES = [("bpr", denoise) for denoise in DENOISERS if denoise != "dcf"] + [("bce", "dcf"), ("bce", "t-ce")]
OLD_METHODS = [
    (backbone, loss, denoise)
    for backbone in BACKBONES
    for loss, denoise in OLD_SAMPLES
    if load("backbone", backbone).ids or not load("denoise", denoise).ids
]


def config(backbone="lightgcn", denoise="none", loss="bpr"):
    chosen = {"backbone": backbone, "denoise": denoise, "loss": loss, "dim": 8, "layers": 2, "batch": 32, "seed": 1}
    steps = ["ramp=30000"] if denoise in ("t-ce", "dcf") else []  # epochs would be fewer steps of fewer edges
    return resolve(chosen | load("backbone", backbone).defaults, steps)


def trainer_of(settings, graph, *more, **named):
    return Trainer(settings, graph, CPU, *more, **named, vectors=TEXTS)


def samples(settings, epoch, positives=None):
    return draw_samples(GRAPH, settings.loss, settings.batch, settings.seed, epoch, positives)


def same(first, second):
    """Whether two states are bit for bit the same."""
    groups = ((s.params, s.first, s.second, s.denoiser, {"epoch": s.epoch, "step": s.step}) for s in (first, second))
    return all(
        one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)
        for one, two in zip(*groups, strict=True)
    )


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("denoise", ["none", "t-ce", "r-ce"])
def test_pairs_without_edge_have_no_influence(backbone, denoise):
    """Training on the edges left is training on a graph that never had the others, given the same samples."""
    settings = config(backbone, denoise)
    ours, theirs = trainer_of(settings, GRAPH, edges=EDGES), trainer_of(settings, EDGES)
    for epoch in (1, 2):
        drawn = samples(settings, epoch, EDGES)
        assert ours.train(drawn) == theirs.train(drawn)
    assert same(ours.state(), theirs.state())
    assert all(np.array_equal(a, b) for a, b in zip(ours.embeddings(), theirs.embeddings(), strict=True))
    whole = trainer_of(settings, GRAPH)
    for epoch in (1, 2):
        whole.train(samples(settings, epoch, EDGES))
    assert same(whole.state(), theirs.state()) == (backbone == "mf")  # which has no graph


def test_embeddings_and_gradients_are_those_of_the_edges_left_in_double_precision():
    settings = config()
    trainer = Trainer(settings, GRAPH, CPU, edges=EDGES)
    ego = torch.from_numpy(trainer.state().params["embedding"]).double().requires_grad_()
    matrix = dense(EDGES)
    z = (ego + matrix @ ego + matrix @ matrix @ ego) / 3
    assert np.concatenate(trainer.embeddings()) == pytest.approx(z.detach().numpy(), abs=1e-6)
    batch = pairs(EDGES, 20)
    user, item, negative = (z[nodes] for nodes in batch.nodes)
    torch.nn.functional.softplus((user * negative - user * item).sum(1)).mean().backward()
    rows = trainer.backbone.forward(trainer.params, batch)
    user, item, negative = rows.final.split(20)
    torch.nn.functional.softplus((user * negative - user * item).sum(1)).mean().backward()
    assert trainer.params["embedding"].grad.numpy() == pytest.approx(ego.grad.numpy(), abs=1e-6)


@pytest.mark.parametrize(("backbone", "loss", "denoise"), OLD_METHODS)
def test_edges_may_change_between_epochs_and_come_back(backbone, loss, denoise):
    """A trainer made anew from the state goes on bit for bit where the edges are the same, and elsewhere only then."""
    settings = config(backbone, denoise, loss)
    unbroken, broken = trainer_of(settings, GRAPH), trainer_of(settings, GRAPH)
    for epoch, edges in ((1, GRAPH), (2, EDGES), (3, GRAPH)):
        unbroken = trainer_of(settings, GRAPH, unbroken.state(), edges)
        unbroken.train(samples(settings, epoch))
        broken = trainer_of(settings, GRAPH, broken.state())
        broken.train(samples(settings, epoch))
        assert same(unbroken.state(), broken.state()) == (epoch == 1 or (backbone == "mf" and denoise != "llmhni"))
    again = trainer_of(settings, GRAPH, unbroken.state(), Graph(24, 18, GRAPH.user, GRAPH.item))
    assert all(np.array_equal(a, b) for a, b in zip(again.embeddings(), unbroken.embeddings(), strict=True))


def test_rgcf_weighs_the_edges_left_and_adds_no_observed_pair():
    settings = config(denoise="rgcf")
    method = denoisers.build(settings, GRAPH, CPU, EDGES)
    params = params_of(backbones.build(settings, EDGES, CPU))
    alone = denoisers.build(settings, EDGES, CPU)
    assert torch.equal(method.operator(params).values, alone.operator(params).values)
    rng = np.random.default_rng(1)
    user, item = method._unseen(rng)
    assert len(user) and not GRAPH.has(user, item).any()


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_dropped_pairs_are_not_drawn_and_are_no_negatives(loss):
    settings = config(loss=loss)
    for epoch in range(1, 6):
        drawn = samples(settings, epoch, EDGES)
        positive = np.ones(len(drawn), bool) if drawn.label is None else drawn.label == 1
        found = Graph.of(drawn.user[positive], drawn.item[positive], 24, 18)
        assert np.array_equal(found.keys, EDGES.keys) and positive.sum() == len(EDGES)
        negative = drawn.negative if drawn.label is None else drawn.item[~positive]
        of = drawn.user if drawn.label is None else drawn.user[~positive]
        assert not GRAPH.has(of, negative).any()
    whole = samples(settings, 1)
    assert np.array_equal(whole.item, samples(settings, 1, GRAPH).item)


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_samples_without_some_rows_keep_the_order_and_close_gaps_between_batches(loss):
    drawn = samples(config(loss=loss), 1)
    rows = (drawn.batch != 1) & (np.arange(len(drawn)) % 3 > 0)
    left = drawn.take(rows)
    assert left.bounds().tolist() == [
        0,
        *np.cumsum([(rows & (drawn.batch == b)).sum() for b in (0, *range(2, drawn.batch[-1] + 1))]),
    ]
    for name in ("user", "item", "negative", "label"):
        column = getattr(drawn, name)
        assert (getattr(left, name) is None) if column is None else np.array_equal(getattr(left, name), column[rows])

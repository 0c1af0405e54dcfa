"""Softmax loss: value and gradient against float64 autograd over the definition; a whole step by brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toys import CPU, dense, random_graph

from llmhd_tools.core.sampling import draw_samples
from llmhd_tools.errors import UsageError
from llmhd_tools.train import objectives
from llmhd_tools.train.batch import Batch
from llmhd_tools.train.config import Config
from llmhd_tools.train.methods import resolve
from llmhd_tools.train.ops.softmax import _BLOCK
from llmhd_tools.train.ops.threads import use_threads
from llmhd_tools.train.trainer import Trainer


def definition(graph, user_z, item_z, user, item, temperature, popularity=0.0):
    """Losses (b,) of pairs of codes, in the tables' precision: candidate by candidate, from the definition."""
    share = np.bincount(graph.item, minlength=graph.n_items) / len(graph)
    losses = []
    for u, i in zip(user.tolist(), item.tolist(), strict=True):
        others = [j for j in np.unique(item).tolist() if j == i or not graph.has(np.array([u]), np.array([j]))[0]]
        likeness = torch.nn.functional.cosine_similarity(user_z[u][None], item_z[others])
        logits = likeness / temperature - popularity * torch.from_numpy(np.log(share[others])).to(likeness.dtype)
        losses.append(torch.logsumexp(logits, 0) - logits[others.index(i)])
    return torch.stack(losses)


def a_batch(graph, size, seed=0):
    """Pairs of the graph, drawn with repeats: users and items that stand there twice."""
    rows = np.random.default_rng(seed).integers(len(graph), size=size)
    nodes = torch.from_numpy(np.stack([graph.user[rows], graph.item[rows] + graph.n_users]).astype(np.int64))
    return Batch(nodes, torch.ones(size), 0)


@pytest.mark.parametrize("size", [1, 7, _BLOCK, 3 * _BLOCK + 5])
@pytest.mark.parametrize("popularity", [0.0, 0.4])
def test_loss_and_gradient_are_those_of_the_definition(size, popularity):
    graph = random_graph(40, 30, seed=size, share=0.2)
    options = {"softmax_temperature": 0.2, "popularity": popularity}
    objective = objectives.build(Config(loss="softmax", options=options), graph, CPU)
    batch, rng = a_batch(graph, size, seed=size), np.random.default_rng(1)
    z = torch.tensor(rng.normal(size=(70, 6)), requires_grad=True)
    user, item = batch.nodes[0].numpy(), batch.nodes[1].numpy() - 40
    weight = torch.from_numpy(rng.uniform(0, 2, size))
    wanted = definition(graph, z[:40], z[40:], user, item, 0.2, popularity)
    (wanted * weight).sum().backward()
    table = z.detach().float().requires_grad_()
    logit, losses = objective.score(table[batch.nodes.reshape(-1)], batch)
    (losses * weight.float()).sum().backward()
    assert losses.detach().numpy() == pytest.approx(wanted.detach().numpy(), rel=1e-5, abs=1e-6)
    assert table.grad.numpy() == pytest.approx(z.grad.numpy(), rel=1e-4, abs=2e-5)
    cosine = torch.nn.functional.cosine_similarity(z[user], z[40 + item]) / 0.2
    assert logit.numpy() == pytest.approx(cosine.detach().numpy(), rel=1e-5, abs=1e-6)


def test_the_users_other_items_are_no_negatives():
    graph = random_graph(40, 30, share=0.2)
    objective = objectives.build(Config(loss="softmax"), graph, CPU)
    user = np.bincount(graph.user).argmax()
    own = graph.item[graph.user == user].astype(np.int64)
    nodes = torch.from_numpy(np.stack([np.full(len(own), user), own + 40]))
    rows = torch.randn(2 * len(own), 4, generator=torch.Generator().manual_seed(0))
    losses = objective.score(rows, Batch(nodes, torch.ones(len(own)), 0))[1]
    assert losses.numpy() == pytest.approx(0, abs=1e-5)  # each is alone with itself


@pytest.mark.parametrize("backbone", ["lightgcn", "mf"])
def test_a_step_is_adams_on_the_gradient_by_brute_force(backbone):
    graph = random_graph(25, 18, seed=3)
    layers = {"lightgcn": 2, "mf": 0}[backbone]
    config = resolve(
        {"backbone": backbone, "loss": "softmax", "dim": 5, "batch": 64, "lr": 0.01, "reg": 0.1, "layers": layers}
    )
    trainer = Trainer(config, graph, CPU)
    start = trainer.state().params["embedding"]
    samples = draw_samples(graph, "softmax", 64, 0, 1).part(0, 64)
    assert samples.negative is None and (samples.label == 1).all()
    found = trainer.losses(samples)
    ego = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    operator = sum(torch.linalg.matrix_power(dense(graph), k) for k in range(layers + 1)) / (layers + 1)
    z = operator @ ego
    each = definition(graph, z[:25], z[25:], samples.user, samples.item, 0.15)
    assert found == pytest.approx(each.detach().numpy(), rel=1e-4)
    reg = sum(ego[torch.from_numpy(rows).long()].norm() for rows in (samples.user, samples.item + 25)) / 64
    loss = each.mean() + 0.1 * reg
    loss.backward()
    assert trainer.train(samples) == pytest.approx(loss.item(), rel=1e-5)
    first = trainer.state().first["embedding"]
    assert first == pytest.approx(0.1 * ego.grad.numpy(), rel=1e-3, abs=1e-7)
    moved = ego.grad.abs() > 1e-5
    step = trainer.state().params["embedding"] - start
    assert step[moved] == pytest.approx(-0.01 * torch.sign(ego.grad)[moved].numpy(), rel=1e-3)


def test_an_epoch_is_every_pair_once_and_no_negative():
    graph = random_graph(25, 18, seed=3)
    samples = draw_samples(graph, "softmax", 50, 4, 2)
    assert sorted(zip(samples.user, samples.item, strict=True)) == sorted(zip(graph.user, graph.item, strict=True))
    assert np.diff(samples.bounds()).tolist() == [50] * (len(graph) // 50) + [len(graph) % 50] * (len(graph) % 50 > 0)


def test_the_same_bytes_whatever_the_threads():
    graph, states = random_graph(60, 50, seed=1), []
    for threads in (1, 2):
        use_threads(threads)
        trainer = Trainer(resolve({"loss": "softmax", "dim": 8, "batch": 400, "lr": 0.01}), graph, CPU)
        for epoch in (1, 2):
            trainer.train(draw_samples(graph, "softmax", 400, 0, epoch))
        states.append(trainer.state().params["embedding"].tobytes())
    use_threads(1)
    assert states[0] == states[1]


@pytest.mark.parametrize(("chosen", "told"), [
    ({"negatives": "dynamic"}, "`negatives` dynamic has no part in `loss` softmax"),
    ({"denoise": "dcf"}, "`denoise` dcf is not defined for `loss` softmax"),
])  # fmt: skip
def test_what_does_not_go_together(chosen, told):
    with pytest.raises(UsageError, match=told):
        resolve({"loss": "softmax", **chosen})

"""On a GPU: the captured step is the plain one, every method trains as on the CPU, and ranking and fits agree with it.

Skipped where torch finds no CUDA device. Sums are added up in no fixed order there, so values agree within rounding.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from toys import CPU, random_graph

from llmhd_tools.core import linear, metrics
from llmhd_tools.core.metrics import ByUser
from llmhd_tools.core.rankers import Dot
from llmhd_tools.core.sampling import draw_samples
from llmhd_tools.registry import BACKBONES, DENOISERS, OBJECTIVES
from llmhd_tools.train import ranking
from llmhd_tools.train.methods import load, resolve
from llmhd_tools.train.ops import linear as on_device
from llmhd_tools.train.ops.captured import StaticStep
from llmhd_tools.train.trainer import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")

GPU = torch.device("cuda")
BATCH = 64


def vectors(graph):
    return np.random.default_rng(3).normal(size=(graph.n_items, 12)).astype(np.float32)


def trained(config, device, capture=True, keep=False):
    """Two epochs with a short last batch: losses, embeddings of users and items, and the trainer."""
    graph = random_graph(40, 30)
    texts = vectors(graph) if getattr(load("backbone", config.backbone), "texts", False) else None
    trainer = Trainer(config, graph, device, vectors=texts)
    if not capture:
        trainer._stepper = lambda size: trainer._one_step
    found = []
    for epoch in (1, 2):
        samples = draw_samples(graph, config.loss, BATCH, 1, epoch)
        rows = np.random.default_rng(epoch).random(len(samples)) < 0.7 if keep else None
        found.append(trainer.train(samples, rows))
    return np.array(found), np.concatenate(trainer.embeddings()), trainer


def same(ours, theirs, within):
    np.testing.assert_allclose(ours[0], theirs[0], rtol=within)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=0, atol=within * np.abs(theirs[1]).max())


@pytest.mark.parametrize("loss", ["bpr", "bce"])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("backbone", ["lightgcn", "mf", "alpharec"])
def test_a_captured_step_is_the_plain_step(backbone, loss, keep):
    config = resolve({"backbone": backbone, "loss": loss, "dim": 8, "batch": BATCH, "seed": 1}, [])
    captured = trained(config, GPU, keep=keep)
    assert isinstance(captured[2]._captured, StaticStep)
    assert any(buffers.graph is not None for buffers in captured[2]._captured._made.values())
    same(captured, trained(config, GPU, capture=False, keep=keep), 1e-3)
    same(captured, trained(config, CPU, keep=keep), 1e-3)


CHOICES = [("backbone", name) for name in BACKBONES] + [("loss", name) for name in OBJECTIVES]
CHOICES += [("denoise", name) for name in DENOISERS if name != "llmhni"]  # which wants pairs that a model related


@pytest.mark.parametrize(("kind", "name"), CHOICES)
def test_every_method_trains_as_on_the_cpu(kind, name):
    chosen = {"dim": 8, "batch": BATCH, "seed": 1, kind: name}
    if kind == "denoise" and name != "none":
        chosen["loss"] = next(iter(set(OBJECTIVES) - set(getattr(load(kind, name), "undefined", {})) - {"softmax"}))
    config = resolve(chosen, [])
    same(trained(config, GPU), trained(config, CPU), 5e-3)


def test_a_plain_step_never_waits_for_the_device():
    graph = random_graph(40, 30)
    trainer = Trainer(resolve({"dim": 8, "batch": BATCH, "seed": 1}, []), graph, GPU)
    trainer.train(draw_samples(graph, "bpr", BATCH, 1, 1))
    samples = draw_samples(graph, "bpr", BATCH, 1, 2)
    batch = trainer._nodes(samples)[:, :BATCH]
    from llmhd_tools.train.batch import Batch

    torch.cuda.set_sync_debug_mode("error")
    try:
        loss = trainer._one_step(Batch(batch, None, trainer.step), None)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert loss.is_cuda and bool(loss.isfinite())


def test_ranking_on_the_device_gives_numpys_hits():
    rng = np.random.default_rng(5)
    users, items = rng.normal(size=(90, 16)).astype(np.float32), rng.normal(size=(700, 16)).astype(np.float32)

    def pairs(count):
        return ByUser.of(
            rng.integers(90, size=count).astype(np.int32), rng.integers(700, size=count).astype(np.int32), 90
        )

    test, hidden = pairs(300), [pairs(3000)]
    ours = ranking.hits_at(Dot(users, items), test, hidden, 20, GPU)
    theirs = metrics.hits_at(Dot(users, items), test, hidden, 20)
    for one, other in zip(ours, theirs, strict=True):
        assert (one == other).all()


def test_ease_and_l3ae_on_the_device_are_those_of_the_cpu():
    rng = np.random.default_rng(6)
    x = sp.csr_array((rng.random((300, 80)) < 0.1).astype(np.float32))
    t = sp.csr_array(rng.random((80, 25)).astype(np.float32))
    np.testing.assert_allclose(on_device.ease(x, 20.0, GPU), linear.ease(x, 20.0), atol=1e-4)
    np.testing.assert_allclose(on_device.l3ae(x, t, 1.0, 30.0, 5.0, GPU), linear.l3ae(x, t, 1.0, 30.0, 5.0), atol=1e-4)

"""A judge in the step: asked once for each batch about the losses of that very step; the same as a mask given before."""

from __future__ import annotations

import numpy as np
import pytest
from toys import CPU, random_graph

from llmhd_tools.core.sampling import draw_samples
from llmhd_tools.train.config import Config
from llmhd_tools.train.methods import resolve
from llmhd_tools.train.ops.threads import use_threads
from llmhd_tools.train.trainer import Trainer

BACKBONES = ("lightgcn", "ngcf", "sgl", "ncl")


@pytest.fixture(autouse=True)
def _threads():
    use_threads(1)


def settings(backbone, loss, **given) -> Config:
    chosen = {"dim": 4, "layers": 2, "batch": 16, "lr": 0.05, "seed": 1, "loss": loss, "backbone": backbone}
    return resolve({**chosen, **given}, ["clusters=3", "warm-up=0"] if backbone == "ncl" else [])


@pytest.mark.parametrize("loss", ["bpr", "bce"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_judge_that_answers_with_a_mask_is_that_mask(backbone, loss):
    graph, config = random_graph(), settings(backbone, loss)
    samples = draw_samples(graph, loss, config.batch, config.seed, 1)
    mask, bounds = np.random.default_rng(2).random(len(samples)) < 0.6, samples.bounds()
    masked, judged = Trainer(config, graph, CPU), Trainer(config, graph, CPU)
    asked = []

    def judge(number, losses):
        asked.append(number)
        assert losses.shape == (bounds[number + 1] - bounds[number],) and losses.dtype == np.float32
        return mask[bounds[number] : bounds[number + 1]]

    assert masked.train(samples, mask) == judged.train(samples, judge)
    assert asked == list(range(len(bounds) - 1))
    one, other = masked.state(), judged.state()
    assert all(one.params[name].tobytes() == other.params[name].tobytes() for name in one.params)


@pytest.mark.parametrize("loss", ["bpr", "bce"])
@pytest.mark.parametrize("backbone", ["lightgcn", "ngcf"])
def test_the_losses_are_those_of_the_step_itself(backbone, loss):
    """With the regulariser off their mean is the batch's loss; that of NGCF has its dropout in it."""
    graph, config = random_graph(), settings(backbone, loss, reg=0.0)
    samples = draw_samples(graph, loss, config.batch, config.seed, 1)
    trainer, seen = Trainer(config, graph, CPU), []
    at_first = trainer.losses(samples)[: samples.bounds()[1]]

    def judge(number, losses):
        seen.append(losses)
        return np.ones(len(losses), dtype=bool)

    assert trainer.train(samples, judge) == pytest.approx(np.mean([losses.mean() for losses in seen]), rel=1e-5)
    assert np.allclose(seen[0], at_first, rtol=1e-5) == (backbone == "lightgcn")

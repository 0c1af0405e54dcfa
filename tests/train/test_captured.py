"""What a GPU would capture, run on a CPU: the step over buffers that stay in place is the plain step, bit for bit."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from toys import CPU, random_graph

from llmhd_tools.core.sampling import draw_samples
from llmhd_tools.registry import BACKBONES, DENOISERS, OBJECTIVES
from llmhd_tools.train.config import Config
from llmhd_tools.train.methods import load
from llmhd_tools.train.ops.captured import Buffers, StaticStep
from llmhd_tools.train.trainer import Trainer


def trained(loss, keep, static):
    """Two epochs, with a last batch that is short, plain or over buffers: losses, state, and the sizes stepped."""
    graph, settings = random_graph(40, 30), Config(loss=loss, dim=8, layers=2, batch=64, seed=1)
    trainer, sizes = Trainer(settings, graph, CPU), []

    class Counted(Buffers):
        def run(self):
            sizes.append(len(self.batch))
            assert self.batch.nodes.data_ptr() == places.setdefault("nodes", self.batch.nodes.data_ptr())
            return super().run()

    places = {}
    found = []
    for epoch in (1, 2):
        samples = draw_samples(graph, loss, 64, 1, epoch)
        assert np.diff(samples.bounds())[-1] < 64
        if static and epoch == 1:
            step = StaticStep(trainer._one_step, 64, Counted)
            trainer._stepper = lambda size, step=step: step
        rows = np.random.default_rng(epoch).random(len(samples)) < 0.7 if keep else None
        found.append(trainer.train(samples, rows))
    return found, trainer.state(), sizes


@pytest.mark.parametrize("loss", ["bpr", "bce"])
@pytest.mark.parametrize("keep", [False, True])
def test_the_step_over_buffers_is_the_plain_step(loss, keep):
    plain, buffered = trained(loss, keep, False), trained(loss, keep, True)
    assert plain[0] == buffered[0]
    for group in ("params", "first", "second"):
        ours, theirs = (getattr(state, group)["embedding"].tobytes() for state in (plain[1], buffered[1]))
        assert ours == theirs
    assert len(buffered[2]) > 4 and set(buffered[2]) == {64}  # all but the short ones


def test_batches_with_and_without_weights_have_buffers_of_their_own():
    graph, settings = random_graph(40, 30), Config(dim=8, layers=2, batch=64, seed=1)
    samples = draw_samples(graph, "bpr", 64, 1, 1)
    states = []
    for static in (False, True):
        trainer = Trainer(settings, graph, CPU)
        if static:
            step = StaticStep(trainer._one_step, 64, Buffers)
            trainer._stepper = lambda size, step=step: step
        for keep in (None, samples.user % 2 == 0, None):
            trainer.train(samples, keep)
        states.append(trainer.state().params["embedding"].tobytes())
    assert states[0] == states[1]


def test_a_cpu_steps_plainly():
    trainer = Trainer(Config(dim=4, layers=1), random_graph(), CPU)
    assert trainer._stepper(10) == trainer._one_step


def test_what_calls_itself_static_neither_counts_distinct_values_nor_reads_the_step():
    kinds = {"backbone": BACKBONES, "loss": OBJECTIVES, "denoise": DENOISERS}
    static = [(kind, name) for kind, names in kinds.items() for name in names if load(kind, name).static]
    assert {name for _, name in static} == {"lightgcn", "mf", "alpharec", "bpr", "bce", "none"}
    for kind, name in static:
        source = inspect.getsource(inspect.getmodule(load(kind, name)))
        assert not any(word in source for word in ("batch.step", "unique", "counted", ".item()", "nonzero", ".cpu("))

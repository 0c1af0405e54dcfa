"""A step as one captured CUDA graph over buffers that stay in place: a launch a step, not one a kernel.

What is captured must not read the host's numbers (``Batch.step``), wait for the
device, or make tensors whose shapes depend on values; methods say so by ``static``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from llmhd_tools.train.batch import Batch

Step = Callable[[Batch, Tensor | None], Tensor]  # a batch and its samples' weights (b,) or None -> the loss, a scalar

WARM_UP = 3  # steps before the capture, so that what is made once is there (torch's notes on CUDA graphs)


class Buffers:
    """A batch and its weights in memory that stays in place, and a step that reads them there."""

    def __init__(self, step: Step, batch: Batch, keep: Tensor | None) -> None:
        self.step = step
        self.batch = Batch(batch.nodes.clone(), None if batch.label is None else batch.label.clone(), batch.step)
        self.keep = None if keep is None else keep.clone()

    def fill(self, batch: Batch, keep: Tensor | None) -> None:
        """Take over another batch of the same shapes."""
        for ours, theirs in ((self.batch.nodes, batch.nodes), (self.batch.label, batch.label), (self.keep, keep)):
            if ours is not None and theirs is not None:
                ours.copy_(theirs)

    def run(self) -> Tensor:
        """The step over the buffers; this is what is captured."""
        return self.step(self.batch, self.keep)


class Recorded(Buffers):
    """Buffers whose step is run eagerly a few times, on a stream aside, then captured, then replayed.

    The first runs are steps of the training like all others, so nothing has to be put back after them.
    """

    def __init__(self, step: Step, batch: Batch, keep: Tensor | None) -> None:
        super().__init__(step, batch, keep)
        self.runs = 0
        self.graph: Any = None
        self.loss: Tensor | None = None

    def run(self) -> Tensor:
        """The step; the loss is overwritten by the next one."""
        if self.runs < WARM_UP:
            self.runs += 1
            return self._aside()
        if self.graph is None:
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.loss = super().run()
        self.graph.replay()
        assert self.loss is not None
        return self.loss

    def _aside(self) -> Tensor:
        main, stream = torch.cuda.current_stream(), torch.cuda.Stream()
        stream.wait_stream(main)
        with torch.cuda.stream(stream):
            loss = super().run()
        main.wait_stream(stream)
        loss.record_stream(main)
        return loss


class StaticStep:
    """A step over batches of one size; those of other sizes, such as the last of an epoch, run as they are."""

    def __init__(self, step: Step, size: int, buffers: type[Buffers] = Recorded) -> None:
        self.step, self.size, self.buffers = step, size, buffers
        self._made: dict[tuple[bool, bool], Buffers] = {}  # by whether there are labels, and weights

    def __call__(self, batch: Batch, keep: Tensor | None) -> Tensor:
        """The batch's loss, after the step; read it before the next one."""
        if len(batch) != self.size:
            return self.step(batch, keep)
        kind = batch.label is not None, keep is not None
        if kind not in self._made:
            self._made[kind] = self.buffers(self.step, batch, keep)
        made = self._made[kind]
        made.fill(batch, keep)
        return made.run()

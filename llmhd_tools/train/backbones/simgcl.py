"""SimGCL (Yu et al. 2022, arXiv 2112.08679; the authors' SELFRec): LightGCN without layer 0, and two noisy views of it.

To each layer of a view a vector of length ε is added, uniform and in the layer's own octant; users and items of the batch
are to be found again in the other view. Noise takes the place of SGL's thinned graphs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import UsageError
from llmhd_tools.train.backbones.lightgcn import LightGCN
from llmhd_tools.train.batch import Batch, Params, Rows
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.ops.contrast import LOW, TINY, Contrast
from llmhd_tools.train.ops.layers import Operator, Read, Shift, mean_after, only, read_layers


@dataclass(frozen=True)
class SimGCLOptions:
    """SimGCL's own settings."""

    noise: float = option(0.1, "length of the noise that is added to each layer of a view, ε", low=0)
    temperature: float = option(0.2, "temperature of the contrast, τ", low=LOW)
    contrast: float = option(0.5, "weight of the contrast, λ", low=0)


class SimGCL(LightGCN):
    """LightGCN whose batch's users and items are told apart across two noisy views."""

    Options: ClassVar[type] = SimGCLOptions
    static = False  # distinct anchors
    defaults: ClassVar[dict[str, Any]] = {"layers": 2}

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None:
        if not config.layers:
            raise UsageError(f"`backbone` {config.backbone} adds noise to layers; give `layers` 1 or more")
        super().__init__(config, graph, device)
        self.options: SimGCLOptions = config.pick(self.Options)
        self.rng = generator(config.seed, 0, "noise")
        self.mean = mean_after(config.layers)
        self.contrasts = [Contrast(self.options.temperature) for _ in range(2)]  # of users, of items

    def start_epoch(self, params: Params, epoch: int, graph: Graph) -> None:
        """Start the epoch's own noise."""
        self.rng = generator(self.config.seed, epoch, "noise")

    def forward(self, params: Params, batch: Batch, operator: Operator | None = None) -> Rows:
        """Rows without noise, and the mean contrast of each side's distinct nodes across two views."""
        nodes, anchors = batch.nodes.reshape(-1), [torch.unique(side) for side in batch.positives()]
        views = [self.shift(), self.shift()]
        reads = [Read(only(0), nodes), Read(self.mean, nodes)]
        reads += [Read(self.mean, side, view) for view in views for side in anchors]
        ego, final, *ours = self._read(params, reads, operator)
        return Rows(ego, final, self.options.contrast * self.alike(ours[:2], ours[2:]))

    def alike(self, ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
        """The sum over users and items of the mean InfoNCE between rows of two views, each against all of its side."""
        total = ours[0].new_zeros(())
        for contrast, one, other in zip(self.contrasts, ours, theirs, strict=True):
            each = torch.arange(len(one), device=one.device)
            total = total + contrast(one, other, each, one.new_ones(len(one))) / max(len(one), 1)
        return total

    def shift(self) -> Shift:
        """One view's noise: sign(layer) ⊙ ε · u / ‖u‖, u uniform in [0, 1)."""

        def of(layer: Tensor) -> Tensor:
            drawn = torch.from_numpy(self.rng.random(tuple(layer.shape), dtype=np.float32)).to(layer.device)
            size = torch.linalg.vector_norm(drawn, dim=1, keepdim=True).clamp_min_(TINY)
            return drawn.mul_(self.options.noise / size).mul_(torch.sign(layer))

        return of

    def _read(self, params: Params, reads: list[Read], operator: Operator | None) -> tuple[Tensor, ...]:
        return read_layers([operator or self.adjacency] * self.config.layers, params["embedding"], reads)

    def rows(self, params: Params, nodes: Tensor, operator: Operator | None = None) -> Tensor:
        """z of some nodes, differentiable."""
        return self._read(params, [Read(self.mean, nodes)], operator)[0]

    def tables(self, params: Params, operator: Operator | None = None) -> Tensor:
        """z of all nodes, differentiable."""
        return self._read(params, [Read(self.mean)], operator)[0]

    def final(self, params: Params, operator: Operator | None = None) -> Tensor:
        """z of all nodes, without noise."""
        with torch.no_grad():
            return SimGCL.tables(self, params, operator)

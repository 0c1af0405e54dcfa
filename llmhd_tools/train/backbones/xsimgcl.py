"""XSimGCL (Yu et al. 2023, arXiv 2209.02544; the authors' SELFRec): SimGCL in one pass.

The noisy layers that the samples are scored by are a view already; their mean is contrasted with one of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.errors import UsageError
from llmhd_tools.train.backbones.simgcl import SimGCL, SimGCLOptions
from llmhd_tools.train.batch import Batch, Params, Rows
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.ops.contrast import LOW
from llmhd_tools.train.ops.layers import Operator, Read, only


@dataclass(frozen=True)
class XSimGCLOptions(SimGCLOptions):
    """XSimGCL's own settings."""

    noise: float = option(0.2, "length of the noise that is added to each layer, ε", low=0)
    temperature: float = option(0.15, "temperature of the contrast, τ", low=LOW)
    contrast: float = option(0.2, "weight of the contrast, λ", low=0)
    layer: int = option(1, "the layer that the mean is contrasted with, l*", low=1)


class XSimGCL(SimGCL):
    """LightGCN without layer 0, trained on noisy layers, which are contrasted with their mean."""

    Options: ClassVar[type] = XSimGCLOptions
    options: XSimGCLOptions

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None:
        super().__init__(config, graph, device)
        if self.options.layer > config.layers:
            raise UsageError(f"`set` layer={self.options.layer}: there are {config.layers} layers to contrast with")

    def forward(self, params: Params, batch: Batch, operator: Operator | None = None) -> Rows:
        """Noisy rows, and the mean contrast of each side's distinct nodes with one of their layers."""
        nodes, anchors = batch.nodes.reshape(-1), [torch.unique(side) for side in batch.positives()]
        view = self.shift()
        reads = [Read(only(0), nodes, view), Read(self.mean, nodes, view)]
        reads += [Read(weights, side, view) for weights in (self.mean, only(self.options.layer)) for side in anchors]
        ego, final, *ours = self._read(params, reads, operator)
        return Rows(ego, final, self.options.contrast * self.alike(ours[:2], ours[2:]))

    def rows(self, params: Params, nodes: Tensor, operator: Operator | None = None) -> Tensor:
        """Noisy z of some nodes, differentiable."""
        return self._read(params, [Read(self.mean, nodes, self.shift())], operator)[0]

    def tables(self, params: Params, operator: Operator | None = None) -> Tensor:
        """Noisy z of all nodes, differentiable."""
        return self._read(params, [Read(self.mean, None, self.shift())], operator)[0]

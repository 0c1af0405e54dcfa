"""Backbones: one file each, and a line each in ``llmhd_tools/registry.py``. Nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from llmhd_tools.core.graph import Graph
    from llmhd_tools.train.batch import Batch, Params, Rows
    from llmhd_tools.train.config import Config
    from llmhd_tools.train.ops.layers import Operator


class Backbone(Protocol):
    """A recommender whose prediction is the dot product of final embeddings z.

    Its layer-0 table is the parameter ``embedding``, (users + items, dim), users first. ``operator`` is what it
    propagates with; None is the graph's own normalised adjacency.
    """

    Options: ClassVar[type]
    defaults: ClassVar[dict[str, Any]] = {}  # shared settings whose default differs from Config's
    reduction: ClassVar[str] = "mean"  # of the samples' losses: mean or sum
    static: ClassVar[bool] = False  # a step's shapes and kernels depend on the batch's size alone: see captured.py

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None: ...

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Fresh parameters by name, float32."""

    def start_epoch(self, params: Params, epoch: int, graph: Graph) -> None:
        """Make what belongs to one epoch, from (seed, epoch), the parameters and the edges left, and nothing else."""

    def forward(self, params: Params, batch: Batch, operator: Operator | None = None) -> Rows:
        """What the batch's loss is made of, differentiable."""

    def rows(self, params: Params, nodes: Tensor, operator: Operator | None = None) -> Tensor:
        """z of some nodes as in training, (len(nodes), width), differentiable."""

    def tables(self, params: Params, operator: Operator | None = None) -> Tensor:
        """z of all nodes as in training, (users + items, width), differentiable."""

    def final(self, params: Params, operator: Operator | None = None) -> Tensor:
        """z of all nodes to predict with, (users + items, width), without gradients."""


def build(config: Config, graph: Graph, device: torch.device) -> Backbone:
    """The backbone that ``config`` names, on ``device``. Raises UsageError for an unknown one."""
    from llmhd_tools.train.methods import load

    backbone: Backbone = load("backbone", config.backbone)(config, graph, device)
    return backbone

"""Backbones: one file each, and a line each in ``llmhd_tools/registry.py``. Nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from llmhd_tools.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from llmhd_tools.core.graph import Graph
    from llmhd_tools.train.batch import Batch, Params, Rows
    from llmhd_tools.train.config import Config
    from llmhd_tools.train.ops.layers import Operator


class Backbone(Protocol):
    """A recommender whose prediction is the dot product of final embeddings z.

    Its layer-0 table is the parameter ``embedding``, (users + items, dim), users first, unless it has no ``ids``.
    ``operator`` is what it propagates with; None is the graph's own normalised adjacency. One that looks at ``texts`` is
    made with the items' vectors (items, width) as one more argument.
    """

    Options: ClassVar[type]
    defaults: ClassVar[dict[str, Any]] = {}  # shared settings whose default differs from Config's
    reduction: ClassVar[str] = "mean"  # of the samples' losses: mean or sum
    texts: ClassVar[bool] = False  # whether it looks at text vectors of the items
    ids: ClassVar[bool] = True  # whether each user and item has parameters of its own
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


def build(config: Config, graph: Graph, device: torch.device, vectors: NDArray[np.float32] | None = None) -> Backbone:
    """The backbone that ``config`` names, on ``device``; ``vectors`` (items, width) are of the items' texts.

    Raises UsageError for an unknown one, and for one that looks at texts where there are none.
    """
    from llmhd_tools.train.methods import load

    kind = load("backbone", config.backbone)
    if kind.texts and vectors is None:
        raise UsageError(f"`backbone` {config.backbone} is made of texts; give the items' vectors with `vectors`")
    backbone: Backbone = kind(config, graph, device, vectors) if kind.texts else kind(config, graph, device)
    return backbone

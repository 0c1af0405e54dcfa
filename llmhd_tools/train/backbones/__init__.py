"""Backbones: one file each, one line each in the registry."""

from __future__ import annotations

import importlib
from typing import Protocol

import numpy as np
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.errors import UsageError
from llmhd_tools.train.config import Config

REGISTRY = {"lightgcn": "LightGCN"}


class Backbone(Protocol):
    """A recommender whose prediction is the dot product of final embeddings z."""

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Fresh parameters by name, float32."""

    def rows(self, params: dict[str, Tensor], nodes: Tensor) -> tuple[Tensor, Tensor]:
        """(regularised rows, final rows) of some nodes, each (len(nodes), dim); items are numbered behind the users."""

    def final(self, params: dict[str, Tensor]) -> Tensor:
        """z of all nodes, (users + items, dim), without gradients."""


def build(config: Config, graph: Graph, device: object) -> Backbone:
    """The backbone that ``config`` names, on ``device``. Raises UsageError for an unknown one."""
    if config.backbone not in REGISTRY:
        raise UsageError(f"--backbone {config.backbone} is unknown; known: {', '.join(REGISTRY)}")
    module = importlib.import_module(f"{__name__}.{config.backbone}")
    backbone: Backbone = getattr(module, REGISTRY[config.backbone])(config, graph, device)
    return backbone

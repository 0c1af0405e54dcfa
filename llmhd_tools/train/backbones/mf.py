"""Matrix factorisation (Rendle et al. 2009): LightGCN without a layer, so z is the table itself."""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from llmhd_tools.core.graph import Graph
from llmhd_tools.errors import UsageError
from llmhd_tools.train.backbones.lightgcn import LightGCN
from llmhd_tools.train.config import Config


class MF(LightGCN):
    """One table, users first; no graph is propagated on."""

    defaults: ClassVar[dict[str, Any]] = {"layers": 0}

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None:
        if config.layers:
            raise UsageError(f"`backbone` mf has no layers; with `layers` {config.layers} it is lightgcn")
        super().__init__(config, graph, device)

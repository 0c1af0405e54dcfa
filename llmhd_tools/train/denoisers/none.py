"""No denoising: every sample counts the same."""

from __future__ import annotations

import torch

from llmhd_tools.core.graph import Graph
from llmhd_tools.train.config import Config, NoOptions
from llmhd_tools.train.denoisers import Denoiser


class NoDenoiser(Denoiser):
    """The loss as it is."""

    Options = NoOptions
    static = True

    def __init__(self, config: Config, graph: Graph, device: torch.device, edges: Graph) -> None:
        pass

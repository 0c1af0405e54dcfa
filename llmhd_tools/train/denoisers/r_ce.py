"""R-CE, reweighted loss (Wang et al. 2021, ADT; card §3.4): what the model doubts counts less.

The weight σ(ŷ)^β of a positive, (1 - σ(ŷ))^β of a negative and, pairwise, σ(ŷ_ui - ŷ_uj)^β is exp(-β·loss) in each
case. It has no gradient, and the mean is not renormalised.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.train.batch import Batch, Weighed
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.denoisers import Denoiser


@dataclass(frozen=True)
class RCEOptions:
    """R-CE's own settings."""

    beta: float = option(0.2, "power of the weights; 0: all count the same", low=0)


class RCE(Denoiser):
    """Losses weighed by the predicted probability of their label."""

    Options = RCEOptions

    def __init__(self, config: Config, graph: Graph, device: torch.device, edges: Graph) -> None:
        self.options = config.pick(RCEOptions)

    def weigh(self, batch: Batch, logit: Tensor, losses: Tensor) -> Weighed:
        """Weights exp(-β·loss), (b,)."""
        return Weighed(losses, torch.exp(-self.options.beta * losses.detach()), renormalise=False)

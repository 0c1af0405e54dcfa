"""BPR (Rendle et al. 2009; card §1.6): a user's item is to score above a sampled one that she has not touched."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.train.batch import Batch
from llmhd_tools.train.config import Config, NoOptions
from llmhd_tools.train.objectives import Objective
from llmhd_tools.train.ops import losses


class BPR(Objective):
    """Triples of user, item and negative."""

    Options: ClassVar[type] = NoOptions

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None:
        pass

    def score(self, final: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """ŷ_ui - ŷ_uj and softplus of its opposite."""
        positive, negative = losses.logits(final, len(batch))
        return positive - negative, losses.bpr(positive, negative)

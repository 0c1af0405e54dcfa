"""Binary cross-entropy (card §1.6): observed pairs are to score high, sampled ones low."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.train.batch import Batch
from llmhd_tools.train.config import Config, NoOptions
from llmhd_tools.train.objectives import Objective
from llmhd_tools.train.ops import losses


class BCE(Objective):
    """Labelled pairs."""

    Options: ClassVar[type] = NoOptions

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None:
        pass

    def score(self, final: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """ŷ and its cross-entropy with the label."""
        assert batch.label is not None
        (logit,) = losses.logits(final, len(batch))
        return logit, losses.bce(logit, batch.label)

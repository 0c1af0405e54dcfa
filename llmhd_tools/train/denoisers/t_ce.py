"""T-CE, truncated loss (Wang et al. 2021, ADT; card §3.3): the rows of largest loss stay out, ever more of them.

Pointwise only positives are dropped, though the share counts the whole batch; negatives go only when the positives have
run out. Pairwise (the form of TR-Song's RecCFDenoise) the triples of largest BPR loss are dropped.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.train.batch import Batch, Weighed
from llmhd_tools.train.config import Config
from llmhd_tools.train.denoisers import Denoiser
from llmhd_tools.train.denoisers.schedule import DropOptions, drop_rate, kept_count, lowest, ramp_of


class TCE(Denoiser):
    """Mean over the kept rows of a batch; dropped rows have no gradient."""

    Options = DropOptions

    def __init__(self, config: Config, graph: Graph, device: torch.device, edges: Graph) -> None:
        self.options = config.pick(DropOptions)
        self.ramp = ramp_of(self.options, config, edges)

    def weigh(self, batch: Batch, logit: Tensor, losses: Tensor) -> Weighed:
        """Keep the ⌊(1 - δ(T))·b⌋ rows of smallest loss, a negative's counting as 0."""
        rate = drop_rate(batch.step, self.options.max_drop, self.ramp, self.options.gamma)
        key = losses.detach() if batch.label is None else losses.detach() * batch.label
        return Weighed(losses, lowest(key, kept_count(rate, len(batch))))

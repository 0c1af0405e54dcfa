"""Softmax loss (sampled softmax; Wu et al. 2022, arXiv 2201.02327): a user's item is to stand out of the batch's items.

The loss of a pair is -log(e^{s/τ} / Σ_v e^{s_v/τ}), s the cosine of z, v the distinct items of the batch without the user's
other ones. It pulls hardest at the negatives that score highest, so no sampler of negatives is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.metrics import ByUser
from llmhd_tools.train.batch import Batch
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.objectives import Objective
from llmhd_tools.train.ops.contrast import LOW
from llmhd_tools.train.ops.softmax import Candidates, block_starts, softmax


@dataclass(frozen=True)
class SoftmaxOptions:
    """Its own settings."""

    softmax_temperature: float = option(0.15, "temperature of the softmax over a batch's items, τ", low=LOW)
    popularity: float = option(
        0.0, "power of an item's share of the interactions that its logit is corrected by", low=0, high=1
    )


class Softmax(Objective):
    """Pairs that were observed; the other items of their batch are the negatives."""

    Options = SoftmaxOptions
    apart = False
    static = False  # as many candidates as the batch has distinct items

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None:
        self.options = config.pick(SoftmaxOptions)
        self.graph, self.device = graph, device
        self.touched = ByUser.of(graph.user, graph.item, graph.n_users)
        share = np.bincount(graph.item, minlength=graph.n_items) / max(len(graph), 1)
        bias = -self.options.popularity * np.log(np.maximum(share, 1 / max(len(graph), 1)))
        self.bias = torch.from_numpy(bias.astype(np.float32)).to(device) if self.options.popularity else None

    def score(self, final: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Logits s/τ and losses."""
        return softmax(final, self._candidates(batch.nodes), self.options.softmax_temperature)

    def _candidates(self, nodes: Tensor) -> Candidates:
        """The batch's distinct items, ascending."""
        users, items = nodes[0].cpu().numpy(), nodes[1].cpu().numpy() - self.graph.n_users
        distinct, place, own = np.unique(items, return_index=True, return_inverse=True)
        pair, other = self.touched.pairs(users)
        at = np.minimum(np.searchsorted(distinct, other), len(distinct) - 1)
        hidden = (distinct[at] == other) & (other != items[pair])
        pairs, bias = self._here(pair[hidden]), None
        if self.bias is not None:
            bias = self.bias.index_select(0, self._here(distinct))
        starts = block_starts(pairs, len(users))
        return Candidates(self._here(place), self._here(own), bias, (pairs, self._here(at[hidden])), starts)

    def _here(self, column: NDArray[np.integer]) -> Tensor:
        return torch.from_numpy(column.astype(np.int64)).to(self.device)

"""EASE (Steck 2019, arXiv 1905.03375): every item by ridge regression on all others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from llmhd_tools import notes
from llmhd_tools.core import linear
from llmhd_tools.core.linear import Table
from llmhd_tools.core.rankers import Linear
from llmhd_tools.train.config import option
from llmhd_tools.train.fitted import Fitted


@dataclass(frozen=True)
class EASEOptions:
    """EASE's own settings."""

    ridge: float = option(50.0, "how strongly weights are shrunk to 0, λ", low=0)
    neighbours: int = option(200, "weights that are kept for each item, those of largest size", low=1)
    items: int = option(0, "only so many most popular items have weights, for memory; 0: all", low=0)


class EASE(Fitted):
    """Weights of the items with one another."""

    Options: ClassVar[type] = EASEOptions

    def __init__(self, options: EASEOptions) -> None:
        self.options = options

    def memory(self, items: int) -> int:
        """One table of items² float32."""
        return linear.table_bytes("ease", min(items, self.options.items or items))

    def fit(self, interactions: sp.csr_array, texts: sp.csr_array | None, device: str = "cpu") -> Linear:
        """The strongest weights, applied to all interactions."""
        n_items = interactions.shape[1]
        items = linear.popular(interactions, self.options.items or n_items)
        few = interactions if len(items) == n_items else sp.csr_array(interactions[:, items])
        weights = self._weights(few, None if texts is None else texts[items], device)
        found = linear.strongest(weights, self.options.neighbours)
        if whole := float(np.dot(weights.ravel(), weights.ravel())):
            kept = float(np.dot(found.data, found.data)) / whole
            notes.note(f"{self.options.neighbours:,} weights an item hold {kept:.1%} of all weights' squares")
        return Linear(interactions, linear.spread(found, items, n_items))

    def _weights(self, interactions: sp.csr_array, texts: sp.csr_array | None, device: str) -> Table:
        if device == "cpu":
            return linear.ease(interactions, self.options.ridge)
        from llmhd_tools.train.devices import pick_device  # torch takes seconds to load
        from llmhd_tools.train.ops.linear import ease

        return ease(interactions, self.options.ridge, pick_device(device))

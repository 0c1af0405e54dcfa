"""itemknn (Deshpande and Karypis 2004): an item counts as much as it is alike to those that the user touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import scipy.sparse as sp

from llmhd_tools.core.linear import itemknn
from llmhd_tools.core.rankers import Linear
from llmhd_tools.train.config import option
from llmhd_tools.train.fitted import Fitted


@dataclass(frozen=True)
class ItemKNNOptions:
    """itemknn's own settings."""

    neighbours: int = option(100, "nearest items that each item has", low=1)
    shrink: float = option(0.0, "what is added to the product of lengths, so that rare items are less alike", low=0)


class ItemKNN(Fitted):
    """Cosines of items over the users that touched them."""

    Options: ClassVar[type] = ItemKNNOptions

    def __init__(self, options: ItemKNNOptions) -> None:
        self.options = options

    def fit(self, interactions: sp.csr_array, texts: sp.csr_array | None, device: str = "cpu") -> Linear:
        """Cosines of nearest neighbours, applied to all interactions."""
        return Linear(interactions, itemknn(interactions, self.options.neighbours, self.options.shrink))

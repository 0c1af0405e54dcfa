"""L3AE (Moon et al. 2025): EASE whose weights are drawn towards those that item texts alone would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import scipy.sparse as sp

from llmhd_tools.core import linear
from llmhd_tools.core.linear import Table
from llmhd_tools.train.config import option
from llmhd_tools.train.fitted.ease import EASE, EASEOptions


@dataclass(frozen=True)
class L3AEOptions(EASEOptions):
    """L3AE's own settings."""

    ridge: float = option(0.0, "how strongly weights are shrunk to 0, λ_X", low=0)
    pull: float = option(75.0, "how strongly they are drawn to the texts' weights, λ_E", low=0)
    text_ridge: float = option(7.0, "how strongly the texts' weights are shrunk to 0, λ_F", low=0)


class L3AE(EASE):
    """Weights of the items with one another, by interactions and texts."""

    Options: ClassVar[type] = L3AEOptions
    texts: ClassVar[bool] = True
    options: L3AEOptions

    def memory(self, items: int) -> int:
        """Three tables of items² float32."""
        return linear.table_bytes("l3ae", min(items, self.options.items or items))

    def _weights(self, interactions: sp.csr_array, texts: sp.csr_array | None, device: str) -> Table:
        assert texts is not None
        strengths = self.options.ridge, self.options.pull, self.options.text_ridge
        if device == "cpu":
            return linear.l3ae(interactions, texts, *strengths)
        from llmhd_tools.train.devices import pick_device  # torch takes seconds to load
        from llmhd_tools.train.ops.linear import l3ae

        return l3ae(interactions, texts, *strengths, pick_device(device))

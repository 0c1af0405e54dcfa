"""How much T-CE and DCF leave out of a batch, and which rows."""

from __future__ import annotations

import torch
from torch import Tensor

from llmhd_tools.core.pruning import floor_share


def drop_rate(step: int, largest: float, ramp: int, power: float = 1.0) -> float:
    """δ(T): largest**power · T / (ramp - 1) for T < ramp, then ``largest`` (card §3.3, T-CE's released form)."""
    return largest**power * step / max(ramp - 1, 1) if step < ramp else largest


def lowest(key: Tensor, count: int) -> Tensor:
    """Marks the ``count`` smallest keys, (b,) float of 0 and 1; of equal keys the earlier row is the smaller."""
    kept = torch.zeros_like(key)
    kept[torch.argsort(key, stable=True)[:count]] = 1.0
    return kept


def kept_count(rate: float, size: int) -> int:
    """⌊(1 - δ)·b⌋."""
    return floor_share(1.0 - rate, size)

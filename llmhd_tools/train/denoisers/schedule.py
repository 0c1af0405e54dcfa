"""How much T-CE and DCF leave out of a batch, and which rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from llmhd_tools.core.arrays import floor_share
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import steps_per_epoch
from llmhd_tools.settings.spans import steps_of
from llmhd_tools.train.config import Config, option


@dataclass(frozen=True)
class DropOptions:
    """Settings of the share that is left out, δ(T)."""

    max_drop: float = option(0.2, "largest share of a batch that is left out, ε", low=0, high=1)
    ramp: int | str = option("10e", "over which the share grows, G: steps T (30000), or epochs (10e)", low=1)
    gamma: float = option(1.0, "power of ε while the share grows", low=0)


def ramp_of(options: DropOptions, config: Config, edges: Graph) -> int:
    """The steps G over which the share grows, where the pairs to learn are ``edges``."""
    return round(steps_of(options.ramp, steps_per_epoch(len(edges), config.loss, config.batch)))


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

"""Dynamic negatives (DNS, Zhang et al. 2013): of some uniform draws the one that the model scores highest.

Scores are those of the finished epoch, since an epoch's samples are fixed before it begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from llmhd_tools.core.arrays import Codes, Embeddings
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.negatives import hardest_draws
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.samplers import Sampler


@dataclass(frozen=True)
class DynamicOptions:
    """Its own settings."""

    draws: int = option(16, "uniform draws of which the highest-scored is the negative", low=1)


class Dynamic(Sampler):
    """Harder with more draws, and more often a false negative."""

    Options: ClassVar[type] = DynamicOptions

    def __init__(self, config: Config, graph: Graph, vectors: Embeddings | None) -> None:
        self.options = config.pick(DynamicOptions)

    def draw(self, graph: Graph, user: Codes, rng: np.random.Generator, z: Embeddings) -> Codes:
        """The highest-scored draws."""
        return hardest_draws(graph, user, z, self.options.draws, rng)

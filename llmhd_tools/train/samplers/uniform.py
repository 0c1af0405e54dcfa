"""Uniform negatives (card §1.2): any item that the user has not touched, each as likely as the other."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from llmhd_tools.core.arrays import Codes, Embeddings
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import draw_negatives
from llmhd_tools.train.config import Config, NoOptions
from llmhd_tools.train.samplers import Sampler


class Uniform(Sampler):
    """Looks at nothing but the graph."""

    Options: ClassVar[type] = NoOptions
    scored: ClassVar[bool] = False

    def __init__(self, config: Config, graph: Graph, vectors: Embeddings | None) -> None:
        pass

    def draw(self, graph: Graph, user: Codes, rng: np.random.Generator, z: Embeddings) -> Codes:
        """Uniform draws with rejection."""
        return draw_negatives(graph, user, rng)

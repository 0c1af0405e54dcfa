"""LightGCN (He et al. 2020; card §2.2): z is the uniform mean of the layers L^k E, k = 0..K."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.train.config import Config
from llmhd_tools.train.propagation import Adjacency, normalised_adjacency


class LightGCN:
    """One table of ego embeddings, users first; no weights, no activation, no dropout."""

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None:
        self.config, self.graph = config, graph
        self.adjacency = Adjacency(normalised_adjacency(graph), device)

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Xavier-uniform tables, each side by its own size: bound √(6 / (n + dim))."""
        return {
            "embedding": np.concatenate(
                [xavier_uniform(n, self.config.dim, rng) for n in (self.graph.n_users, self.graph.n_items)]
            )
        }

    def rows(self, params: dict[str, Tensor], nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Ego rows, which the regulariser sees, and final rows."""
        return self.adjacency.mean_rows(params["embedding"], self.config.layers, nodes)

    def final(self, params: dict[str, Tensor]) -> Tensor:
        """z of all nodes."""
        return self.adjacency.mean(params["embedding"], self.config.layers)


def xavier_uniform(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """A (rows, columns) float32 table, uniform in ±√(6 / (rows + columns))."""
    bound = np.sqrt(6.0 / (rows + columns))
    return rng.uniform(-bound, bound, (rows, columns)).astype(np.float32)

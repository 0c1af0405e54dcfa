"""LightGCN (He et al. 2020; card §2.2): z is the uniform mean of the layers L^k E, k = 0..K."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.train.backbones import Backbone
from llmhd_tools.train.batch import Batch, Params, Rows
from llmhd_tools.train.config import Config, NoOptions
from llmhd_tools.train.ops.layers import Operator, Read, mean_of, only, read_layers
from llmhd_tools.train.ops.propagation import Adjacency, normalised_adjacency


class LightGCN(Backbone):
    """One table of ego embeddings, users first; no weights, no activation, no dropout."""

    Options: ClassVar[type] = NoOptions
    static: ClassVar[bool] = True

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None:
        self.config, self.graph, self.device = config, graph, device
        self.adjacency = Adjacency(normalised_adjacency(graph), device)

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Xavier-uniform tables, each side by its own size: bound √(6 / (n + dim))."""
        return {
            "embedding": np.concatenate(
                [xavier_uniform(n, self.config.dim, rng) for n in (self.graph.n_users, self.graph.n_items)]
            )
        }

    def forward(self, params: Params, batch: Batch, operator: Operator | None = None) -> Rows:
        """Ego rows, which the regulariser sees, and final rows."""
        nodes, table = batch.nodes.reshape(-1), params["embedding"]
        if operator is None:
            return Rows(*self.adjacency.mean_rows(table, self.config.layers, nodes))
        reads = [Read(only(0), nodes), Read(mean_of(self.config.layers), nodes)]
        return Rows(*read_layers([operator] * self.config.layers, table, reads))

    def rows(self, params: Params, nodes: Tensor, operator: Operator | None = None) -> Tensor:
        """z of some nodes, differentiable."""
        operators = [operator or self.adjacency] * self.config.layers
        return read_layers(operators, params["embedding"], [Read(mean_of(self.config.layers), nodes)])[0]

    def tables(self, params: Params, operator: Operator | None = None) -> Tensor:
        """z of all nodes, differentiable."""
        operators = [operator or self.adjacency] * self.config.layers
        return read_layers(operators, params["embedding"], [Read(mean_of(self.config.layers))])[0]

    def final(self, params: Params, operator: Operator | None = None) -> Tensor:
        """z of all nodes."""
        if operator is None:
            return self.adjacency.mean(params["embedding"], self.config.layers)
        with torch.no_grad():
            return self.tables(params, operator)


def xavier_uniform(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """A (rows, columns) float32 table, uniform in ±√(6 / (rows + columns))."""
    bound = np.sqrt(6.0 / (rows + columns))
    return rng.uniform(-bound, bound, (rows, columns)).astype(np.float32)

"""NGCF (Wang et al. 2019; card §2.1, RecBole's variant): L symmetric, one activation on the sum, normalised carry.

h = W₁(E + LE) + b₁ + W₂(LE ⊙ E) + b₂; the next E is the L2-normalised dropout of LeakyReLU(h); z is all layers' rows
side by side, (layers + 1) · dim wide. The regulariser sees z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.seeds import generator
from llmhd_tools.train.backbones import Backbone
from llmhd_tools.train.batch import Batch, Params, Rows
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.ops.layers import Operator
from llmhd_tools.train.ops.ngcf_layer import Dropout, Weights, ngcf_layer, ngcf_rows
from llmhd_tools.train.ops.propagation import Adjacency, normalised_adjacency
from llmhd_tools.train.ops.weighted import Pattern, Weighted

_PARTS = 65536  # dropout is decided by 16 random bits


@dataclass(frozen=True)
class NGCFOptions:
    """NGCF's own settings."""

    message_drop: float = option(0.1, "dropout of a layer's output while training", low=0, high=0.99)
    node_drop: float = option(0.0, "share of the operator's entries left out, drawn at each step", low=0, high=0.99)


class NGCF(Backbone):
    """Tables and two weight matrices a layer."""

    Options = NGCFOptions

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None:
        self.config, self.graph, self.device = config, graph, device
        self.options = config.pick(NGCFOptions)
        matrix = normalised_adjacency(graph)
        self.adjacency = Adjacency(matrix, device)
        self.entries = Weighted.of(matrix, Pattern.of(graph, device)) if self.options.node_drop else None
        self.rng = generator(config.seed, 0, "dropout")

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Xavier-normal tables and weights (out, in), biases 0."""
        dim = self.config.dim
        params = {
            "embedding": np.concatenate([xavier_normal(n, dim, rng) for n in (self.graph.n_users, self.graph.n_items)])
        }
        for layer in range(self.config.layers):
            for name in ("sum", "product"):
                params[f"{name}.weight.{layer}"] = xavier_normal(dim, dim, rng)
                params[f"{name}.bias.{layer}"] = np.zeros(dim, np.float32)
        return params

    def start_epoch(self, params: Params, epoch: int, graph: Graph) -> None:
        """Start the epoch's own dropout draws."""
        self.rng = generator(self.config.seed, epoch, "dropout")

    def forward(self, params: Params, batch: Batch, operator: Operator | None = None) -> Rows:
        """z at the batch's rows, for scores and regulariser alike."""
        distinct, where = torch.unique(batch.nodes.reshape(-1), return_inverse=True)
        final = self.rows(params, distinct, operator).index_select(0, where)
        return Rows(final, final)

    def rows(self, params: Params, nodes: Tensor, operator: Operator | None = None) -> Tensor:
        """z of distinct nodes, with dropout."""
        operator, table = self._thinned(operator), params["embedding"]
        if not isinstance(operator, Adjacency) or not self.config.layers:
            return torch.cat(self._layers(params, operator, True), dim=1).index_select(0, nodes)
        dropout = [self._dropout(table.shape) for _ in range(self.config.layers - 1)]
        dropout.append(self._dropout(torch.Size((len(nodes), self.config.dim))))
        return ngcf_rows(table, operator, nodes, self._weights(params), dropout)

    def tables(self, params: Params, operator: Operator | None = None) -> Tensor:
        """z of all nodes, with dropout."""
        return torch.cat(self._layers(params, self._thinned(operator), True), dim=1)

    def final(self, params: Params, operator: Operator | None = None) -> Tensor:
        """z of all nodes, without dropout."""
        with torch.no_grad():
            return torch.cat(self._layers(params, operator or self.adjacency, False), dim=1)

    def _layers(self, params: Params, operator: Operator, training: bool) -> list[Tensor]:
        """Layers 0, 1, …, (nodes, dim) each."""
        layers = [params["embedding"]]
        for weights in self._weights(params):
            dropout = self._dropout(layers[0].shape) if training else None
            layers.append(ngcf_layer(layers[-1], operator.product(layers[-1]), weights, dropout))
        return layers

    def _weights(self, params: Params) -> list[Weights]:
        return [
            Weights(*(params[f"{name}.{k}"] for name in ("sum.weight", "product.weight", "sum.bias", "product.bias")))
            for k in range(self.config.layers)
        ]

    def _dropout(self, shape: torch.Size) -> Dropout | None:
        """16 random bits for each entry: numpy draws four at a time, far faster than torch draws a Bernoulli."""
        if not self.options.message_drop:
            return None
        draws = self.rng.integers(0, 2**64, size=-(-shape.numel() // 4), dtype=np.uint64).view(np.int16)
        least = round(self.options.message_drop * _PARTS) - _PARTS // 2
        return Dropout(torch.from_numpy(draws[: shape.numel()]).view(shape).to(self.device), least)

    def _thinned(self, operator: Operator | None) -> Operator:
        if self.entries is None or isinstance(operator, Adjacency):  # a view that is thinned already
            return operator or self.adjacency
        entries = operator if isinstance(operator, Weighted) else self.entries
        return entries.thinned(self.options.node_drop, self.rng)


def xavier_normal(rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """A (rows, columns) float32 table, normal with standard deviation √(2 / (rows + columns))."""
    return rng.normal(0.0, np.sqrt(2.0 / (rows + columns)), (rows, columns)).astype(np.float32)

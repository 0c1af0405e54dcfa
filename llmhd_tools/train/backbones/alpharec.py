"""AlphaRec (Sheng et al. 2024, arXiv 2407.05441; the authors' code): LightGCN over projected item texts, without ids.

The input of an item is its frozen text vector, that of a user the mean of her items'; one small network maps both to layer
0. What it knows of an item that few touched comes from the text alone. Made for ``--loss softmax``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.train.backbones import Backbone
from llmhd_tools.train.backbones.lightgcn import xavier_uniform
from llmhd_tools.train.batch import Batch, Params, Rows
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.ops.layers import Operator, Read, mean_of, only, read_layers
from llmhd_tools.train.ops.propagation import Adjacency, normalised_adjacency

_SLOPE = 0.01  # of LeakyReLU


@dataclass(frozen=True)
class AlphaRecOptions:
    """AlphaRec's own settings."""

    hidden: int = option(0, "width of the hidden layer; 0: half of the vectors' width, -1: a linear map", low=-1)


class AlphaRec(Backbone):
    """A network over text vectors, and LightGCN's layers on what it makes of them."""

    Options: ClassVar[type] = AlphaRecOptions
    defaults: ClassVar[dict[str, Any]] = {"layers": 2}
    static: ClassVar[bool] = True
    texts: ClassVar[bool] = True
    ids: ClassVar[bool] = False

    def __init__(self, config: Config, graph: Graph, device: torch.device, vectors: NDArray[np.float32]) -> None:
        self.config, self.graph, self.device = config, graph, device
        self.options = config.pick(AlphaRecOptions)
        self.adjacency = Adjacency(normalised_adjacency(graph), device)
        self.inputs = torch.from_numpy(inputs(graph, vectors)).to(device)

    def initial(self, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
        """Xavier-uniform weights (out, in) and biases of 0; a linear map has no bias."""
        width, dim, hidden = self.inputs.shape[1], self.config.dim, self.options.hidden
        if hidden < 0:
            return {"map.0.weight": xavier_uniform(dim, width, rng)}
        sizes = (width, hidden or max(width // 2, 1), dim)
        params = {}
        for layer in range(2):
            params[f"map.{layer}.weight"] = xavier_uniform(sizes[layer + 1], sizes[layer], rng)
            params[f"map.{layer}.bias"] = np.zeros(sizes[layer + 1], np.float32)
        return params

    def forward(self, params: Params, batch: Batch, operator: Operator | None = None) -> Rows:
        """Rows of layer 0, which the regulariser sees, and final rows."""
        nodes = batch.nodes.reshape(-1)
        return Rows(*self._read(params, [Read(only(0), nodes), Read(self._mean(), nodes)], operator))

    def rows(self, params: Params, nodes: Tensor, operator: Operator | None = None) -> Tensor:
        """z of some nodes, differentiable."""
        return self._read(params, [Read(self._mean(), nodes)], operator)[0]

    def tables(self, params: Params, operator: Operator | None = None) -> Tensor:
        """z of all nodes, differentiable."""
        return self._read(params, [Read(self._mean())], operator)[0]

    def final(self, params: Params, operator: Operator | None = None) -> Tensor:
        """z of all nodes."""
        with torch.no_grad():
            return self.tables(params, operator)

    def _mean(self) -> tuple[float, ...]:
        return mean_of(self.config.layers)

    def _read(self, params: Params, reads: list[Read], operator: Operator | None) -> tuple[Tensor, ...]:
        table = F.linear(self.inputs, params["map.0.weight"], params.get("map.0.bias"))
        if "map.1.weight" in params:
            table = F.linear(F.leaky_relu(table, _SLOPE), params["map.1.weight"], params["map.1.bias"])
        return read_layers([operator or self.adjacency] * self.config.layers, table, reads)


def inputs(graph: Graph, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(users + items, width): the mean vector of each user's items, 0 without one; then the items' ``vectors``."""
    touched = sp.csr_array((np.ones(len(graph), np.float32), (graph.user, graph.item)), (graph.n_users, graph.n_items))
    count = np.maximum(np.bincount(graph.user, minlength=graph.n_users), 1).astype(np.float32)
    return np.concatenate([(touched @ vectors) / count[:, None], vectors])

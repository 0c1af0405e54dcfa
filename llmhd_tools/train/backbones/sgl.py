"""SGL (Wu et al. 2021; card §2.3, RecBole's variant): LightGCN, and two thinned views of the graph that must agree.

The losses are sums over the batch, so the shared regulariser weighs less against them than elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from llmhd_tools.core.arrays import floor_share
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.seeds import generator
from llmhd_tools.train.backbones.lightgcn import LightGCN
from llmhd_tools.train.batch import Batch, Params, Rows
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.ops.contrast import LOW, Contrast, counted
from llmhd_tools.train.ops.layers import Operator, Read, mean_of, read_layers
from llmhd_tools.train.ops.propagation import Adjacency, normalised_adjacency


@dataclass(frozen=True)
class SGLOptions:
    """SGL's own settings."""

    view: str = option(
        "edge-drop",
        "how a view is thinned: edges, nodes, or other edges in each layer",
        choices=("edge-drop", "node-drop", "random-walk"),
    )
    drop: float = option(0.1, "share of edges or nodes that a view leaves out, ρ", low=0, high=1)
    temperature: float = option(0.5, "temperature of the contrast, τ", low=LOW)
    contrast: float = option(0.05, "weight of the contrast", low=0)


class SGL(LightGCN):
    """LightGCN whose users and items are told apart across two views, redrawn at each epoch's start."""

    Options = SGLOptions
    reduction = "sum"
    static = False  # distinct anchors, and new views in each epoch

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None:
        super().__init__(config, graph, device)
        self.options = config.pick(SGLOptions)
        self.views: list[list[Adjacency]] = []
        self.contrasts = [Contrast(self.options.temperature) for _ in range(2)]  # of users, of items

    def start_epoch(self, params: Params, epoch: int, graph: Graph) -> None:
        """Draw the epoch's two views of ``graph``."""
        rng = generator(self.config.seed, epoch, "views")
        self.views = [self._view(graph, rng) for _ in range(2)]

    def _view(self, graph: Graph, rng: np.random.Generator) -> list[Adjacency]:
        """The operator of each layer; only a random walk has different ones."""

        def thinned() -> Adjacency:
            return Adjacency(normalised_adjacency(thin(graph, self.options.view, self.options.drop, rng)), self.device)

        if self.options.view == "random-walk":
            return [thinned() for _ in range(self.config.layers)]
        return [thinned()] * self.config.layers

    def forward(self, params: Params, batch: Batch, operator: Operator | None = None) -> Rows:
        """LightGCN's rows, and the contrast of the first view's anchors with all nodes of the second."""
        rows = super().forward(params, batch, operator)
        users, items = (counted(side) for side in batch.positives())
        mean, table, sizes = mean_of(self.config.layers), params["embedding"], (self.graph.n_users, self.graph.n_items)
        reads = [Read(mean, users[0]), Read(mean, items[0])]
        user, item = read_layers(self.views[0], table, reads)
        (other,) = read_layers(self.views[1], table, [Read(mean)])
        other_users, other_items = other.split(sizes)
        total = self.contrasts[0](user, other_users, *users)
        total = total + self.contrasts[1](item, other_items, items[0] - sizes[0], items[1])
        return Rows(rows.regularised, rows.final, self.options.contrast * total)


def thin(graph: Graph, view: str, drop: float, rng: np.random.Generator) -> Graph:
    """A random part of the graph: ⌊N(1-ρ)⌋ edges, or without the edges of ⌊nρ⌋ users and ⌊mρ⌋ items."""
    if view == "node-drop":
        alive = [np.ones(n, dtype=bool) for n in (graph.n_users, graph.n_items)]
        for side in alive:
            side[rng.permutation(len(side))[: floor_share(drop, len(side))]] = False
        kept = np.flatnonzero(alive[0][graph.user] & alive[1][graph.item])
    else:
        kept = rng.permutation(len(graph))[: floor_share(1.0 - drop, len(graph))]
    return Graph(graph.n_users, graph.n_items, graph.user[kept], graph.item[kept])

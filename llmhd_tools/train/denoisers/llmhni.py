"""LLMHNI's losses in the graph (module 2, steps 7-9; docs/llmhni.md).

G is what was observed, G' what the backbone propagates on: G without noisy pairs and with inferred ones. L_de tells the
batch's nodes apart across the two graphs; L_hal does so across two randomly thinned views of each graph (SGL's edge drop),
so that no node hangs on an edge that was made up. L = L_rec + λ1 L_de + λ2 L_hal. Candidates of a contrast are the nodes of
the batch. One step in a few has a term, each time another: all of them in each step would cost seven plain steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.seeds import generator
from llmhd_tools.train.backbones import Backbone
from llmhd_tools.train.backbones.sgl import thin
from llmhd_tools.train.batch import Batch, Params, Rows
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.denoisers import Denoiser
from llmhd_tools.train.ops.contrast import LOW, Contrast, counted
from llmhd_tools.train.ops.propagation import Adjacency, normalised_adjacency


@dataclass(frozen=True)
class LLMHNIOptions:
    """LLMHNI's own settings."""

    cross_weight: float = option(0.01, "weight of the alignment of the two graphs, λ1", low=0)
    cross_temperature: float = option(0.2, "its temperature, τ_d", low=LOW)
    dropped_weight: float = option(0.01, "weight of the alignment of edge-dropped views, λ2", low=0)
    dropped_temperature: float = option(0.2, "its temperature, τ_h", low=LOW)
    edge_drop: float = option(0.1, "share of edges that a view leaves out, p", low=0, high=1)
    every: int = option(
        3, "one step in so many has one of these terms, as heavy as if all were there every time", low=1
    )


class LLMHNI(Denoiser):
    """Contrasts between graphs, among the nodes of a batch; there is no L_de where the two graphs are the same."""

    Options = LLMHNIOptions

    def __init__(self, config: Config, graph: Graph, device: torch.device, edges: Graph) -> None:
        self.options, self.seed, self.device = config.pick(LLMHNIOptions), config.seed, device
        self.size = graph.n_users + graph.n_items
        same = np.array_equal(graph.keys, edges.keys)
        self.graphs = [edges] if same else [edges, graph]
        self.whole = None if same else Adjacency(normalised_adjacency(graph), device)
        self.views: list[tuple[Adjacency, Adjacency | None]] = []  # of G', and of G where it is another
        # of users and of items
        self.cross = [Contrast(self.options.cross_temperature) for _ in range(2)]
        self.dropped = [Contrast(self.options.dropped_temperature) for _ in range(2)]

    def start_epoch(self, epoch: int) -> None:
        """Draw two views of each graph."""
        if not self.options.dropped_weight:
            return
        rng = generator(self.seed, epoch, "edge-drop")

        def view(graph: Graph) -> Adjacency:
            return Adjacency(normalised_adjacency(thin(graph, "edge-drop", self.options.edge_drop, rng)), self.device)

        self.views = [(view(graph), view(graph)) for graph in self.graphs]

    def extra(self, backbone: Backbone, params: Params, batch: Batch, rows: Rows) -> Tensor | None:
        """One of the terms of λ1 L_de + λ2 L_hal, each time another and as heavy as if all were there every time; or none.

        Means over the batch, or sums where the backbone's losses are sums.
        """
        terms = [(self.options.dropped_weight / len(self.views), self.dropped, views) for views in self.views]
        if self.whole is not None and self.options.cross_weight:
            terms.append((self.options.cross_weight, self.cross, (self.whole, None)))
        turn, plain = divmod(batch.step, self.options.every)
        if not terms or plain:
            return None
        weight, contrasts, (first, second) = terms[turn % len(terms)]
        weight *= len(terms) * self.options.every
        sides = [counted(side) for side in batch.positives()]
        nodes = torch.cat([distinct for distinct, _ in sides])
        one = backbone.rows(params, nodes, first)
        if second is None:  # z', which the batch's scores are made of
            other = rows.final.index_select(0, self._places(batch, nodes))
        else:
            other = backbone.rows(params, nodes, second)
        size = 1 if backbone.reduction == "sum" else batch.positives().shape[1]
        return weight / size * self._apart(contrasts, one, other, sides)

    def _places(self, batch: Batch, nodes: Tensor) -> Tensor:
        """Where each of some nodes stands in the batch; which of several places does not matter, all hold the same z."""
        flat = batch.nodes.reshape(-1)
        places = torch.empty(self.size, dtype=torch.int64, device=self.device)
        places[flat] = torch.arange(len(flat), device=self.device)
        return places.index_select(0, nodes)

    def _apart(
        self, contrasts: list[Contrast], one: Tensor, other: Tensor, sides: list[tuple[Tensor, Tensor]]
    ) -> Tensor:
        """InfoNCE of the rows (n, ·) of one graph against those of the other, users and items apart, summed."""
        total, sizes = one.new_zeros(()), [len(distinct) for distinct, _ in sides]
        groups = zip(contrasts, sides, one.split(sizes), other.split(sizes), strict=True)
        for contrast, (_, count), anchors, candidates in groups:
            total = total + contrast(anchors, candidates, torch.arange(len(count), device=self.device), count)
        return total

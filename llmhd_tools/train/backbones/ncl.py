"""NCL (Lin et al. 2022; card §2.4, RecBole's variant): LightGCN, contrasted with its neighbours of neighbours and with
the centres of clusters that k-means finds at each epoch's start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.seeds import generator
from llmhd_tools.train.backbones.lightgcn import LightGCN
from llmhd_tools.train.batch import Batch, Params, Rows
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.ops.contrast import LOW, Contrast, counted
from llmhd_tools.train.ops.kmeans import kmeans
from llmhd_tools.train.ops.layers import Operator, Read, mean_of, only, read_layers


@dataclass(frozen=True)
class NCLOptions:
    """NCL's own settings."""

    temperature: float = option(0.1, "temperature of both contrasts, τ", low=LOW)
    structure: float = option(1e-7, "weight of the contrast with neighbours", low=0)
    prototype: float = option(8e-8, "weight of the contrast with clusters", low=0)
    item_weight: float = option(1.0, "weight of items against users in the contrast with neighbours, a", low=0)
    hops: int = option(1, "the contrasted layer is 2 · hops", low=1)
    clusters: int = option(1000, "clusters of users, and of items; at most one a node", low=1)
    warm_up: int = option(20, "epochs before the contrast with clusters begins", low=0)


class NCL(LightGCN):
    """LightGCN with a structural and a prototype contrast. Both are sums over the batch beside a mean."""

    Options = NCLOptions
    static = False  # distinct anchors, and new clusters in each epoch
    defaults: ClassVar[dict[str, Any]] = {"reg": 1e-4}

    def __init__(self, config: Config, graph: Graph, device: torch.device) -> None:
        super().__init__(config, graph, device)
        self.options = config.pick(NCLOptions)
        self.clusters: list[tuple[Tensor, Tensor]] = []  # of users, of items: centres and each node's own
        # with neighbours and with clusters, of users and of items
        self.contrasts = [[Contrast(self.options.temperature) for _ in range(2)] for _ in range(2)]

    def start_epoch(self, params: Params, epoch: int, graph: Graph) -> None:
        """Cluster users and items by their ego embeddings, once the warm-up is over."""
        if epoch <= self.options.warm_up or not self.options.prototype:
            self.clusters = []
            return
        rng = generator(self.config.seed, epoch, "clusters")
        self.clusters = [kmeans(side, self.options.clusters, rng) for side in self._sides(params["embedding"].detach())]

    def _sides(self, table: Tensor) -> tuple[Tensor, ...]:
        sides: tuple[Tensor, ...] = table.split((self.graph.n_users, self.graph.n_items))
        return sides

    def forward(self, params: Params, batch: Batch, operator: Operator | None = None) -> Rows:
        """LightGCN's rows, and the contrasts of the positive users and items."""
        nodes, table, layers, far = (
            batch.nodes.reshape(-1),
            params["embedding"],
            self.config.layers,
            2 * self.options.hops,
        )
        anchors = [counted(side) for side in batch.positives()]
        reads = [Read(only(0), nodes), Read(mean_of(layers), nodes), *(Read(only(far), a) for a, _ in anchors)]
        ego, final, *context = read_layers([operator or self.adjacency] * max(layers, far), table, reads)
        extra, sides = final.new_zeros(()), self._sides(table)
        grads = (None, None) if table.grad is None else self._sides(table.grad)
        for side, weight in enumerate((1.0, self.options.item_weight)):
            (distinct, count), own = anchors[side], sides[side]
            rows, (neighbours, clusters) = distinct - side * self.graph.n_users, self.contrasts[side]
            whole = own if grads[side] is None else own.detach()  # its gradient is then added in place
            contrast = neighbours(context[side], whole, rows, count, grads[side])
            extra = extra + self.options.structure * weight * contrast
            if self.clusters:
                centres, cluster = self.clusters[side]
                chosen = cluster.index_select(0, rows)
                extra = extra + self.options.prototype * clusters(own.index_select(0, rows), centres, chosen, count)
        return Rows(ego, final, extra)

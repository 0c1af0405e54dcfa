"""RGCF (Tian et al. 2022; card §3.5) in the backbone-agnostic form of its paper; how it meets each backbone is ours.

The graph's edges are weighed by how alike the neighbourhoods of their ends are, H_U = R·E_I and H_I = Rᵀ·E_U on the
backbone's own layer-0 table E: s = (cos + 1)/2, edges below the threshold are pruned, rows are normalised to sum 1, and
the gradient flows through s. The backbone propagates with this operator, in training and in evaluation. A second,
denser operator adds likely but unseen edges, and users must be recognised across the two (InfoNCE on z).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from llmhd_tools.core.arrays import floor_share
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.seeds import generator
from llmhd_tools.train.backbones import Backbone
from llmhd_tools.train.batch import Batch, Params, Rows
from llmhd_tools.train.config import Config, option
from llmhd_tools.train.denoisers import Denoiser
from llmhd_tools.train.ops.contrast import LOW, Contrast, counted
from llmhd_tools.train.ops.propagation import Adjacency
from llmhd_tools.train.ops.weighted import Pattern, Weighted


@dataclass(frozen=True)
class RGCFOptions:
    """RGCF's own settings."""

    prune: float = option(0.02, "edges of a reliability below this are pruned, β", low=0)
    augment: float = option(0.1, "edges added in the second view, as a share of the graph's, κ", low=0, high=1)
    mim_temperature: float = option(0.2, "temperature of the contrast of the two views", low=LOW)
    mim_weight: float = option(1e-6, "weight of the contrast of the two views", low=0)


class RGCF(Denoiser):
    """A reliability for each edge, learnt with the embeddings; recomputed at each step."""

    Options = RGCFOptions
    ids = True

    def __init__(self, config: Config, graph: Graph, device: torch.device, edges: Graph) -> None:
        self.config, self.observed, self.graph, self.device = config, graph, edges, device
        self.options = config.pick(RGCFOptions)
        self.contrast = Contrast(self.options.mim_temperature)
        self.pattern = Pattern.of(edges, device)
        ones = np.ones(len(self.pattern.column), np.float32)
        size = len(self.pattern)
        binary = (ones, self.pattern.column.cpu().numpy(), self.pattern.pointer.cpu().numpy())
        self.binary = Adjacency(sp.csr_matrix(binary, shape=(size, size)), device)
        self.user = torch.from_numpy(edges.user).to(device)
        self.item = torch.from_numpy(edges.item).to(device)

    def operator(self, params: Params) -> Weighted:
        """D⁻¹S of the reliabilities that are not pruned."""
        values = self._pruned(self.reliability(self._structure(params), self.user, self.item))[self.pattern.edge]
        degree = torch.zeros(len(self.pattern), device=self.device).index_add_(0, self.pattern.row, values)
        scale = torch.where(degree > 0, 1.0 / degree.clamp(min=1e-12), 0.0)
        return Weighted(self.pattern, values * scale.index_select(0, self.pattern.row))

    def edges(self, params: Params) -> Graph:
        """The edges that are not pruned."""
        mask = (self.trust(params)[1] > 0).cpu().numpy()
        return Graph(self.graph.n_users, self.graph.n_items, self.graph.user[mask], self.graph.item[mask])

    def trust(self, params: Params) -> tuple[Graph, Tensor]:
        """The reliability of each edge, 0 where it is pruned."""
        with torch.no_grad():
            return self.graph, self._pruned(self.reliability(self._structure(params), self.user, self.item))

    def extra(self, backbone: Backbone, params: Params, batch: Batch, rows: Rows) -> Tensor | None:
        """The contrast of the batch's users across the denoised and the denser view, summed and weighed."""
        if not self.options.mim_weight:
            return None
        other = backbone.tables(params, self._denser(params, batch.step))[: self.graph.n_users]
        users = batch.positives()[0]
        distinct, count = counted(users)
        first = torch.empty(self.graph.n_users, dtype=torch.int64, device=self.device)
        column = batch.nodes[0].to(torch.int64)
        first[column] = torch.arange(len(column), device=self.device)  # any row of a user holds the same z
        anchors = rows.final.index_select(0, first[distinct.to(torch.int64)])
        return self.options.mim_weight * self.contrast(anchors, other, distinct, count)

    def reliability(self, structure: Tensor, user: Tensor, item: Tensor) -> Tensor:
        """s = (cos(H_u, H_i) + 1)/2 of pairs, (p,); a zero vector is like nothing: 0.5."""
        near = structure.index_select(0, user)
        return ((near * structure.index_select(0, item + self.graph.n_users)).sum(1) + 1.0) / 2.0

    def _structure(self, params: Params) -> Tensor:
        return F.normalize(self.binary.product(params["embedding"]), dim=1)

    def _pruned(self, reliability: Tensor) -> Tensor:
        return torch.where(reliability >= self.options.prune, reliability, 0.0)

    def _denser(self, params: Params, step: int) -> Adjacency:
        """D^-1/2 (S + X) D^-1/2, X the most reliable of some random unseen pairs; no gradient flows into it."""
        with torch.no_grad():
            structure = self._structure(params)
            pairs = self._unseen(generator(self.config.seed, step, "augment"))
            score = self.reliability(structure, *(torch.from_numpy(side).to(self.device) for side in pairs))
            count = floor_share(self.options.augment, len(self.graph))
            best = torch.argsort(score, descending=True, stable=True)[:count].cpu().numpy()
            old = self._pruned(self.reliability(structure, self.user, self.item)).cpu().numpy()
        user, item = (
            np.concatenate([o, n[best]]) for o, n in zip((self.graph.user, self.graph.item), pairs, strict=True)
        )
        weight = np.concatenate([old, score.cpu().numpy()[best]])
        return Adjacency(balanced(user, item, weight, self.graph), self.device)

    def _unseen(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Distinct pairs that were never observed, among 10κe random ones, users and items."""
        count = 10 * floor_share(self.options.augment, len(self.graph))
        keys = np.unique(rng.integers(self.graph.n_users * self.graph.n_items, size=count))
        user, item = (keys // self.graph.n_items).astype(np.int32), (keys % self.graph.n_items).astype(np.int32)
        new = ~self.observed.has(user, item)
        return user[new], item[new]


def balanced(user: np.ndarray, item: np.ndarray, weight: np.ndarray, graph: Graph) -> sp.csr_matrix:
    """D^-1/2 W D^-1/2 of weighted edges, both ways, float32; a node without weight is a zero row."""
    size = graph.n_users + graph.n_items
    rows, columns = np.concatenate([user, item + graph.n_users]), np.concatenate([item + graph.n_users, user])
    degree = np.bincount(rows, np.tile(weight, 2), minlength=size)
    scale = np.divide(1.0, np.sqrt(degree), out=np.zeros(size), where=degree > 0)
    values = np.tile(weight, 2) * scale[rows] * scale[columns]
    return sp.csr_matrix((values.astype(np.float32), (rows, columns)), shape=(size, size))

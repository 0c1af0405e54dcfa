"""The symmetric normalised adjacency L = D^-1/2 A D^-1/2 of the user-item graph, and products with it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph
from llmhd_tools.train.ops.threads import wide


def normalised_adjacency(graph: Graph) -> sp.csr_matrix:
    """L as a (users + items) square CSR, float32 and int32 (card §1.1: no self-loops, isolated nodes are zero rows)."""
    users, items = graph.user, graph.item + np.int32(graph.n_users)
    size = graph.n_users + graph.n_items
    degree = np.bincount(users, minlength=size) + np.bincount(items, minlength=size)
    scale = 1.0 / np.sqrt(np.maximum(degree, 1))
    values = (scale[users] * scale[items]).astype(np.float32)
    rows, columns = np.concatenate([users, items]), np.concatenate([items, users])
    return sp.csr_matrix((np.tile(values, 2), (rows, columns)), shape=(size, size))


def to_torch(matrix: sp.csr_matrix, device: torch.device) -> Tensor:
    """A scipy CSR as torch CSR with int32 indices: on a CPU those reach MKL, int64 ones a path ten times slower."""
    with warnings.catch_warnings():
        for said in ("Sparse CSR tensor support is in beta", "Sparse invariant checks are implicitly disabled"):
            warnings.filterwarnings("ignore", message=said)
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int32)),
            torch.from_numpy(matrix.indices.astype(np.int32)),
            torch.from_numpy(matrix.data.astype(np.float32)),
            size=matrix.shape,
            check_invariants=True,
        ).to(device)


class Adjacency:
    """A symmetric matrix L on a device, as an operator on tables of node embeddings (nodes, dim).

    L is its own transpose, so the gradient of a product is a product with L again; autograd's own would transpose the
    CSR at every step. Products go into tables that are kept from step to step: fresh memory of their size would be
    mapped anew each time, and touching it costs more than the product.
    """

    def __init__(self, matrix: sp.csr_matrix, device: torch.device) -> None:
        self.matrix = to_torch(matrix, device)
        self._rows = _RowsOf(matrix) if device.type == "cpu" else None
        self._kept: dict[tuple[str, torch.Size], Tensor] = {}

    def kept(self, name: str, like: Tensor) -> Tensor:
        """A table of the shape of ``like`` that is the same at every call with this name; zero at first."""
        key = name, like.shape
        if key not in self._kept:
            self._kept[key] = torch.zeros_like(like, requires_grad=False)
        return self._kept[key]

    def product(self, table: Tensor) -> Tensor:
        """L E, (nodes, dim), differentiable."""
        result: Tensor = _Product.apply(table, self)
        return result

    def into(self, out: Tensor, table: Tensor, *, add: bool = False) -> Tensor:
        """L E written into ``out``, or added to it; no gradient."""
        with wide():
            return torch.addmm(out, self.matrix, table, beta=1.0 if add else 0.0, out=out)

    def mean(self, table: Tensor, layers: int) -> Tensor:
        """Mean over k = 0..layers of L^k E, (nodes, dim), without a gradient."""
        with torch.no_grad():
            total, layer = table.clone(), table
            for k in range(layers):
                layer = self.into(self.kept(f"layer {k % 2}", table), layer)
                total += layer
            return total.div_(layers + 1)

    def mean_rows(self, table: Tensor, layers: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of E and of the layer mean, both (len(rows), dim), differentiable in ``table``."""
        ego, final = _MeanRows.apply(table, self, layers, rows)
        return ego, final

    def product_rows(self, table: Tensor, rows: Tensor) -> Tensor:
        """(L E)[rows], (len(rows), dim), without a gradient."""
        if self._rows is None or not self._rows.saves(rows):
            return self.into(self.kept("last", table), table)[rows]
        return self._rows(table, rows)


class _Product(torch.autograd.Function):
    """L E; the gradient is L G."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, adjacency: Adjacency) -> Tensor:
        ctx.adjacency = adjacency
        return adjacency.into(torch.empty_like(table), table)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.adjacency.into(torch.empty_like(gradient), gradient), None


class _MeanRows(torch.autograd.Function):
    """(ego rows, z rows), z = mean over layers 0..K of L^k E.

    z is wanted at some rows only, so its last layer is computed there only; and its gradient is zero elsewhere, so
    (I + L + … + L^K) G is K products by Horner's scheme. Where ``table`` has a ``.grad``, the last product is added to
    it in place, which saves two passes over a table that autograd would make.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, adjacency: Adjacency, layers: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        ctx.table, ctx.adjacency, ctx.layers, ctx.rows = table, adjacency, layers, rows
        table = table.detach()
        ego = table.index_select(0, rows)
        final, layer = ego.clone(), table
        for k in range(1, layers):
            layer = adjacency.into(adjacency.kept(f"layer {k % 2}", table), layer)
            final += layer.index_select(0, rows)
        if layers:
            final += adjacency.product_rows(layer, rows)
        return ego, final.div_(layers + 1)

    @staticmethod
    def backward(ctx: Any, ego: Tensor, final: Tensor) -> tuple[Tensor | None, None, None, None]:
        table, adjacency, rows = ctx.table, ctx.adjacency, ctx.rows
        final = final / (ctx.layers + 1)
        grad = table.grad if table.is_leaf else None
        if grad is None:
            grad = torch.zeros_like(table, requires_grad=False)
            returned = grad
        else:
            returned = None
        start = adjacency.kept("start", grad).index_add_(0, rows, final)
        layer = start
        for k in range(ctx.layers, 0, -1):
            layer = (
                adjacency.into(grad, layer, add=True)
                if k == 1
                else adjacency.into(adjacency.kept(f"layer {k % 2}", grad), layer)
            )
            if k > 1:
                layer.index_add_(0, rows, final)
        grad.index_add_(0, rows, final + ego)
        start.index_fill_(0, rows, 0.0)
        return returned, None, None, None


class _RowsOf:
    """(L E)[rows] without the rest of L E: a weighted bag of E's rows for each row asked for. CPU only."""

    def __init__(self, matrix: sp.csr_matrix) -> None:
        self.starts, self.counts = matrix.indptr[:-1].astype(np.int32), np.diff(matrix.indptr).astype(np.int32)
        self.columns, self.values = matrix.indices.astype(np.int32), matrix.data.astype(np.float32)

    def saves(self, rows: Tensor) -> bool:
        """Whether the rows' entries, which cost more than twice as much here, are few enough next to all."""
        return bool(2 * self.counts[rows.numpy()].sum() < len(self.columns))

    def __call__(self, table: Tensor, rows: Tensor) -> Tensor:
        asked = rows.numpy()
        counts = self.counts[asked]
        offsets = np.zeros(len(asked) + 1, dtype=np.int32)
        np.cumsum(counts, out=offsets[1:])
        take = np.repeat(self.starts[asked] - offsets[:-1], counts)
        take += np.arange(len(take), dtype=np.int32)
        bags = map(torch.from_numpy, (self.columns[take], offsets, self.values[take]))
        columns, ends, values = bags
        bag = torch.nn.functional.embedding_bag(
            columns, table, ends, mode="sum", per_sample_weights=values, include_last_offset=True
        )
        return bag

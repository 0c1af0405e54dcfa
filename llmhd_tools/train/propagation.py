"""The symmetric normalised adjacency L = D^-1/2 A D^-1/2 of the user-item graph, and products with it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph


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
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int32)),
            torch.from_numpy(matrix.indices.astype(np.int32)),
            torch.from_numpy(matrix.data.astype(np.float32)),
            size=matrix.shape,
            check_invariants=True,
        ).to(device)


class Adjacency:
    """A symmetric matrix L on a device, as an operator on tables of node embeddings (nodes, dim)."""

    def __init__(self, matrix: sp.csr_matrix, device: torch.device) -> None:
        self.matrix = to_torch(matrix, device)

    def product(self, table: Tensor) -> Tensor:
        """L E, (nodes, dim), differentiable."""
        result: Tensor = _Product.apply(table, self.matrix)
        return result

    def mean(self, table: Tensor, layers: int) -> Tensor:
        """Mean over k = 0..layers of L^k E, (nodes, dim), without a gradient."""
        with torch.no_grad():
            return _layer_mean(table, self.matrix, layers)

    def mean_rows(self, table: Tensor, layers: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of E and of the layer mean, both (len(rows), dim), differentiable in ``table``."""
        ego, final = _LayerMean.apply(table, self.matrix, layers, rows)
        return ego, final


class _Product(torch.autograd.Function):
    """L E; the gradient is L G, since L is its own transpose. Autograd's own would transpose the CSR at every step."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, matrix: Tensor) -> Tensor:
        ctx.matrix = matrix
        return matrix @ table

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.matrix @ gradient, None


class _LayerMean(torch.autograd.Function):
    """(ego rows, z rows), z = mean over layers 0..K of L^k E; both ways use one product, as L is its own transpose."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, matrix: Tensor, layers: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        ctx.matrix, ctx.layers, ctx.size = matrix, layers, table.shape
        ctx.save_for_backward(rows)
        return table[rows], _layer_mean(table, matrix, layers)[rows]

    @staticmethod
    def backward(ctx: Any, ego: Tensor, final: Tensor) -> tuple[Tensor, None, None, None]:
        (rows,) = ctx.saved_tensors
        gradient = torch.zeros(ctx.size, dtype=final.dtype, device=final.device).index_add_(0, rows, final)
        return _layer_mean(gradient, ctx.matrix, ctx.layers).index_add_(0, rows, ego), None, None, None


def _layer_mean(table: Tensor, matrix: Tensor, layers: int) -> Tensor:
    layer, total = table, table.clone()
    for _ in range(layers):
        layer = matrix @ layer
        total += layer
    return total.div_(layers + 1)

"""An operator over the graph's edges whose weights may be learnt (RGCF) or drawn (NGCF's node dropout)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from llmhd_tools.core.graph import Graph

BLOCK = 32768  # entries whose gradient is computed at once


@dataclass(frozen=True)
class Pattern:
    """Where the entries of a user-item operator are, in CSR order, over n = users + items nodes and 2e entries.

    ``pointer`` (n + 1,) and ``column`` (2e,) int32, ``row`` (2e,) int64; ``mirror`` (2e,) int64: the entry at the
    transposed place; ``edge`` (2e,) int64: the entry's edge in the graph's order.
    """

    pointer: Tensor
    column: Tensor
    row: Tensor
    mirror: Tensor
    edge: Tensor

    @classmethod
    def of(cls, graph: Graph, device: torch.device) -> Pattern:
        """The pattern of a graph: each edge (u, i) at (u, n_users + i) and at (n_users + i, u)."""
        users, items = graph.user.astype(np.int64), graph.item.astype(np.int64) + graph.n_users
        row, column = np.concatenate([users, items]), np.concatenate([items, users])
        order = np.lexsort((column, row))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        mirror = place[(order + len(users)) % len(order)] if len(order) else order
        pointer = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=graph.n_users + graph.n_items))])
        arrays = (
            pointer.astype(np.int32),
            column[order].astype(np.int32),
            row[order],
            mirror,
            order % max(len(users), 1),
        )
        return cls(*(torch.from_numpy(array).to(device) for array in arrays))

    def __len__(self) -> int:
        return len(self.pointer) - 1


class Weighted:
    """A matrix with this pattern and ``values`` (2e,), which may need a gradient; it need not be symmetric."""

    def __init__(self, pattern: Pattern, values: Tensor) -> None:
        self.pattern, self.values = pattern, values

    @classmethod
    def of(cls, matrix: sp.csr_matrix, pattern: Pattern) -> Weighted:
        """The entries of a CSR matrix with sorted columns that has this very pattern."""
        return cls(pattern, torch.from_numpy(matrix.data.astype(np.float32)).to(pattern.row.device))

    def product(self, table: Tensor) -> Tensor:
        """The matrix times (n, dim), differentiable in the table and in the values."""
        result: Tensor = _Product.apply(table, self.values, self.pattern)
        return result

    def thinned(self, rate: float, rng: np.random.Generator) -> Weighted:
        """Each entry by itself left out with probability ``rate``, the others scaled by 1/(1 - rate)."""
        kept = (rng.random(len(self.values), dtype=np.float32) >= rate) * np.float32(1.0 / (1.0 - rate))
        return Weighted(self.pattern, self.values * torch.from_numpy(kept).to(self.values.device))


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, values: Tensor, pattern: Pattern) -> Tensor:
        ctx.pattern = pattern
        ctx.save_for_backward(table, values)
        return _matrix(pattern, values) @ table

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None]:
        (table, values), pattern = ctx.saved_tensors, ctx.pattern
        to_table = _matrix(pattern, values[pattern.mirror]) @ gradient
        if not ctx.needs_input_grad[1]:
            return to_table, None, None
        to_values = torch.empty_like(values)
        for start in range(0, len(values), BLOCK):
            part = slice(start, start + BLOCK)
            rows = gradient.index_select(0, pattern.row[part])
            to_values[part] = rows.mul_(table.index_select(0, pattern.column[part])).sum(1)
        return to_table, to_values, None


def _matrix(pattern: Pattern, values: Tensor) -> Tensor:
    return torch.sparse_csr_tensor(
        pattern.pointer, pattern.column, values, size=(len(pattern), len(pattern)), check_invariants=False
    )

"""NGCF's layers with their gradient by hand: few passes over the tables, into memory that is kept from step to step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from llmhd_tools.train.propagation import Adjacency
from llmhd_tools.train.threads import wide

SLOPE = 0.2
TILE = 32768  # rows whose intermediate values are held at once: of 64 dimensions, 8 MB in each such table
TINY = 1e-12  # as in torch.nn.functional.normalize

Memory = Callable[[str, Tensor], Tensor]  # a table of this name and of the shape of that one, to write to


@dataclass(frozen=True)
class Weights:
    """Of one layer: W₁, W₂ (out, in) and b₁, b₂ (out,); in and out are equal."""

    w1: Tensor
    w2: Tensor
    b1: Tensor
    b2: Tensor


@dataclass(frozen=True)
class _Dense:
    """normalize₂(kept ⊙ LeakyReLU((E + P)W₁ᵀ + b₁ + (P ⊙ E)W₂ᵀ + b₂)), for E ``near``, P = LE ``far``, (n, dim) all.

    Tile by tile, so that what lies between E, P and the output takes little memory; it is computed again for the
    gradient. ``kept`` is 0 or 1: dropout's factor 1/(1 - rate) is left out, for the rows are normalised
    right after it.
    """

    near: Tensor
    far: Tensor
    length: Tensor
    out: Tensor
    kept: Tensor | None
    matrix: Tensor

    @classmethod
    def forward(cls, near: Tensor, far: Tensor, w: Weights, kept: Tensor | None, memory: Memory) -> _Dense:
        """The layer at work; its result is ``out``."""
        matrix, bias, spare = torch.cat([w.w1, w.w2], dim=1), w.b1 + w.b2, _spare("pair", near, memory)
        layer = cls(near, far, near.new_empty(len(near), 1), memory("out", near), kept, matrix)
        for part in _tiles(near):
            with wide():
                out = torch.addmm(bias, layer._pair(part, spare), matrix.T, out=layer.out[part])
                F.leaky_relu_(out, SLOPE)
                if kept is not None:
                    out *= kept[part]
                length = torch.linalg.vector_norm(out, dim=1, keepdim=True, out=layer.length[part]).clamp_min_(TINY)
                out /= length
        return layer

    def backward(self, gradient: Tensor, memory: Memory) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Gradients of near and far (n, dim), written over memory, and of the weights."""
        dim, pair, to_pair = gradient.shape[1], _spare("pair", gradient, memory), _spare("to pair", gradient, memory)
        to_near, to_far = memory("to near", gradient), memory("to far", gradient)
        to_matrix, to_bias = torch.zeros_like(self.matrix), gradient.new_zeros(dim)
        for part in _tiles(gradient):
            with wide():
                hidden = self._before(part, gradient[part], to_far[part])
                to_matrix.addmm_(hidden.T, self._pair(part, pair))
                to_bias += hidden.sum(0)
                to_sum, to_product = torch.mm(hidden, self.matrix, out=to_pair[: len(hidden)]).split(dim, dim=1)
                torch.addcmul(to_sum, to_product, self.far[part], out=to_near[part])
                torch.addcmul(to_sum, to_product, self.near[part], out=to_far[part])
        return to_near, to_far, [to_matrix[:, :dim], to_matrix[:, dim:], to_bias, to_bias]

    def _pair(self, part: slice, spare: Tensor) -> Tensor:
        """E + P beside P ⊙ E, (rows, 2 · dim): with both weights side by side, a product with each is one product."""
        near, far = self.near[part], self.far[part]
        left, right = spare[: len(near)].split(near.shape[1], dim=1)
        torch.add(near, far, out=left)
        torch.mul(near, far, out=right)
        return spare[: len(near)]

    def _before(self, part: slice, gradient: Tensor, out: Tensor) -> Tensor:
        """The gradient before normalising, dropout and activation, written to ``out``."""
        result = self.out[part]
        along = torch.linalg.vecdot(gradient, result)[:, None]
        hidden = torch.addcmul(gradient, result, along, value=-1.0, out=out).div_(self.length[part])
        torch.ops.aten.leaky_relu_backward.grad_input(hidden, result, SLOPE, True, grad_input=hidden)
        return hidden if self.kept is None else hidden.mul_(self.kept[part])


def _tiles(table: Tensor) -> list[slice]:
    return [slice(start, start + TILE) for start in range(0, len(table), TILE)]


def _spare(name: str, table: Tensor, memory: Memory) -> Tensor:
    """Memory for a tile of twice the table's width."""
    return memory(name, table[:TILE].expand(2, -1, -1)).view(-1, 2 * table.shape[1])


def _fresh(name: str, like: Tensor) -> Tensor:
    return torch.empty_like(like, requires_grad=False, memory_format=torch.contiguous_format)


def ngcf_layer(near: Tensor, far: Tensor, weights: Weights, kept: Tensor | None = None) -> Tensor:
    """One layer's output (n, dim) from its input and the propagated input, differentiable in both and in the weights."""
    out: Tensor = _Layer.apply(near, far, weights.w1, weights.w2, weights.b1, weights.b2, kept)
    return out


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, near: Tensor, far: Tensor, *rest: Any) -> Tensor:
        layer = ctx.layer = _Dense.forward(near.detach(), far.detach(), Weights(*rest[:4]), rest[4], _fresh)
        return layer.out.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        to_near, to_far, weights = ctx.layer.backward(gradient, _fresh)
        return to_near, to_far, *weights, None


def ngcf_rows(
    table: Tensor, adjacency: Adjacency, rows: Tensor, weights: Sequence[Weights], kept: Sequence[Tensor | None]
) -> Tensor:
    """All layers side by side at distinct ``rows``, (len(rows), (layers + 1) · dim), differentiable.

    The last layer is computed at these rows only, so its entry of ``kept`` has their number of rows.
    """
    flat = [part for w in weights for part in (w.w1, w.w2, w.b1, w.b2)]
    result: Tensor = _Rows.apply(table, adjacency, rows, tuple(kept), *flat)
    return result


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, adjacency: Adjacency, rows: Tensor, kept: Any, *flat: Tensor) -> Tensor:
        ctx.table, ctx.adjacency, ctx.rows, ctx.layers = table, adjacency, rows, []
        near = table.detach()
        read = [near.index_select(0, rows)]
        for k, mask in enumerate(kept):
            last = k == len(kept) - 1
            if last:
                far, near = adjacency.product_rows(near, rows), read[-1]
            else:
                far = adjacency.into(adjacency.kept(f"far {k}", near), near)
            layer = _Dense.forward(
                near, far, Weights(*flat[4 * k : 4 * k + 4]), mask, _fresh if last else _memory(ctx, k)
            )
            ctx.layers.append(layer)
            near = layer.out
            read.append(near if last else near.index_select(0, rows))
        return torch.cat(read, dim=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        adjacency, rows, table = ctx.adjacency, ctx.rows, ctx.table
        *parts, part = (p.contiguous() for p in gradient.split(table.shape[1], dim=1))
        grads: list[Tensor] = []
        gathered = adjacency.kept("gathered", table)
        for k in range(len(ctx.layers) - 1, -1, -1):
            last = k == len(ctx.layers) - 1
            to_near, to_far, weights = ctx.layers[k].backward(
                part if last else gathered, _fresh if last else _memory(ctx, k)
            )
            grads = weights + grads
            if last:
                spread = adjacency.kept("start", table).index_add_(0, rows, to_far)
                gathered = adjacency.into(gathered, spread).index_add_(0, rows, to_near)
                spread.index_fill_(0, rows, 0.0)  # zero again for the next step
            else:
                gathered = adjacency.into(gathered, to_far).add_(to_near)
            gathered.index_add_(0, rows, parts[k])
        if table.grad is None:
            return gathered.clone(), None, None, None, *grads
        table.grad.add_(gathered)
        return None, None, None, None, *grads


def _memory(ctx: Any, k: int) -> Memory:
    """Memory of layer k that outlives the step; layers share all but the output, which the gradient needs."""
    adjacency: Adjacency = ctx.adjacency
    return lambda name, like: adjacency.kept(f"{name} {k if name == 'out' else ''}", like)

"""NGCF's layers with their gradient by hand: few passes over the tables, into memory that is kept from step to step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from llmhd_tools.train.ops.propagation import Adjacency
from llmhd_tools.train.ops.threads import LANES, over

SLOPE = 0.2
TILE = 2048  # rows at a time on a CPU: their intermediate values, of 64 dimensions, are 2.5 MB
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
class Dropout:
    """Which entries of a layer's output (n, dim) are left out: those whose draw, a random int16, is below ``least``."""

    draws: Tensor
    least: int


@dataclass(frozen=True)
class _Dense:
    """normalize₂(kept ⊙ LeakyReLU((E + P)W₁ᵀ + b₁ + (P ⊙ E)W₂ᵀ + b₂)), for E ``near``, P = LE ``far``, (n, dim) all.

    Tile by tile, so that what lies between E, P and the output stays in the processor's cache; it is computed again for
    the gradient. ``kept`` is 0 or 1: dropout's factor 1/(1 - rate) is left out, for the rows are normalised
    right after it. What is 0 in the output was dropped, so the gradient does without the draws.
    """

    near: Tensor
    far: Tensor
    length: Tensor
    out: Tensor
    matrix: Tensor

    @classmethod
    def forward(cls, near: Tensor, far: Tensor, w: Weights, dropout: Dropout | None, memory: Memory) -> _Dense:
        """The layer at work; its result is ``out``."""
        matrix, bias = torch.cat([w.w1, w.w2], dim=1), w.b1 + w.b2
        layer = cls(near, far, near.new_empty(len(near), 1), memory("out", near), matrix)
        across = matrix.T.clone()

        tiles = _tiles(near, far, layer.out, layer.length, *([dropout.draws] if dropout else []))

        def work(lane: int, tile: tuple[Tensor, ...]) -> None:
            near, far, out, length, *draws = tile
            space = _space(near)
            torch.addmm(bias, space.fill(near, far), across, out=out)
            F.leaky_relu_(out, SLOPE)
            if dropout is not None:
                out *= torch.ge(draws[0], dropout.least, out=space.row)
            out /= torch.linalg.vector_norm(out, dim=1, keepdim=True, out=length).clamp_min_(TINY)

        over(tiles, work)
        return layer

    def backward(self, gradient: Tensor, to_near: Tensor, to_far: Tensor) -> list[Tensor]:
        """Writes the gradients of near and far (n, dim), gives those of the weights.

        ``to_near`` may be the output and ``to_far`` may be far, which are not needed afterwards.
        """
        dim, one = gradient.shape[1], torch.ones_like(self.length)
        to_matrix, to_bias = gradient.new_zeros(LANES, dim, 2 * dim), gradient.new_zeros(LANES, dim)
        scale = self.length.reciprocal()
        tiles = _tiles(gradient.contiguous(), self.near, self.far, self.out, scale, one, to_near, to_far)

        def work(lane: int, tile: tuple[Tensor, ...]) -> None:
            gradient, near, far, out, scale, one, to_near, to_far = tile
            space = _space(near)
            # The gradient of v · g/‖v‖, at a v of length 1 and a g of 1/length, so that of normalising; then of
            # LeakyReLU; then of dropping (and a row of zeros, to which the first does not apply, gets none).
            hidden, _ = torch.ops.aten._weight_norm_interface_backward(gradient, out, scale, one, 0)
            torch.ops.aten.leaky_relu_backward.grad_input(hidden, out, SLOPE, True, grad_input=hidden)
            torch.ops.aten.hardshrink_backward.grad_input(hidden, out, 0.0, grad_input=hidden)
            to_matrix[lane].addmm_(hidden.T, space.fill(near, far))
            to_bias[lane] += hidden.sum(0)
            torch.mm(hidden, self.matrix, out=space.pair)
            torch.addcmul(space.left, space.right, far, out=to_near)
            torch.addcmul(space.left, space.right, near, out=to_far)

        over(tiles, work)
        first, second = to_matrix.sum(0).split(dim, dim=1)
        bias = to_bias.sum(0)
        return [first, second, bias, bias]


@dataclass(frozen=True)
class _Space:
    """A thread's memory for one tile: ``pair`` (rows, 2 · dim) is ``left`` beside ``right``, ``row`` (rows, dim)."""

    pair: Tensor
    left: Tensor
    right: Tensor
    row: Tensor

    @classmethod
    def of(cls, pair: Tensor, row: Tensor) -> _Space:
        """Of two tables."""
        left, right = pair.split(row.shape[1], dim=1)
        return cls(pair, left, right, row)

    def fill(self, near: Tensor, far: Tensor) -> Tensor:
        """E + P beside P ⊙ E: with both weights side by side, a product with each is one product."""
        torch.add(near, far, out=self.left)
        torch.mul(near, far, out=self.right)
        return self.pair


class _Spaces(threading.local):
    def __init__(self) -> None:
        self.by_size: dict[tuple[int, int], _Space] = {}


_spaces = _Spaces()


def _space(tile: Tensor) -> _Space:
    rows, dim = tile.shape
    if tile.device.type != "cpu":
        return _Space.of(tile.new_empty(rows, 2 * dim), tile.new_empty(rows, dim))
    if (TILE, dim) not in _spaces.by_size:
        _spaces.by_size[TILE, dim] = _Space.of(tile.new_empty(TILE, 2 * dim), tile.new_empty(TILE, dim))
    space = _spaces.by_size[TILE, dim]
    return _Space.of(space.pair[:rows], space.row[:rows])


def _tiles(*tables: Tensor) -> list[tuple[Tensor, ...]]:
    """The tables' rows in equal parts, of at most TILE on a CPU, so that threads end together; else all at once."""
    rows = max(len(tables[0]), 1)
    count = -(-rows // TILE) if tables[0].device.type == "cpu" else 1
    return list(zip(*(table.split(-(-rows // count)) for table in tables), strict=True))


def _fresh(name: str, like: Tensor) -> Tensor:
    return torch.empty_like(like, requires_grad=False, memory_format=torch.contiguous_format)


def ngcf_layer(near: Tensor, far: Tensor, weights: Weights, dropout: Dropout | None = None) -> Tensor:
    """One layer's output (n, dim) from its input and the propagated input, differentiable in both and in the weights."""
    out: Tensor = _Layer.apply(near, far, weights.w1, weights.w2, weights.b1, weights.b2, dropout)
    return out


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, near: Tensor, far: Tensor, *rest: Any) -> Tensor:
        layer = ctx.layer = _Dense.forward(near.detach(), far.detach(), Weights(*rest[:4]), rest[4], _fresh)
        return layer.out.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        to_near, to_far = torch.empty_like(gradient), torch.empty_like(gradient)
        weights = ctx.layer.backward(gradient, to_near, to_far)
        return to_near, to_far, *weights, None


def ngcf_rows(
    table: Tensor, adjacency: Adjacency, rows: Tensor, weights: Sequence[Weights], dropout: Sequence[Dropout | None]
) -> Tensor:
    """All layers side by side at distinct ``rows``, (len(rows), (layers + 1) · dim), differentiable.

    The last layer is computed at these rows only, so its entry of ``dropout`` has their number of rows.
    """
    flat = [part for w in weights for part in (w.w1, w.w2, w.b1, w.b2)]
    result: Tensor = _Rows.apply(table, adjacency, rows, tuple(dropout), *flat)
    return result


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, adjacency: Adjacency, rows: Tensor, dropout: Any, *flat: Tensor) -> Tensor:
        ctx.table, ctx.adjacency, ctx.rows, ctx.layers = table, adjacency, rows, []
        near = table.detach()
        read = [near.index_select(0, rows)]
        for k, dropped in enumerate(dropout):
            last = k == len(dropout) - 1
            if last:
                far, near = adjacency.product_rows(near, rows), read[-1]
            else:
                far = adjacency.into(adjacency.kept(f"far {k}", near), near)
            layer = _Dense.forward(
                near, far, Weights(*flat[4 * k : 4 * k + 4]), dropped, _fresh if last else _memory(ctx, k)
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
        gathered = part
        for k in range(len(ctx.layers) - 1, -1, -1):
            last = k == len(ctx.layers) - 1
            layer = ctx.layers[k]
            grads = layer.backward(gathered, layer.out, layer.far) + grads
            if last:
                gathered = _spread(adjacency, table, rows, layer.out, layer.far)
            else:
                gathered = adjacency.into(layer.out, layer.far, add=True)
            gathered.index_add_(0, rows, parts[k])
        if table.grad is None:
            return gathered.clone(), None, None, None, *grads
        table.grad.add_(gathered)
        return None, None, None, None, *grads


def _spread(adjacency: Adjacency, table: Tensor, rows: Tensor, to_near: Tensor, to_far: Tensor) -> Tensor:
    """The gradient of the last layer's input, (nodes, dim), from that of its inputs at ``rows``."""
    spread = adjacency.kept("start", table).index_add_(0, rows, to_far)
    gathered = adjacency.into(adjacency.kept("gathered", table), spread).index_add_(0, rows, to_near)
    spread.index_fill_(0, rows, 0.0)  # zero again for the next step
    return gathered


def _memory(ctx: Any, k: int) -> Memory:
    """Memory of layer k that outlives the step; layers share all but the output, which the gradient needs."""
    adjacency: Adjacency = ctx.adjacency
    return lambda name, like: adjacency.kept(f"{name} {k if name == 'out' else ''}", like)

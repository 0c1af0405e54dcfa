"""Reading the layers E, L E, L L E, … of propagation at some rows, as the graph methods want them (cards §2.2-2.4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from llmhd_tools.train.ops.propagation import Adjacency


class Operator(Protocol):
    """A matrix over nodes that tables are multiplied with."""

    def product(self, table: Tensor) -> Tensor:
        """The matrix times (nodes, dim), differentiable."""


# What is added to a layer as soon as it is made, (nodes, dim), from the layer; it has no gradient
Shift = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Read:
    """One thing to read: the sum over k of ``weights[k]`` · layer k, at ``rows`` or (None) at all nodes.

    Reads of one ``shift`` see the same layers, those that it shifted; None: as they are.
    """

    weights: tuple[float, ...]
    rows: Tensor | None = None
    shift: Shift | None = None

    def weight(self, k: int) -> float:
        """Layer k's weight."""
        return self.weights[k] if k < len(self.weights) else 0.0

    def start(self, layer: Tensor) -> Tensor:
        """Layer 0's part of it."""
        return (layer if self.rows is None else layer.index_select(0, self.rows)) * self.weight(0)

    def add(self, total: Tensor, layer: Tensor, k: int) -> None:
        """Add layer k's part of it to ``total``, which has this read's rows."""
        if self.weight(k):
            total.add_(layer if self.rows is None else layer.index_select(0, self.rows), alpha=self.weight(k))

    def spread(self, table: Tensor, gradient: Tensor, k: int) -> None:
        """Add what layer k gets of this read's ``gradient`` to ``table``, which has all nodes' rows."""
        if self.weight(k):
            if self.rows is None:
                table.add_(gradient, alpha=self.weight(k))
            else:
                table.index_add_(0, self.rows, gradient, alpha=self.weight(k))


def mean_of(layers: int) -> tuple[float, ...]:
    """Weights of the uniform mean of layers 0..layers."""
    return (1.0 / (layers + 1),) * (layers + 1)


def mean_after(layers: int) -> tuple[float, ...]:
    """Weights of the uniform mean of layers 1..layers, without layer 0."""
    return (0.0,) + (1.0 / layers,) * layers


def only(k: int) -> tuple[float, ...]:
    """Weights that read layer k alone."""
    return (0.0,) * k + (1.0,)


def read_layers(operators: Sequence[Operator], table: Tensor, reads: Sequence[Read]) -> tuple[Tensor, ...]:
    """The reads of the layers E, M₁ E, M₂ M₁ E, …, each (its rows, dim), differentiable.

    ``operators`` are M₁, M₂, …. Where all are symmetric the gradient runs through the same products (Horner's rule).
    """
    if all(isinstance(operator, Adjacency) for operator in operators):
        read: tuple[Tensor, ...] = _ReadLayers.apply(table, tuple(operators), tuple(reads))
        return read
    layers = {shift: _made(operators, table, shift) for shift in _shifts(reads)}
    return tuple(_plain(layers[read.shift], read) for read in reads)


def _made(operators: Sequence[Operator], table: Tensor, shift: Shift | None) -> list[Tensor]:
    layers = [table]
    for operator in operators:
        layer = operator.product(layers[-1])
        layers.append(layer if shift is None else layer + shift(layer.detach()))
    return layers


def _shifts(reads: Sequence[Read]) -> list[Shift | None]:
    return list(dict.fromkeys(read.shift for read in reads))


def _plain(layers: list[Tensor], read: Read) -> Tensor:
    total = sum(weight * layer for weight, layer in zip(read.weights, layers, strict=False) if weight)
    assert isinstance(total, Tensor)
    return total if read.rows is None else total.index_select(0, read.rows)


class _ReadLayers(torch.autograd.Function):
    """The gradient of a read at layer k is L^k G; all reads together take one product a layer, whatever shifts their
    layers. Where ``table`` has a ``.grad``, it is added to in place."""

    @staticmethod
    def forward(
        ctx: Any, table: Tensor, operators: tuple[Adjacency, ...], reads: tuple[Read, ...]
    ) -> tuple[Tensor, ...]:
        ctx.table, ctx.operators, ctx.reads = table, operators, reads
        table = table.detach()
        totals = [read.start(table) for read in reads]
        for shift in _shifts(reads):
            pairs = [(read, total) for read, total in zip(reads, totals, strict=True) if read.shift is shift]
            _pass(table, operators, shift, pairs)
        return tuple(totals)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        table, operators, pairs = ctx.table, ctx.operators, list(zip(ctx.reads, gradients, strict=True))
        grad = table.grad if table.is_leaf else None
        out = torch.zeros_like(table, requires_grad=False) if grad is None else grad
        gathered = _first(table, operators, pairs) if operators else out
        for k in range(len(operators), -1, -1):
            if k < len(operators) or not operators:
                for read, gradient in pairs:
                    read.spread(gathered, gradient, k)
            if k == 1:
                gathered = operators[0].into(out, gathered, add=True)
            elif k:
                gathered = operators[k - 1].into(operators[0].kept(f"layer {k % 2}", out), gathered)
        return (out if grad is None else None), None, None


def _pass(
    table: Tensor, operators: tuple[Adjacency, ...], shift: Shift | None, pairs: list[tuple[Read, Tensor]]
) -> None:
    """Make layers 1, 2, … and add them to the reads' totals; the last only where it is read, if it is not shifted."""
    layer = table
    for k, operator in enumerate(operators, 1):
        few = all(read.rows is not None or not read.weight(k) for read, _ in pairs)
        if k == len(operators) and few and shift is None:
            for read, total in pairs:
                if read.rows is not None and read.weight(k):
                    total.add_(operator.product_rows(layer, read.rows), alpha=read.weight(k))
            return
        layer = operator.into(operators[0].kept(f"layer {k % 2}", table), layer)
        if shift is not None:
            layer.add_(shift(layer))
        for read, total in pairs:
            read.add(total, layer, k)


def _first(table: Tensor, operators: tuple[Adjacency, ...], pairs: list[tuple[Read, Tensor]]) -> Tensor:
    """The gradient of the last layer, with as few passes over a table as there must be."""
    start, last = operators[0].kept("gradient", table), len(operators)
    read, gradient = pairs[0]
    if read.rows is None:
        torch.mul(gradient, read.weight(last), out=start)
        pairs = pairs[1:]
    else:
        start.zero_()
    for read, gradient in pairs:
        read.spread(start, gradient, last)
    return start

"""InfoNCE over all nodes (cards §2.3-2.4), loss and gradient in one sweep over blocks that stay in the cache."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from llmhd_tools.train.ops.threads import LANES, over

BLOCK = 128  # anchors at a time: their similarities to 11k candidates are 5.6 MB
TINY = 1e-12  # as in torch.nn.functional.normalize
LOW = 0.02  # the least temperature: exp(1/τ) of all nodes must stay far from float32's end, so no maximum is taken off


class Contrast:
    """One contrast of a step; its large tables are kept from step to step, for touching new memory takes long."""

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature
        self._kept: dict[str, Tensor] = {}

    def __call__(
        self, anchors: Tensor, candidates: Tensor, positive: Tensor, count: Tensor, gradient: Tensor | None = None
    ) -> Tensor:
        """Σ_a count_a · (-s(a, positive_a)/τ + log Σ_v exp(s(a, v)/τ)), s the cosine, v over all candidates.

        ``anchors`` (a, d), ``candidates`` (v, d), ``positive`` (a,) rows of the candidates, ``count`` (a,) how often
        each anchor stands in the batch. Differentiable in anchors and candidates; a scalar. With ``gradient`` (v, d),
        that of the candidates is added to it at the backward pass, which saves autograd's passes over whole tables.
        """
        total: Tensor = _InfoNCE.apply(anchors, candidates, positive, count, self, gradient)
        return total

    def kept(self, name: str, like: Tensor, rows: int) -> Tensor:
        """A table of this name and so many rows, as wide as that one, to write to."""
        size, table = rows * like.shape[1], self._kept.get(name)
        if table is None or len(table) < size or table.device != like.device:
            table = self._kept[name] = like.new_empty(size, requires_grad=False)
        return table[:size].view(rows, like.shape[1])

    def sweep(self, near: Tensor, far: Tensor, count: Tensor, to_near: Tensor | None, to_far: Tensor | None) -> Tensor:
        """Σ_v exp(s(a, v)/τ) of each anchor, (a,), both sides of length 1.

        Writes Σ_v p_av far_v to ``to_near`` and Σ_a p_av near_a to ``to_far``, p = count · softmax.
        """
        mass, tiles = torch.empty_like(count), _tiles(far)
        buffer = self.kept("block", near[:BLOCK].T, len(far)).view(-1)
        for start in range(0, len(near), BLOCK):
            part = slice(start, start + BLOCK)
            size = len(count[part])
            block = buffer[: size * len(far)].view(len(far), size)
            mean = None if to_near is None else to_near[part]
            torch.sum(_read(near[part] / self.temperature, far, block, tiles, mean), 0, out=mass[part])
            share = (count[part] / mass[part])[:, None]
            if mean is not None:
                mean *= share
            if to_far is not None:
                _write(to_far, block, near[part] * share, tiles, add=start > 0)
        return mass


def _read(near: Tensor, far: Tensor, block: Tensor, tiles: list[slice], mean: Tensor | None) -> Tensor:
    """Writes exp(s / τ) of candidates (v, d) and anchors (a, d), which are over τ, to ``block`` (v, a).

    Its sums over the candidates of each tile, (tiles, a); ``mean`` (a, d) becomes the candidates' sum weighted by it.
    """
    across, sums = near.T.contiguous(), near.new_empty(len(tiles), len(near))
    means = None if mean is None else near.new_empty(len(tiles), *near.shape)

    def work(lane: int, tile: slice) -> None:
        likeness = torch.mm(far[tile], across, out=block[tile]).exp_()
        torch.sum(likeness, 0, out=sums[lane])
        if means is not None:
            torch.mm(likeness.T, far[tile], out=means[lane])

    over(tiles, work)
    if mean is not None and means is not None:
        torch.sum(means, 0, out=mean)
    return sums


def _write(to_far: Tensor, block: Tensor, near: Tensor, tiles: list[slice], add: bool) -> None:
    """Writes the anchors' sums weighted by ``block`` (v, a) to ``to_far`` (v, d), or adds them to it."""

    def work(lane: int, tile: slice) -> None:
        torch.addmm(to_far[tile], block[tile], near, beta=float(add), out=to_far[tile])

    over(tiles, work)


def _tiles(far: Tensor) -> list[slice]:
    """A stretch of the candidates for each lane; all in one where it is not the processor that computes."""
    size = max(-(-len(far) // LANES) if far.device.type == "cpu" else len(far), 1)
    return [slice(start, min(start + size, len(far))) for start in range(0, len(far), size)]


def counted(nodes: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct nodes, ascending, and how often each stands there (float32)."""
    distinct, count = torch.unique(nodes, return_counts=True)
    return distinct, count.to(torch.float32)


class _InfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        candidates: Tensor,
        positive: Tensor,
        count: Tensor,
        contrast: Contrast,
        gradient: Tensor | None,
    ) -> Tensor:
        near_length, far_length = length(anchors), length(candidates)
        near, far = anchors / near_length, contrast.kept("far", candidates, len(candidates))
        torch.div(candidates, far_length, out=far)
        own = far.index_select(0, positive)
        to_near = torch.empty_like(near) if ctx.needs_input_grad[0] else None
        to_far = contrast.kept("to far", far, len(far)) if ctx.needs_input_grad[1] or gradient is not None else None
        mass = contrast.sweep(near, far, count, to_near, to_far)
        if to_near is not None:  # the softmax-weighted mean of the candidates, less the positive one
            to_near.addcmul_(own, count[:, None], value=-1.0)
            before_unit(to_near, near, near_length * contrast.temperature)
        if to_far is not None:
            to_far.zero_() if not len(near) else to_far.index_add_(0, positive, near * count[:, None], alpha=-1.0)
            before_unit(to_far, far, far_length * contrast.temperature)
        ctx.gradients, ctx.added = (to_near, to_far), gradient
        total: Tensor = (count * (mass.log() - (near * own).sum(1) / contrast.temperature)).sum()
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        near, far = ctx.gradients  # multiplied in place: there is one backward
        ctx.gradients = None
        near = None if near is None else near.mul_(gradient)
        if ctx.added is not None:
            ctx.added.addcmul_(far, gradient)
            far = None
        elif far is not None:
            far.mul_(gradient)
        return near, far, None, None, None, None


def length(table: Tensor) -> Tensor:
    """The rows' lengths, (n, 1); a zero row's is not zero."""
    found: Tensor = torch.linalg.vector_norm(table, dim=1, keepdim=True)
    return found.clamp_min_(TINY)


def before_unit(gradient: Tensor, unit: Tensor, length: Tensor) -> None:
    """Turn the gradient after normalising, (n, d), into that before it."""
    along = torch.linalg.vecdot(gradient, unit)[:, None]
    gradient.addcmul_(unit, along, value=-1.0).div_(length)

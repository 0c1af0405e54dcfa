"""InfoNCE over all nodes (cards §2.3-2.4), forward and gradient in one sweep over blocks that stay in the cache."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 128  # anchors at a time: 128 × 11k similarities are 5.6 MB


def contrast(anchors: Tensor, candidates: Tensor, positive: Tensor, count: Tensor, temperature: float) -> Tensor:
    """Σ_a count_a · (-s(a, positive_a)/τ + log Σ_v exp(s(a, v)/τ)), s the cosine, v over all candidates.

    ``anchors`` (a, d), ``candidates`` (v, d), ``positive`` (a,) rows of the candidates, ``count`` (a,) how often each
    anchor stands in the batch. Differentiable in anchors and candidates; a scalar.
    """
    total: Tensor = _InfoNCE.apply(
        F.normalize(anchors, dim=1), F.normalize(candidates, dim=1), positive, count, temperature
    )
    return total


def counted(nodes: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct nodes, ascending, and how often each stands there (float32)."""
    distinct, count = torch.unique(nodes, return_counts=True)
    return distinct, count.to(torch.float32)


class _InfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, anchors: Tensor, candidates: Tensor, positive: Tensor, count: Tensor, temperature: float
    ) -> Tensor:
        near, far = ctx.needs_input_grad[0], ctx.needs_input_grad[1]
        near_gradient = torch.empty_like(anchors) if near else None
        far_gradient = torch.zeros_like(candidates) if far else None
        scaled = anchors / temperature
        buffer = anchors.new_empty(min(BLOCK, len(anchors)), len(candidates))
        total = anchors.new_zeros(())
        for start in range(0, len(anchors), BLOCK):
            part = slice(start, start + BLOCK)
            weight, block = count[part], buffer[: len(count[part])]
            torch.mm(scaled[part], candidates.T, out=block)
            own = block.gather(1, positive[part].to(torch.int64)[:, None]).squeeze(1)
            top = block.amax(1)
            block.sub_(top[:, None]).exp_()
            mass = block.sum(1)
            total += (weight * (mass.log() + top - own)).sum()
            if near_gradient is None and far_gradient is None:
                continue
            share = weight / mass
            if near_gradient is not None:  # softmax-weighted mean of the candidates, less the positive
                torch.mm(block, candidates, out=near_gradient[part])
                near_gradient[part].mul_(share[:, None])
            if far_gradient is not None:
                far_gradient.addmm_(block.T, anchors[part] * share[:, None])
        if near_gradient is not None:
            near_gradient -= count[:, None] * candidates.index_select(0, positive)
        if far_gradient is not None:
            far_gradient.index_add_(0, positive, count[:, None] * anchors, alpha=-1.0)
        ctx.gradients, ctx.temperature = (near_gradient, far_gradient), temperature
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        near, far = (None if g is None else g * (gradient / ctx.temperature) for g in ctx.gradients)
        return near, far, None, None, None

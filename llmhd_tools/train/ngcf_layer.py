"""The dense part of an NGCF layer with its gradient by hand: few passes over the tables, none kept twice."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

SLOPE = 0.2
TINY = 1e-12  # as in torch.nn.functional.normalize


def ngcf_layer(
    near: Tensor, far: Tensor, w1: Tensor, w2: Tensor, b1: Tensor, b2: Tensor, mask: Tensor | None = None
) -> Tensor:
    """normalize₂(mask ⊙ LeakyReLU((E + P)W₁ᵀ + b₁ + (P ⊙ E)W₂ᵀ + b₂)), (n, out), for E ``near``, P = LE ``far``."""
    out: Tensor = _Layer.apply(near, far, w1, w2, b1, b2, mask)
    return out


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, near: Tensor, far: Tensor, w1: Tensor, w2: Tensor, b1: Tensor, b2: Tensor, mask: Tensor | None
    ) -> Tensor:
        both, common = near + far, near * far
        hidden = torch.addmm(b1 + b2, both, w1.T).addmm_(common, w2.T)
        slope = torch.where(hidden > 0, 1.0, SLOPE)
        if mask is not None:
            slope *= mask
        hidden *= slope
        length = torch.linalg.vector_norm(hidden, dim=1, keepdim=True).clamp_min_(TINY)
        hidden /= length
        ctx.save_for_backward(near, far, w1, w2, both, common, slope, length, hidden)
        return hidden

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        near, far, w1, w2, both, common, slope, length, out = ctx.saved_tensors
        inner = (gradient * out).sum(1, keepdim=True)
        hidden = torch.addcmul(gradient, out, inner, value=-1.0).div_(length).mul_(slope)
        bias = hidden.sum(0)
        to_both, to_common = hidden @ w1, hidden @ w2
        to_near = torch.addcmul(to_both, to_common, far)
        to_far = to_both.addcmul_(to_common, near)
        return to_near, to_far, hidden.T @ both, hidden.T @ common, bias, bias, None

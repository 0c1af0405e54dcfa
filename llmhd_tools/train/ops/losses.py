"""Objectives and the regulariser (LLMHD Eq. 1-2; card §1.6), per sample and on logits.

What passes over the batch's rows has its gradient by hand: autograd would make and touch a table for every operation.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def bpr(positive: Tensor, negative: Tensor) -> Tensor:
    """softplus(-(ŷ_ui - ŷ_uj)) of each triple, (n,). Unlike -log(ε + σ(·)) it never saturates."""
    return F.softplus(negative - positive)


def bce(logit: Tensor, label: Tensor) -> Tensor:
    """softplus(ŷ) - y·ŷ of each labelled row, (n,)."""
    return F.softplus(logit) - label * logit


def embedding_norms(*groups: Tensor) -> Tensor:
    """RecBole's EmbLoss: the sum of the groups' un-squared Frobenius norms over the batch size, the rows of one group."""
    norms: Tensor = torch.stack([torch.linalg.vector_norm(group) for group in groups]).sum()
    return norms / len(groups[-1])


def logits(rows: Tensor, size: int) -> tuple[Tensor, ...]:
    """ŷ_ui and, where there are negatives, ŷ_uj, (size,) each: dot products of users' rows with the other groups'.

    ``rows`` (groups · size, dim) are users, items and, it may be, negatives. Differentiable.
    """
    dots: tuple[Tensor, ...] = _Dots.apply(rows, size)
    return dots


def row_norms(rows: Tensor, size: int) -> Tensor:
    """``embedding_norms`` of the groups of ``size`` rows, in one."""
    norms: Tensor = _Norms.apply(rows, size)
    return norms


class _Dots(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, size: int) -> tuple[Tensor, ...]:
        ctx.save_for_backward(rows)
        user, *others = rows.split(size)
        return tuple((user * other).sum(1) for other in others)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        out, size = torch.empty_like(rows), len(gradients[0])
        (user, *others), (to_user, *to_others) = rows.split(size), out.split(size)
        for k, gradient in enumerate(gradients):
            weight = gradient[:, None]
            torch.mul(user, weight, out=to_others[k])
            torch.mul(others[0], weight, out=to_user) if k == 0 else to_user.addcmul_(others[k], weight)
        return out, None


class _Norms(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, size: int) -> Tensor:
        norms = torch.linalg.vector_norm(rows.reshape(-1, size * rows.shape[1]), dim=1)
        ctx.size = size
        ctx.save_for_backward(rows, norms)
        total: Tensor = norms.sum() / size
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        rows, norms = ctx.saved_tensors
        weight = torch.where(norms > 0, gradient / (norms * ctx.size), 0.0)  # a norm's gradient at 0 is taken to be 0
        return (rows.reshape(len(norms), -1) * weight[:, None]).view_as(rows), None

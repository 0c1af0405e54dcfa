"""The softmax loss of pairs against many candidates, loss and gradient by hand in blocks that stay in the cache.

Autograd would make and touch a table of pairs and candidates for every operation: at 4,096 pairs a batch 50 MB each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from llmhd_tools.train.ops.contrast import before_unit, length
from llmhd_tools.train.ops.threads import LANES, over

_BLOCK = 128  # pairs at a time


@dataclass(frozen=True)
class Candidates:
    """What the pairs of a batch are ranked against: some of its own items.

    ``place`` (c,) is where in the batch each stands first, ``own`` (b,) which of them is the pair's item. ``bias`` (c,)
    is added to their logits, or None. ``hidden`` says which are no negatives of which pair: pairs in ascending order and
    candidates, (h,) each, and where the pairs of each block begin.
    """

    place: Tensor
    own: Tensor
    bias: Tensor | None
    hidden: tuple[Tensor, Tensor]
    starts: list[int]


def softmax(rows: Tensor, candidates: Candidates, temperature: float) -> tuple[Tensor, Tensor]:
    """(b,) logits s/τ and (b,) losses -s_own/τ + log Σ_v exp(s_v/τ) of pairs; s is the cosine, v their candidates.

    ``rows`` (2b, d) are z of users and of items; differentiable in the losses, not in the logits. No maximum is taken
    off before exp, so 1/τ must stay far below 88.
    """
    logit, loss = _Softmax.apply(rows, candidates, temperature)
    return logit, loss


def block_starts(pairs: Tensor, size: int) -> list[int]:
    """Where the ascending ``pairs`` (h,) of each block of a batch of ``size`` begin, and where the last one ends."""
    bounds = torch.arange(0, size + _BLOCK, _BLOCK, device=pairs.device)
    return [int(start) for start in torch.searchsorted(pairs, bounds)]


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, candidates: Candidates, temperature: float) -> tuple[Tensor, Tensor]:
        user, item = rows.split(len(candidates.own))
        far = item.index_select(0, candidates.place)
        lengths = length(user), length(far)
        near, far = user / (lengths[0] * temperature), far / lengths[1]
        mass = near.new_empty(len(near))

        def work(lane: int, part: slice, likeness: Tensor) -> None:
            torch.sum(likeness, 1, out=mass[part])

        _sweep(near, far, candidates, work)
        logit = (near * far.index_select(0, candidates.own)).sum(1)
        shifted = logit if candidates.bias is None else logit + candidates.bias.index_select(0, candidates.own)
        ctx.candidates, ctx.temperature = candidates, temperature
        ctx.save_for_backward(near, far, *lengths, mass)
        ctx.mark_non_differentiable(logit)
        return logit, mass.log() - shifted

    @staticmethod
    def backward(ctx: Any, _: Tensor, gradient: Tensor) -> tuple[Tensor, None, None]:
        near, far, near_length, far_length, mass = ctx.saved_tensors
        candidates, size = ctx.candidates, len(near)
        to_rows = near.new_zeros((2 * size, near.shape[1]))
        to_near, lanes = to_rows[:size], near.new_zeros((LANES, *far.shape))
        share, block = gradient / mass, torch.arange(_BLOCK, device=near.device)

        def work(lane: int, part: slice, likeness: Tensor) -> None:
            likeness *= share[part, None]
            likeness[block[: len(likeness)], candidates.own[part]] -= gradient[part]
            torch.mm(likeness, far, out=to_near[part])
            lanes[lane].addmm_(likeness.T, near[part])

        _sweep(near, far, candidates, work)
        to_far = lanes.sum(0)
        before_unit(to_near, near * ctx.temperature, near_length * ctx.temperature)
        before_unit(to_far, far, far_length)
        to_rows[size:].index_copy_(0, candidates.place, to_far)
        return to_rows, None, None


def _sweep(near: Tensor, far: Tensor, candidates: Candidates, work: Callable[[int, slice, Tensor], None]) -> None:
    """Call ``work(lane, part, exp(s_v/τ + bias_v))`` for each block of pairs, (block, c), with 0 for what is hidden."""
    pairs, hidden = candidates.hidden
    buffers = near.new_empty((LANES, min(_BLOCK, len(near)), len(far)))

    def one(lane: int, block: int) -> None:
        start = block * _BLOCK
        part = slice(start, min(start + _BLOCK, len(near)))
        likeness = torch.mm(near[part], far.T, out=buffers[lane, : part.stop - start])
        if candidates.bias is not None:
            likeness += candidates.bias
        likeness.exp_()
        its = slice(candidates.starts[block], candidates.starts[block + 1])
        likeness[pairs[its] - start, hidden[its]] = 0.0
        work(lane, part, likeness)

    over(range(len(candidates.starts) - 1), one)

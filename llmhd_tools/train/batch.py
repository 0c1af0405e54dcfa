"""What passes between the trainer, the backbone and the denoiser for one mini-batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Params = dict[str, Tensor]  # a backbone's parameters by name


@dataclass(frozen=True)
class Batch:
    """One mini-batch on the device; items are numbered behind the users.

    ``nodes``: (3, b) users, items, negatives, or (2, b) without negatives and with ``label`` (b,), 1.0 or 0.0.
    ``step`` is T, the optimiser steps done before. ``judge`` says, of the step's own losses (b,), which samples are
    kept, (b,) of 0 and 1.
    """

    nodes: Tensor
    label: Tensor | None
    step: int
    judge: Callable[[Tensor], Tensor] | None = None

    def __len__(self) -> int:
        return self.nodes.shape[1]

    def positives(self) -> Tensor:
        """(2, p) users and items of the observed rows, the anchors of contrastive terms (card §3.1)."""
        return self.nodes[:2] if self.label is None else self.nodes[:2, self.label == 1]


@dataclass(frozen=True)
class Rows:
    """A backbone's answer to a batch: (3b or 2b, ·) rows in the order of ``nodes``, flattened.

    The regulariser sees ``regularised``, scores are made of ``final``, ``extra`` is added to the loss (a scalar).
    """

    regularised: Tensor
    final: Tensor
    extra: Tensor | None = None


@dataclass(frozen=True)
class Weighed:
    """A denoiser's answer: (b,) losses and their weights; ``renormalise`` divides a mean by the weights' sum, not by b.

    ``trust`` (b,) tells how far it believes the rows' labels, where that is something else than the weight.
    """

    losses: Tensor
    weight: Tensor | None = None
    renormalise: bool = True
    trust: Tensor | None = None

    def reduce(self, reduction: str) -> Tensor:
        """The batch's loss, a scalar; ``reduction`` is mean or sum."""
        if self.weight is None:
            return self.losses.sum() if reduction == "sum" else self.losses.mean()
        total = (self.losses * self.weight).sum()
        if reduction == "sum":
            return total
        return total / (self.weight.sum().clamp(min=1) if self.renormalise else len(self.losses))

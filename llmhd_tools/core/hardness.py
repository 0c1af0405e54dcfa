"""Which judged candidates are hard samples, to be kept, and which are noise (LLMHD Eq. 12-16; llmhd.md §5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Floats, Mask

PAIR_RULES = ("gap-above", "gap-below", "band")
POINT_RULES = ("disagree", "agree", "band")


@dataclass(frozen=True)
class Moving:
    """A threshold that moves from ``start`` to ``end``, one point every ``alpha`` steps, and stays there."""

    start: float
    end: float
    alpha: float = 3000.0

    def at(self, step: NDArray[np.int64]) -> Floats:
        """The threshold at optimiser steps T, (n,)."""
        if self.start >= self.end:
            return np.asarray(np.maximum(self.start - step / self.alpha, self.end))
        return np.asarray(np.minimum(self.start + step / self.alpha, self.end))


@dataclass(frozen=True)
class Thresholds:
    """Where scores divide: ε_pair, ε_pos and ε_neg (Eq. 16, 13, 14), and the band rule's δ, lo and hi (ours)."""

    pair: Moving = Moving(7.0, 3.0)
    positive: Moving = Moving(8.0, 6.0)
    negative: Moving = Moving(2.0, 4.0)
    gap: float = 2.0
    low: float = 3.0
    high: float = 8.0


def hard_pairs(score: Floats, negative_score: Floats, step: NDArray[np.int64], t: Thresholds, rule: str) -> Mask:
    """Pairwise: which triples are hard, (n,) bool; ``step`` is each one's T. A pair without both scores (NaN) is not.

    ``gap-above``: s_ui - s_uj > ε_pair, Eq. 15 as printed. ``gap-below``: < ε_pair, the sentence before it. ``band``:
    everything that the scores do not deny, s_ui - s_uj > -gap.
    """
    gap = score - negative_score
    limit = t.pair.at(step)
    if rule == "gap-above":
        return np.asarray(gap > limit)
    if rule == "gap-below":
        return np.asarray(gap < limit)
    return np.asarray(gap > -t.gap)


def hard_points(score: Floats, label: NDArray[np.int8], step: NDArray[np.int64], t: Thresholds, rule: str) -> Mask:
    """Pointwise: which rows are hard, (n,) bool; a row without a score (NaN) is not.

    ``disagree``: s < ε_pos for a positive, s > ε_neg for a negative, Eq. 12 as printed. ``agree``: the mirror of it.
    ``band``: everything that the score does not deny (a positive's s > low, a negative's s < high).
    """
    positive_limit, negative_limit = t.positive.at(step), t.negative.at(step)
    if rule == "disagree":
        positive, negative = score < positive_limit, score > negative_limit
    elif rule == "agree":
        positive, negative = score > positive_limit, score < negative_limit
    else:
        positive, negative = score > t.low, score < t.high
    return np.where(label == 1, positive, negative)

"""Which judged candidates are hard samples, to be kept, and which are noise (LLMHD Eq. 12-16; llmhd.md §5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

PAIR_RULES = ("gap-above", "gap-below", "band")
POINT_RULES = ("disagree", "agree", "band")


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of Eq. 13, 14 and 16, moving with T/α between their ends, and those of the band rule (ours)."""

    alpha: float
    positive_start: float = 8.0
    positive_end: float = 6.0
    negative_start: float = 2.0
    negative_end: float = 4.0
    pair_start: float = 7.0
    pair_end: float = 3.0
    band_gap: float = 2.0
    band_low: float = 3.0
    band_high: float = 8.0


def hard_pairs(score: Floats, negative_score: Floats, step: NDArray[np.int64], t: Thresholds, rule: str) -> Flags:
    """Pairwise: which triples are hard, (n,) bool; ``step`` is each one's T. A pair without both scores (NaN) is not.

    ``gap-above``: s_ui - s_uj > ε_pair, Eq. 15 as printed. ``gap-below``: < ε_pair, the sentence before it. ``band``:
    everything that the scores do not deny, s_ui - s_uj > -band_gap.
    """
    gap = score - negative_score
    limit = np.maximum(t.pair_start - step / t.alpha, t.pair_end)
    if rule == "gap-above":
        return np.asarray(gap > limit)
    if rule == "gap-below":
        return np.asarray(gap < limit)
    return np.asarray(gap > -t.band_gap)


def hard_points(score: Floats, label: NDArray[np.int8], step: NDArray[np.int64], t: Thresholds, rule: str) -> Flags:
    """Pointwise: which rows are hard, (n,) bool; a row without a score (NaN) is not.

    ``disagree``: s < ε_pos for a positive, s > ε_neg for a negative, Eq. 12 as printed. ``agree``: the mirror of it.
    ``band``: everything that the score does not deny (a positive's s > band_low, a negative's s < band_high).
    """
    positive_limit = np.maximum(t.positive_start - step / t.alpha, t.positive_end)
    negative_limit = np.minimum(t.negative_start + step / t.alpha, t.negative_end)
    if rule == "disagree":
        positive, negative = score < positive_limit, score > negative_limit
    elif rule == "agree":
        positive, negative = score > positive_limit, score < negative_limit
    else:
        positive, negative = score > t.band_low, score < t.band_high
    return np.where(label == 1, positive, negative)

"""How far scores agree with marks, and with the scores of another judge."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Floats, Mask

GROUPS = 100  # at most so many parts are left out in turn


def kappa(one: NDArray[np.int64], other: NDArray[np.int64], levels: int) -> float | None:
    """Cohen's κ of two judges' levels 0..levels-1, (n,) each, a disagreement weighed by its square (Cohen 1968).

    1: they agree, 0: no more than by chance. With two levels it is the plain κ. None where chance leaves nothing to
    disagree about, as where both gave one level throughout.
    """
    if not len(one):
        return None
    places = np.arange(levels)
    cost = (places[:, None] - places[None, :]) ** 2.0
    seen = np.zeros((levels, levels))
    np.add.at(seen, (one, other), 1 / len(one))
    chance = float((cost * np.outer(seen.sum(1), seen.sum(0))).sum())
    return None if chance == 0 else 1 - float((cost * seen).sum()) / chance


def jackknife(measure: Callable[[Mask], float | None], group: NDArray[np.int64]) -> float | None:
    """The standard error of a measure over rows, (n,), of which those of one group (codes) stand or fall together.

    ``measure`` gets a mask of rows. The groups are left out in at most ``GROUPS`` parts, one after the other (Tukey). None
    where some part leaves nothing to measure.
    """
    _, code = np.unique(group, return_inverse=True)
    part = code % GROUPS
    count = int(part.max()) + 1 if len(part) else 0
    if count < 2:
        return None
    values = [measure(part != left) for left in range(count)]
    if any(value is None for value in values):
        return None
    known = np.array(values, dtype=np.float64)
    return float(np.sqrt((count - 1) * known.var()))


def by_level(score: Floats, marked: Mask) -> list[tuple[int, int, float]]:
    """The calibration curve: each whole score that there is (halves up), its rows, and the marked share of them."""
    level = np.floor(score + 0.5).astype(np.int64)
    return [(int(s), int((level == s).sum()), float(marked[level == s].mean())) for s in np.unique(level)]

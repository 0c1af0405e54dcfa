"""How deep to ask: a threshold on a cheap signal that leaves little of what an expensive judge would find above it."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import binom

from llmhd_tools.core.arrays import Floats


def fewest_found(recall: float, delta: float) -> int:
    """How many findings a sample must hold for ``lowest_signal`` to vouch for ``recall`` at all: ⌈ln δ / ln recall⌉."""
    return math.ceil(math.log(delta) / math.log(recall))


def lowest_signal(found: Floats, recall: float, delta: float) -> float | None:
    """The threshold above which at least ``recall`` of all findings lie, with probability 1 - ``delta``.

    ``found`` (m,) is the signal of the findings in a uniform sample. Sorted from the highest, the r-th of them is a
    threshold that the share of all findings at or above it, whatever their distribution, falls short of ``recall`` with
    probability P(Binomial(m, recall) >= r) at most (Wilks 1941). The smallest r for which that is ``delta`` or less is
    taken; None where there is none, for lack of findings.
    """
    ordered = np.sort(found)[::-1]
    ranks = np.arange(1, len(ordered) + 1)
    good = np.flatnonzero(binom.sf(ranks - 1, len(ordered), recall) <= delta)
    return float(ordered[good[0]]) if len(good) else None

"""Area under the ROC curve: the chance that one group scores higher than another, ties counted half."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Floats, Mask


def auc(score: NDArray[Any], positive: Mask) -> float | None:
    """The chance that a positive scores above a negative, of (n,) scores; None where one group is empty."""
    _, values = auc_by_group(score, positive, np.zeros(len(score), dtype=np.int64))
    return float(values[0]) if len(values) else None


def auc_by_group(score: NDArray[Any], positive: Mask, group: NDArray[Any]) -> tuple[NDArray[np.int64], Floats]:
    """The same within each group (such as a user): codes of the groups that have both, ascending, and their values.

    ``score``, ``positive`` and ``group`` (codes from 0) are of one length. By ranks: U / (positives · negatives).
    """
    order = np.lexsort((score, group))
    score, positive, group = score[order], positive[order], group[order]
    n = int(group[-1]) + 1 if len(group) else 0
    above, below = (np.bincount(group[side], minlength=n) for side in (positive, ~positive))
    new = np.ones(len(group), dtype=bool)  # where a run of equal scores of one group begins
    new[1:] = (score[1:] != score[:-1]) | (group[1:] != group[:-1])
    start = np.flatnonzero(new)
    middle = (start + np.append(start[1:], len(group)) - 1) / 2  # a tie's rows all stand at its middle
    rank = middle[np.cumsum(new) - 1] - np.searchsorted(group, np.arange(n))[group]  # from 0
    total = np.bincount(group[positive], weights=rank[positive], minlength=n)
    both = np.flatnonzero((above > 0) & (below > 0))
    return both, (total[both] - above[both] * (above[both] - 1) / 2) / (above[both] * below[both])


def matched_auc(score: NDArray[Any], positive: Mask, match: NDArray[Any], parts: int = 20) -> float | None:
    """The chance that a positive scores above a negative that is like it by ``match`` (n,).

    The rows are cut into ``parts`` of equal size by ``match``; every pair of one part counts once. None without any.
    """
    order = np.empty(len(match), dtype=np.int64)
    order[np.argsort(match, kind="stable")] = np.arange(len(match))
    part = order * parts // max(len(match), 1)
    found, values = auc_by_group(score, positive, part)
    pairs = np.array([np.sum(part[positive] == p) * np.sum(part[~positive] == p) for p in found], dtype=np.float64)
    return float((values * pairs).sum() / pairs.sum()) if len(found) else None

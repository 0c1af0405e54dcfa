"""A soft prior at ranking: what is known of the items alone, added to what a model says of each user and item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from llmhd_tools import notes
from llmhd_tools.core.arrays import Floats
from llmhd_tools.core.metrics import METRICS, ByUser, hits_at, precision
from llmhd_tools.core.rankers import Blend, Dot, Ranker

GRID = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)


def with_prior(ranker: Ranker, appraisals: Floats, weight: float, known: sp.csr_array) -> Blend:
    """A ranker's scores plus ``weight`` times the standardised ``appraisals`` of the items, (items,).

    Both are standardised over the items that ``known`` (users, items) does not hold for the user, so that the weight is in
    standard deviations of the user's own scores.
    """
    users, items = ranker.shape
    prior = Dot(np.ones((users, 1), np.float32), appraisals.reshape(items, 1).astype(np.float32))
    return Blend([ranker, prior], [1.0, weight], known)


@dataclass(frozen=True)
class Yardstick:
    """What the weight of a prior is chosen by: ``metric`` at ``k`` on liked items that are held out, and dislikes if known.

    ``keep`` is the share of the metric without the prior that has to be kept.
    """

    metric: str
    k: int
    keep: float
    valid: ByUser
    hidden: Sequence[ByUser]
    disliked: ByUser | None = None


def choose_weight(ranker: Ranker, appraisals: Floats, known: sp.csr_array, by: Yardstick) -> float:
    """The largest weight of ``GRID`` that keeps the metric on valid; of those, with known dislikes, the one of fewest.

    Recall of held-out choices cannot see what a prior is for, that fewer of them disappoint: so the prior gets all the
    room that recall leaves it. Told are the metric and, where dislikes are known, their share among the first k, without
    the prior and with it.
    """

    def measured(held_out: ByUser, weight: float) -> tuple[float, float]:
        _, hits, relevant = hits_at(with_prior(ranker, appraisals, weight, known), held_out, by.hidden, by.k)
        return float(METRICS[by.metric](hits, relevant).mean()), float(precision(hits, relevant).mean())

    reached: list[tuple[float, float, float]] = []
    for weight in GRID:
        value = measured(by.valid, weight)[0]
        if not reached or value >= by.keep * reached[0][1]:
            share = measured(by.disliked, weight)[1] if by.disliked is not None else -weight
            reached.append((weight, value, share))
    plain, chosen = reached[0], min(reached, key=lambda one: one[2])
    told = f"; disliked-share@{by.k} {plain[2]:.4f}, then {chosen[2]:.4f}" if by.disliked is not None else ""
    notes.note(
        f"prior: weight {chosen[0]:g}; valid {by.metric}@{by.k} {plain[1]:.4f} without it, {chosen[1]:.4f} with it{told}"
    )
    if chosen[0] == GRID[-1]:
        notes.note("that is the largest weight tried: give --prior-weight to go further")
    return chosen[0]

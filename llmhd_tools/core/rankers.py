"""Rankers: what gives each user a score for every item. Whatever ranks, measures, suspects or recommends takes one.

Embeddings, item-item weights, and sums of several rankers. Scores compare within one user only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Floats
from llmhd_tools.core.pruning import predictions

Scores = NDArray[np.float32]
Users = NDArray[np.int64]

_USERS = 256  # whose scores are made at a time to look up those of pairs
_FLAT = 1e-6  # scores that differ by less than this share of their size are equal but for rounding


class Ranker(Protocol):
    """What users and items are, by number, and how much each user would want each item."""

    @property
    def shape(self) -> tuple[int, int]:
        """How many users and items there are."""

    def scores(self, users: Users, out: Scores | None = None) -> Scores:
        """Scores of all items for some users, (len(users), items) float32, written to ``out`` where it is given."""

    def predictions(self, user: Codes, item: Codes) -> Floats:
        """Scores of pairs, (n,) float64."""
        return _looked_up(self, user, item)


@dataclass(frozen=True)
class Dot(Ranker):
    """Embeddings z of ``users`` (n, d) and of ``items`` (m, d); a score is their dot product."""

    users: NDArray[np.float32]
    items: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows of both tables."""
        return len(self.users), len(self.items)

    def scores(self, users: Users, out: Scores | None = None) -> Scores:
        """Dot products with every item."""
        return np.asarray(np.matmul(self.users[users], self.items.T, out=out))

    def predictions(self, user: Codes, item: Codes) -> Floats:
        """Dot products of the pairs alone, in float64."""
        return predictions((self.users, self.items), user, item, "raw")


@dataclass(frozen=True)
class Linear(Ranker):
    """Item-item ``weights`` B (items, items) applied to what each user touched: scores are the rows of XB.

    ``interactions`` X (users, items) may hold weights of its own. With a diagonal of 0 no item speaks for itself, so the
    prediction of a pair in X is the others' alone.
    """

    interactions: sp.csr_array
    weights: sp.csr_array

    @property
    def shape(self) -> tuple[int, int]:
        """That of X."""
        users, items = self.interactions.shape
        return users, items

    def scores(self, users: Users, out: Scores | None = None) -> Scores:
        """Rows of XB."""
        found = sp.csr_array(self.interactions[users] @ self.weights)
        return np.asarray(found.toarray(out=out))


@dataclass(frozen=True)
class Blend(Ranker):
    """The sum of several rankers' scores, each standardised within the user and times its weight.

    Mean and deviation are taken over the items that ``known`` (users, items) does not hold for the user: those that are
    to be ranked. A part that scores them all alike adds nothing.
    """

    parts: Sequence[Ranker]
    weights: Sequence[float]
    known: sp.csr_array

    @property
    def shape(self) -> tuple[int, int]:
        """That of all parts."""
        return self.parts[0].shape

    def scores(self, users: Users, out: Scores | None = None) -> Scores:
        """Weighted sums of standard scores."""
        total = np.empty((len(users), self.shape[1]), np.float32) if out is None else out
        total[:] = 0.0
        theirs = self.known[users]
        known = np.repeat(np.arange(len(users)), np.diff(theirs.indptr)), theirs.indices
        part_scores = np.empty_like(total)
        for part, weight in zip(self.parts, self.weights, strict=True):
            if weight:
                total += _standardised(part.scores(users, part_scores), known, weight)
        return total


def _standardised(scores: Scores, known: tuple[NDArray[np.int64], NDArray[np.integer]], weight: float) -> Scores:
    """Scores (b, items), in place: each row of mean 0 and deviation ``weight`` over what is not ``known``."""
    hidden = scores[known]
    scores[known] = 0.0
    count = np.maximum(scores.shape[1] - np.bincount(known[0], minlength=len(scores)), 1)
    mean = (scores.sum(1, dtype=np.float64) / count).astype(np.float32)
    scores -= mean[:, None]
    scores[known] = 0.0
    deviation = np.sqrt(np.einsum("ij,ij->i", scores, scores, dtype=np.float64) / count)
    scores[known] = hidden - mean[known[0]]
    flat = deviation <= _FLAT * np.abs(mean)
    scores *= np.where(flat, 0.0, weight / np.where(flat, 1.0, deviation)).astype(np.float32)[:, None]
    return scores


def _looked_up(ranker: Ranker, user: Codes, item: Codes) -> Floats:
    """Scores of pairs, (n,), out of all of their users' scores, which are made once each."""
    who, where = np.unique(user, return_inverse=True)
    order = np.argsort(where, kind="stable")
    bounds = np.searchsorted(where[order], np.arange(0, len(who) + _USERS, _USERS))
    found = np.empty(len(user))
    for block, start in enumerate(range(0, len(who), _USERS)):
        scores = ranker.scores(who[start : start + _USERS].astype(np.int64))
        rows = order[bounds[block] : bounds[block + 1]]
        found[rows] = scores[where[rows] - start, item[rows]]
    return found

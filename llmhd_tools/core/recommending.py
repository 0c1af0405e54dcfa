"""Lists: what ranks first for users among what they have not touched, what is like an item, and what scores follow from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Floats
from llmhd_tools.core.metrics import ByUser, by_ties, top_items
from llmhd_tools.core.rankers import Blend, Dot, Linear, Ranker
from llmhd_tools.core.ties import Ties

Places = NDArray[np.int64]
_FLAT = 1e-6  # as the rankers': scores that differ by less are equal but for rounding


def first(
    ranker: Ranker, users: Places, seen: Sequence[ByUser], k: int, ties: Ties
) -> tuple[Places, Places, NDArray[np.float32]]:
    """The k best items of some users that ``seen`` does not hold for them, equal scores in the order of ``ties``.

    Returns, for each user in turn and best first, the user's place among ``users``, the item and its score, (n,) each;
    fewer than k where a user has touched nearly all.
    """
    scores = ranker.scores(users)
    for pairs in seen:
        scores[pairs.pairs(users)] = -np.inf
    tested = np.zeros((1, scores.shape[1]), dtype=bool)
    _, top = top_items(scores, k, ranked=by_ties(ties, users, scores, np.broadcast_to(tested, scores.shape), k))
    found = np.take_along_axis(scores, top, axis=1)
    place, rank = np.nonzero(found > -np.inf)
    return place, top[place, rank], found[place, rank]


def likeness(ranker: Ranker, item: int) -> Floats:
    """How much each item is like a given one, (items,): higher is more.

    Of embeddings the cosine with it, of item weights what having that item alone adds to each one's score, of a blend the
    weighted sum of its parts', each standardised over the other items.
    """
    if isinstance(ranker, Dot):
        return cosines(ranker.items, np.array([item]))[:, 0]
    if isinstance(ranker, Linear):
        return np.asarray(ranker.weights[[item]].toarray()[0], dtype=np.float64)
    assert isinstance(ranker, Blend)
    total, others = np.zeros(ranker.shape[1]), np.arange(ranker.shape[1]) != item
    for part, weight in zip(ranker.parts, ranker.weights, strict=True):
        found = likeness(part, item)
        total += _scale(found[others], weight) * (found - found[others].mean())
    return total


def cosines(vectors: NDArray[np.float32], some: NDArray[np.integer]) -> Floats:
    """Cosines (items, len(some)) of all rows of ``vectors`` with some of them; 0 for a row of zeros."""
    wide = vectors.astype(np.float64)
    length = np.linalg.norm(wide, axis=1, keepdims=True)
    wide /= np.where(length > 0, length, 1.0)
    return np.asarray(wide @ wide[some].T)


def _scale(scores: Floats, weight: float) -> float:
    """What standardising multiplies scores by; 0 where they are all alike."""
    mean, deviation = float(scores.mean()), float(scores.std())
    return 0.0 if deviation <= _FLAT * abs(mean) else weight / deviation


@dataclass(frozen=True)
class Because:
    """What the scores of some items follow from: the user's ``own`` items (o,), and of each its part of each score (n, o).

    ``exact``: the parts are addends of the score, and their sum is all of it that comes from item weights. Else they are
    cosines of item vectors: a likeness, and no cause.
    """

    own: Codes
    parts: Floats
    exact: bool


def because(ranker: Ranker, user: int, items: Places, own: Codes) -> Because:
    """What a user's scores of some ``items`` (n,) follow from; ``own`` are the items that the user touched.

    The addends are of those that the item weights were applied to, whatever ``own`` says.
    """
    if (exact := _addends(ranker, user, items)) is not None:
        return exact
    vectors = _vectors(ranker)
    return Because(own, cosines(vectors, own)[items] if vectors.shape[1] > 1 else np.zeros((len(items), 0)), False)


def _vectors(ranker: Ranker) -> NDArray[np.float32]:
    """The item vectors of embeddings, or of the heaviest of a blend's."""
    while isinstance(ranker, Blend):
        ranker = ranker.parts[int(np.argmax(np.abs(ranker.weights)))]
    assert isinstance(ranker, Dot)
    return ranker.items


def _addends(ranker: Ranker, user: int, items: Places) -> Because | None:
    """Rows of XB in their addends; of a blend those of its item weights, scaled as its scores are. None without weights."""
    if isinstance(ranker, Linear):
        theirs = ranker.interactions[[user]]
        weights = ranker.weights[theirs.indices][:, items].toarray().astype(np.float64)
        return Because(theirs.indices.astype(np.int32), (weights * theirs.data[:, None].astype(np.float64)).T, True)
    if not isinstance(ranker, Blend):
        return None
    open_ = np.ones(ranker.shape[1], dtype=bool)
    open_[ranker.known[[user]].indices] = False
    total: dict[int, Floats] = {}
    for part, weight in zip(ranker.parts, ranker.weights, strict=True):
        if not weight or (found := _addends(part, user, items)) is None:
            continue
        scores = part.scores(np.array([user]))[0][open_].astype(np.float64)
        scaled = found.parts * _scale(scores, weight)
        for place, item in enumerate(found.own.tolist()):
            total[item] = total.get(item, np.zeros(len(items))) + scaled[:, place]
    if not total:
        return None
    return Because(np.array([*total], dtype=np.int32), np.stack([*total.values()], axis=1), True)

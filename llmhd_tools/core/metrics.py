"""Ranking metrics over all items (card §1.5): blocked matrix products, exact top k, means over users with test items.

A metric is a function of ``hits`` (users, k) bool, the ranked list's hits from rank 1, and ``relevant`` (users,) int, the
number of test items of each user; it returns one value per user.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Counts, Floats, Mask, pair_keys
from llmhd_tools.core.rankers import Ranker
from llmhd_tools.core.ties import Ties

Hits = NDArray[np.bool_]

USERS_PER_BLOCK = 256
_LANES = 4  # blocks ranked side by side; each has scores of its own
_CHUNK = 32  # items per group of the two-stage top k


def recall(hits: Hits, relevant: Counts) -> Floats:
    """Hits among the first k, over all relevant items."""
    return np.asarray(hits.sum(1) / relevant, dtype=np.float64)


def precision(hits: Hits, relevant: Counts) -> Floats:
    """Hits among the first k, over k."""
    return recall(hits, np.full(len(hits), hits.shape[1]))


def hit(hits: Hits, relevant: Counts) -> Floats:
    """1 where the first k hold a relevant item."""
    return np.where(hits.any(1), 1.0, 0.0)


def ndcg(hits: Hits, relevant: Counts) -> Floats:
    """Discounted gain, 1/log2(rank+1) a hit, over that of the best possible list of k."""
    gain = 1.0 / np.log2(np.arange(2, hits.shape[1] + 2))
    best = np.concatenate([[0.0], np.cumsum(gain)])
    return np.asarray(hits @ gain / best[np.minimum(relevant, hits.shape[1])])


def mrr(hits: Hits, relevant: Counts) -> Floats:
    """1 over the rank of the first hit, 0 without one."""
    return np.where(hits.any(1), 1.0 / (hits.argmax(1) + 1), 0.0)


def map_(hits: Hits, relevant: Counts) -> Floats:
    """Precision at each hit's rank, summed over the first k, over all relevant items (TREC's map_cut)."""
    at_rank = np.cumsum(hits, 1) / np.arange(1, hits.shape[1] + 1)
    return np.asarray((at_rank * hits).sum(1) / relevant)


METRICS: dict[str, Callable[[Hits, Counts], Floats]] = {
    "recall": recall,
    "ndcg": ndcg,
    "precision": precision,
    "hit": hit,
    "mrr": mrr,
    "map": map_,
}


@dataclass(frozen=True)
class ByUser:
    """Items of each user, grouped: ``items[start[u]:start[u + 1]]`` are user u's; ``start`` is (users + 1,)."""

    start: Counts
    items: Codes

    @classmethod
    def of(cls, user: Codes, item: Codes, n_users: int) -> ByUser:
        """Group pairs (n,) by user, each one's items ascending; repeated pairs count once."""
        width = int(item.max(initial=0)) + 1
        keys = np.unique(pair_keys(user, item, width))
        return cls(np.searchsorted(keys, np.arange(n_users + 1) * width), (keys % width).astype(np.int32))

    def pairs(self, users: NDArray[np.int64]) -> tuple[NDArray[np.int64], Codes]:
        """For a block of users all their items: (position in the block, item) of each pair."""
        counts = self.start[users + 1] - self.start[users]
        offsets = np.repeat(self.start[users] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        return np.repeat(np.arange(len(users)), counts), self.items[offsets + np.arange(counts.sum())]


def top_items(
    scores: NDArray[np.float32],
    k: int,
    wanted: NDArray[np.float32] | None = None,
    ranked: Callable[[int], NDArray[np.int64]] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Columns of the k largest scores of each row, best first: the rows' numbers, and their columns (rows, k).

    Two stages: the k best lie in the k groups of largest maximum, and a maximum costs a tenth of a selection. A group
    is every ``chunks``-th column, so that the maxima are taken over whole rows of memory. The least of those k maxima
    bounds the k-th score from below, so rows whose ``wanted`` (rows,) score is under it may be left out.

    Of equal scores any may stand first. Where that is not good enough, ``ranked`` gives the list (k,) of a row in which a
    score above -inf stands twice, or once more behind the list: to see that, one more than k are selected.
    """
    rows, columns = np.arange(len(scores)), scores.shape[1]
    k = min(k, columns)
    more = min(k + (ranked is not None), columns)
    chunks = columns // _CHUNK
    if chunks <= more or more >= columns:
        return rows, _untied(scores, rows, _select(scores, more), k, ranked)
    groups = scores[:, : chunks * _CHUNK].reshape(len(rows), _CHUNK, chunks)
    most = groups.max(1)
    best = np.argpartition(-most, more - 1, axis=1)[:, :more]
    if wanted is not None:
        maxima = np.take_along_axis(most, best, axis=1)
        rows = np.flatnonzero(wanted >= np.partition(maxima, more - k, axis=1)[:, more - k])
        best = best[rows]
    where = (best[:, None] + chunks * np.arange(_CHUNK)[:, None]).reshape(len(rows), _CHUNK * more)
    rest = np.arange(chunks * _CHUNK, columns)
    where = np.concatenate([where, np.broadcast_to(rest, (len(rows), len(rest)))], axis=1)
    top = np.take_along_axis(where, _select(scores[rows[:, None], where], more), axis=1)
    return rows, _untied(scores, rows, top, k, ranked)


def _select(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    top = np.argpartition(-scores, k - 1, axis=1)[:, :k] if k < scores.shape[1] else np.argsort(-scores, axis=1)
    order = np.argsort(-np.take_along_axis(scores, top, axis=1), axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1)


def _untied(
    scores: NDArray[np.float32],
    rows: NDArray[np.int64],
    top: NDArray[np.int64],
    k: int,
    ranked: Callable[[int], NDArray[np.int64]] | None,
) -> NDArray[np.int64]:
    """The first k of ``top`` (rows, k or k + 1), but of the rows with equal scores there the list that ``ranked`` gives."""
    if ranked is None:
        return top
    value = scores[rows[:, None], top]
    equal = ((value[:, 1:] == value[:, :-1]) & (value[:, 1:] > -np.inf)).any(1)
    top = np.ascontiguousarray(top[:, :k])
    for place in np.flatnonzero(equal):
        top[place] = ranked(int(rows[place]))
    return top


def by_ties(
    ties: Ties, block: NDArray[np.int64], scores: NDArray[np.float32], tested: Mask, k: int
) -> Callable[[int], NDArray[np.int64]]:
    """What ranks a row of a block of users by ``ties``; ``scores`` and ``tested`` are (users of the block, items)."""
    return lambda row: ties.ranked(int(block[row]), scores[row], tested[row], min(k, scores.shape[1]))


def hits_at(
    ranker: Ranker, test: ByUser, exclude: Sequence[ByUser], k: int, ties: Ties | None = None
) -> tuple[NDArray[np.int64], Hits, Counts]:
    """Rank all items for every user with test items; excluded items never appear in the list.

    A test item that is also excluded is ranked (card §1.5: history minus the split's own positives). Equal scores are
    ranked by ``ties``, by codes if None. Returns the users' codes, their hits (users, k) and numbers of test items.
    """
    n_users, n_items = ranker.shape
    ties = ties or Ties(range(n_users), range(n_items))
    relevant = np.diff(test.start)
    wanted = np.flatnonzero(relevant)
    hits = np.zeros((len(wanted), k), dtype=bool)
    starts = range(0, len(wanted), USERS_PER_BLOCK)
    lanes = min(len(os.sched_getaffinity(0)), _LANES, len(starts))

    def rank(lane: int) -> None:
        shape = min(USERS_PER_BLOCK, len(wanted)), n_items
        memory, marks = np.empty(shape, np.float32), np.zeros(shape, dtype=bool)  # fresh: slower
        for start in starts[lane::lanes]:
            block = wanted[start : start + USERS_PER_BLOCK]
            scores, tested = ranker.scores(block, memory[: len(block)]), marks[: len(block)]
            row, item = test.pairs(block)
            known = item < n_items  # a test item beyond the ranker's can only be a miss
            marked = row[known], item[known]
            tested[marked] = True
            for pairs in exclude:
                row, item = pairs.pairs(block)
                hidden = (item < n_items) & ~tested[row, np.minimum(item, n_items - 1)]
                scores[row[hidden], item[hidden]] = -np.inf
            most = np.full(len(block), -np.inf, scores.dtype)
            np.maximum.at(most, marked[0], scores[marked])
            rows, top = top_items(scores, k, most, by_ties(ties, block, scores, tested, k))
            hits[start + rows, : top.shape[1]] = tested[rows[:, None], top]
            tested[marked] = False

    with ThreadPoolExecutor(max(lanes, 1)) as pool:
        list(pool.map(rank, range(lanes)))
    return wanted, hits, relevant[wanted]

"""Pairs that a trained model finds doubtful, and what it knows of their users (LLMHNI, module 2).

Low-scored interactions may be false positives, high-scored items that the user has not touched false negatives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Embeddings, round_share
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.metrics import ByUser, top_items
from llmhd_tools.core.pruning import predictions

_USERS = 512  # whose scores of all items are held at a time


def disputed(z: Embeddings, graph: Graph, lowest: float, highest: int) -> tuple[Codes, Codes, NDArray[np.int8]]:
    """User, item and label of the disputed pairs, by user; a user's interactions (label 1) come before the others (0).

    Of the interactions the ⌊lowest · |N(u)| + ½⌋ of lowest score, the lowest first; of the untouched items the
    ``highest`` of highest score, the highest first. Users without an interaction have no pairs.
    """
    rows = _by_score(z, graph)
    user = graph.user[rows]
    rank = np.arange(len(user)) - np.searchsorted(user, user)
    low = rows[rank < round_share(lowest, np.bincount(user, minlength=graph.n_users)[user])]
    high_user, high_item = _untouched(z, graph, highest)
    users, items = np.concatenate([graph.user[low], high_user]), np.concatenate([graph.item[low], high_item])
    label = np.repeat(np.array([1, 0], dtype=np.int8), [len(low), len(high_user)])
    order = np.lexsort((-label, users))  # stable: the order within a user and a label stays
    return users[order], items[order], label[order]


def favourites(z: Embeddings, graph: Graph) -> ByUser:
    """Each user's interacted items, those of highest score first, of ``z`` of users (n, d) and of items (m, d)."""
    rows = _by_score(z, graph)[::-1]
    rows = rows[np.argsort(graph.user[rows], kind="stable")]
    return ByUser(np.searchsorted(graph.user[rows], np.arange(graph.n_users + 1)), graph.item[rows])


def _by_score(z: Embeddings, graph: Graph) -> NDArray[np.int64]:
    """The graph's rows by user, those of lowest score first; of equal ones the item of lower code."""
    score = predictions(z, graph.user, graph.item, "raw")
    return np.lexsort((graph.item, score, graph.user))


def _untouched(z: Embeddings, graph: Graph, count: int) -> tuple[Codes, Codes]:
    """Users and their ``count`` untouched items of highest score, by user, best first."""
    touched = ByUser.of(graph.user, graph.item, graph.n_users)
    known = np.flatnonzero(np.diff(touched.start)) if count else np.zeros(0, dtype=np.int64)
    users, items = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.int32)]
    for start in range(0, len(known), _USERS):
        block = known[start : start + _USERS]
        scores = z[0][block] @ z[1].T
        scores[touched.pairs(block)] = -np.inf
        _, top = top_items(scores, count)
        row, place = np.nonzero(np.take_along_axis(scores, top, axis=1) > -np.inf)
        users.append(block[row].astype(np.int32))
        items.append(top[row, place].astype(np.int32))
    return np.concatenate(users), np.concatenate(items)

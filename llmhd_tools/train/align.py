"""Objective alignment (LLMHNI, module 1): text vectors projected so that their cosine tells relevance.

g(x) = W2 LeakyReLU(W1 x), one g for users and items, is trained by InfoNCE: a user's interacted items that are also
close in text against the other items of the batch (docs/llmhni.md says what of this is reported and what is ours).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from llmhd_tools.core.arrays import Codes, Embeddings
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.relevance import pseudo_positives, unit
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import InputError
from llmhd_tools.settings import Aligning
from llmhd_tools.train.ops.adam import Adam

_ROWS = 4096  # projected at a time


@dataclass(frozen=True)
class Aligned:
    """Projected rows of length 1, (users, dim) and (items, dim), and the epoch that they are from."""

    users: NDArray[np.float32]
    items: NDArray[np.float32]
    epoch: int


def project(vectors: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """g(x) = W2 LeakyReLU(W1 x) of each row, (n, width) -> (n, dim); W1 is (hidden, width), W2 (dim, hidden)."""
    return F.leaky_relu(vectors @ first.T) @ second.T


def info_nce(users: Tensor, items: Tensor, positive: Tensor, masked: Tensor, temperature: float) -> Tensor:
    """Mean of -log softmax of cos(user, item)/τ at each user's positive, over the items that are not masked.

    ``users`` (b, d), ``items`` (k, d), ``positive`` (b,) rows of the items, ``masked`` (b, k) bool, False at positives.
    """
    cosine = F.normalize(users, dim=1) @ F.normalize(items, dim=1).T
    return F.cross_entropy((cosine / temperature).masked_fill(masked, -torch.inf), positive)


def align(vectors: Embeddings, graph: Graph, how: Aligning, judge: Callable[[Embeddings], float]) -> Aligned:
    """Train g on ``graph``, whose codes are the vectors' rows; it is the same for the same seed.

    ``judge`` gives the AUC of relevance on held-out pairs. Training ends when it has not risen for ``patience`` epochs,
    and the best epoch's rows are returned. Raises InputError where the graph is empty, or no epoch has finite rows.
    """
    chosen = pseudo_positives(vectors, graph, how.positives)
    user, item = graph.user[chosen], graph.item[chosen]
    if not len(user):
        raise InputError("no interaction is left to align on")
    touched = sparse.csr_matrix(
        (np.ones(len(graph), dtype=np.int8), (graph.user, graph.item)), shape=(graph.n_users, graph.n_items)
    )
    params = [torch.from_numpy(matrix).requires_grad_() for matrix in _initial(vectors[0].shape[1], how)]
    adam = Adam(params, how.lr)
    texts = torch.tensor(vectors[0]), torch.tensor(vectors[1])
    best: Aligned | None = None
    highest = -np.inf
    for epoch in range(1, how.epochs + 1):
        order = generator(how.seed, epoch, "align").permutation(len(user))
        for start in range(0, len(order), how.batch):
            rows = order[start : start + how.batch]
            loss = _loss(texts, params, touched, user[rows], item[rows], how.temperature)
            adam.zero_grad()
            loss.backward()
            adam.step()
        now = Aligned(_projected(texts[0], params), _projected(texts[1], params), epoch)
        if not (np.isfinite(now.users).all() and np.isfinite(now.items).all()):
            break
        value = judge((now.users, now.items))
        if value > highest:
            highest, best = value, now
        elif best is not None and epoch - best.epoch >= how.patience:
            break
    if best is None:
        raise InputError("the alignment diverged; try a smaller `lr`")
    return best


def _loss(
    texts: tuple[Tensor, Tensor],
    params: list[Tensor],
    touched: sparse.csr_matrix,
    user: Codes,
    item: Codes,
    temperature: float,
) -> Tensor:
    """The loss of one batch; its items count once each, and a user's other interactions are no negatives."""
    items, positive = np.unique(item, return_inverse=True)
    pairs = touched[user][:, items].tocoo()
    masked = torch.zeros(len(user), len(items), dtype=torch.bool)
    masked[torch.from_numpy(pairs.row.astype(np.int64)), torch.from_numpy(pairs.col.astype(np.int64))] = True
    target = torch.from_numpy(positive.astype(np.int64))
    masked[torch.arange(len(user)), target] = False
    near, far = (
        project(side[torch.from_numpy(rows)], *params) for side, rows in zip(texts, (user, items), strict=True)
    )
    return info_nce(near, far, target, masked, temperature)


def _initial(width: int, how: Aligning) -> list[NDArray[np.float32]]:
    """W1 and W2, uniform after Xavier."""
    hidden = how.hidden or (width + how.dim) // 2
    rng = generator(how.seed, 0, "align")
    shapes = (hidden, width), (how.dim, hidden)
    bounds = [np.sqrt(6 / sum(shape)) for shape in shapes]
    return [rng.uniform(-bound, bound, shape).astype(np.float32) for bound, shape in zip(bounds, shapes, strict=True)]


@torch.no_grad()
def _projected(texts: Tensor, params: list[Tensor]) -> NDArray[np.float32]:
    blocks = [project(texts[start : start + _ROWS], *params).numpy() for start in range(0, len(texts), _ROWS)]
    return unit(np.concatenate(blocks))

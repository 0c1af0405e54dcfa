"""The samples of one epoch (card §1.2-1.3): each interaction once, one uniform negative each, cut into batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import InputError


@dataclass(frozen=True)
class Samples:
    """Samples in batch order. Pairwise rows have ``negative`` (n,) int32, pointwise rows ``label`` (n,) int8.

    ``batch`` is (n,) int64, non-decreasing from 0.
    """

    batch: NDArray[np.int64]
    user: Codes
    item: Codes
    negative: Codes | None = None
    label: NDArray[np.int8] | None = None

    def __len__(self) -> int:
        return len(self.user)

    @property
    def steps(self) -> int:
        """How many batches there are, 0 without a sample."""
        return int(self.batch[-1]) + 1 if len(self) else 0

    def take(self, rows: NDArray[np.bool_]) -> Samples:
        """The samples where ``rows`` is true; a batch of which nothing is left falls away."""
        batch = np.unique(self.batch[rows], return_inverse=True)[1]
        return Samples(
            batch.astype(np.int64),
            self.user[rows],
            self.item[rows],
            None if self.negative is None else self.negative[rows],
            None if self.label is None else self.label[rows],
        )

    def bounds(self) -> NDArray[np.int64]:
        """Where each batch begins and the last one ends, (batches + 1,)."""
        return np.searchsorted(self.batch, np.arange(int(self.batch[-1]) + 2))

    def part(self, start: int, end: int) -> Samples:
        """Rows of one batch by themselves, as batch 0."""
        columns = (c if c is None else c[start:end] for c in (self.user, self.item, self.negative, self.label))
        return Samples(np.zeros(end - start, dtype=np.int64), *columns)  # type: ignore[arg-type]


def draw_negatives(graph: Graph, user: Codes, rng: np.random.Generator) -> Codes:
    """For each user a uniform item that is not among the user's interactions, (n,) int32.

    Raises InputError where a user has touched every item.
    """
    if len(full := graph.full_users()) and np.isin(user, full).any():
        raise InputError(
            f"{len(full)} user(s) have touched every item, so no negative can be drawn for them; leave them out"
        )
    item = rng.integers(graph.n_items, size=len(user), dtype=np.int32)
    again = np.flatnonzero(graph.has(user, item))
    while len(again):
        item[again] = rng.integers(graph.n_items, size=len(again), dtype=np.int32)
        again = again[graph.has(user[again], item[again])]
    return item


def steps_per_epoch(pairs: int, loss: str, batch_size: int) -> int:
    """How many batches ``draw_samples`` makes of so many pairs to learn."""
    return -(-pairs // (batch_size // 2 if loss == "bce" else batch_size))


Draw = Callable[[Graph, Codes, np.random.Generator], Codes]  # as draw_negatives


def draw_samples(
    graph: Graph,
    loss: str,
    batch_size: int,
    seed: int,
    epoch: int,
    positives: Graph | None = None,
    draw: Draw = draw_negatives,
) -> Samples:
    """The samples of ``epoch``, drawn from (seed, epoch) and by whatever ``draw`` goes by.

    ``positives`` are the interactions to learn, all where None; a negative is none of the graph's in either case.

    ``bpr``: batches of ``batch_size`` triples. ``bce``: batches of ``batch_size // 2`` positives followed by as many
    negatives (RecBole's pointwise loader, card §1.3 P1). ``softmax``: batches of ``batch_size`` positives alone, which
    are each other's negatives. The last batch may be short. Raises InputError where a user has touched every item.
    """
    rng = generator(seed, epoch, "samples")
    learnt = graph if positives is None else positives
    order = rng.permutation(len(learnt))
    user, item = learnt.user[order], learnt.item[order]
    batch = np.arange(len(order)) // batch_size
    if loss == "softmax":
        return Samples(batch, user, item, label=np.ones(len(order), dtype=np.int8))
    negative = draw(graph, user, rng)
    if loss == "bpr":
        return Samples(batch, user, item, negative=negative)
    return _pointwise(user, item, negative, batch_size // 2)


def _pointwise(user: Codes, item: Codes, negative: Codes, half: int) -> Samples:
    batch = np.arange(len(user)) // half
    # sort by (batch, label descending): positives of a batch, then its negatives
    rank = np.argsort(np.concatenate([2 * batch, 2 * batch + 1]), kind="stable")
    label = np.repeat(np.array([1, 0], dtype=np.int8), len(user))
    return Samples(
        np.tile(batch, 2)[rank], np.tile(user, 2)[rank], np.concatenate([item, negative])[rank], label=label[rank]
    )

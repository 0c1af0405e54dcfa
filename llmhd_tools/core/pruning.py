"""Noisy samples by loss and hard candidates by variance (LLMHD Eq. 5-10, 17; llmhd.md §2-3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Embeddings, Floats, ceil_share, floor_share
from llmhd_tools.core.sampling import Samples
from llmhd_tools.core.seeds import generator

_BLOCK = 2048  # pairs at a time, so that the gathered rows stay in the cache


@dataclass(frozen=True)
class NoiseRate:
    """The noisy share ε_l(T) of a batch (Eq. 7).

    ``ramp``: max_noise·min(T/α, 1), T-CE's implemented form. ``cap``: min(T/α, max_noise). ``count``: the formula as
    printed, min(T/α, max_noise·|B|) samples of a batch of |B|.
    """

    alpha: float = 3000.0
    max_noise: float = 0.05
    schedule: str = "ramp"

    def share(self, step: int, size: int) -> float:
        """ε_l as a share of a batch of ``size`` samples at optimiser step ``step`` (T)."""
        grown = step / self.alpha
        if self.schedule == "ramp":
            return self.max_noise * min(grown, 1.0)
        return min(grown if self.schedule == "cap" else grown / size, self.max_noise)

    def count(self, step: int, size: int) -> int:
        """|B_N| = ⌊ε_l(T)·|B|⌋."""
        return floor_share(self.share(step, size), size)


def noisy_rows(loss: NDArray[np.float32], samples: Samples, step: int, rate: NoiseRate) -> NDArray[np.int64]:
    """Rows of B_N: in each batch the samples of largest loss, in row order (Eq. 5-6 with T-CE's intent).

    ``step`` is T of the first batch. Equal losses: the earlier row is noisy first.
    """
    bounds = samples.bounds()
    rows = []
    for batch, (start, end) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
        count = rate.count(step + batch, end - start)
        if count:
            rows.append(start + np.sort(np.argsort(-loss[start:end], kind="stable")[:count]))
    return np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)


def predictions(embeddings: Embeddings, user: Codes, item: Codes, link: str = "sigmoid") -> Floats:
    """ŷ of pairs under one epoch's embeddings, (n,) float64: the dot product, through a sigmoid unless ``raw``."""
    out = np.empty(len(user))
    for start in range(0, len(user), _BLOCK):
        part = slice(start, start + _BLOCK)
        rows = embeddings[0][user[part]].astype(np.float64)
        rows *= embeddings[1][item[part]]
        out[part] = rows.sum(axis=1)
    if link == "sigmoid":
        with np.errstate(over="ignore"):
            np.divide(1.0, 1.0 + np.exp(-out), out=out)
    return out


def variance(history: Sequence[Embeddings], user: Codes, item: Codes, link: str = "sigmoid") -> Floats:
    """Population variance of ŷ over the epochs of ``history``, (n,) float64 (Eq. 17).

    A history holds final embeddings, so a pair that was never drawn before has one too. NaN with fewer than 2 epochs.
    """
    if len(history) < 2:
        return np.full(len(user), np.nan)
    return np.asarray(np.var([predictions(epoch, user, item, link) for epoch in history], axis=0))


def candidates(
    samples: Samples,
    noisy: NDArray[np.int64],
    positive: Floats,
    negative: Floats | None,
    share: float,
    selection: str = "variance",
    seed: int = 0,
    step: int = 0,
) -> NDArray[np.bool_]:
    """Which noisy rows are hard-sample candidates B_HC, (len(noisy),) bool (Eq. 8-10).

    In each batch the ⌈share·|B_N^p|⌉ rows of highest positive variance, united with as many of highest negative
    variance (pairwise); or the highest of the positives and of the negatives apart (pointwise). ``random`` picks as many
    rows as ``variance`` would, drawn from the seed and the batch's own T; ``all`` picks every row. Rows without a variance
    are never candidates. ``step`` is T of batch 0.
    """
    if selection == "all":
        return np.isfinite(positive)
    chosen = np.zeros(len(noisy), dtype=bool)
    if not len(noisy) or not np.isfinite(positive).all():
        return chosen
    batch = samples.batch[noisy]
    if negative is not None:
        chosen |= _highest(positive, batch, share)
        chosen |= _highest(negative, batch, share)
    elif samples.label is not None:
        for label in (1, 0):
            rows = np.flatnonzero(samples.label[noisy] == label)
            chosen[rows] = _highest(positive[rows], batch[rows], share)
    if selection == "random":
        return _as_many(chosen, batch, seed, step)
    return chosen


def _highest(values: Floats, batch: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Marks in each batch the ⌈share·n⌉ highest values; of equal values the earlier row."""
    chosen = np.zeros(len(values), dtype=bool)
    for rows in _batches(batch):
        count = ceil_share(share, len(rows))
        chosen[rows[np.argsort(-values[rows], kind="stable")[:count]]] = True
    return chosen


def _as_many(chosen: NDArray[np.bool_], batch: NDArray[np.int64], seed: int, step: int) -> NDArray[np.bool_]:
    """The ablation's random pick: in each batch as many rows as ``chosen`` has there."""
    picked = np.zeros(len(chosen), dtype=bool)
    for rows in _batches(batch):
        rng = generator(seed, step + int(batch[rows[0]]), "candidates")
        picked[rng.permutation(rows)[: int(chosen[rows].sum())]] = True
    return picked


def _batches(batch: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows for rows in np.split(np.arange(len(batch)), np.flatnonzero(np.diff(batch)) + 1) if len(rows)]

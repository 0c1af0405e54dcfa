"""Imitating a judge: ridge regression of its scores on what is cheap to know of a pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Floats
from llmhd_tools.core.seeds import generator

FOLDS = 5
PENALTIES = (1.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True)
class Imitation:
    """score ≈ bias + features · weights. ``held_out`` (n,) is what each row got from a fit without its group."""

    weights: Floats
    bias: float
    penalty: float
    held_out: Floats


def imitate(features: Floats, score: Floats, group: NDArray[np.int64], seed: int = 0) -> Imitation:
    """Fit scores (n,) to features (n, p) by ridge regression; the penalty of least error in cross-validation.

    Rows of one ``group`` (codes, such as of items) are held out together, in up to five folds drawn from ``seed``. The
    bias is not penalised; features are taken as they are, so that they must come on scales that compare.
    """
    fold = _folds(group, seed)
    tried = []
    for penalty in PENALTIES:
        held_out = np.empty(len(score))
        for left in range(int(fold.max()) + 1):
            kept = fold != left
            weights, bias = _ridge(features[kept], score[kept], penalty)
            held_out[~kept] = features[~kept] @ weights + bias
        tried.append((float(((held_out - score) ** 2).sum()), penalty, held_out))
    _, penalty, held_out = min(tried, key=lambda one: one[0])
    return Imitation(*_ridge(features, score, penalty), penalty, held_out)


def _folds(group: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    names, code = np.unique(group, return_inverse=True)
    return np.asarray((generator(seed, 0, "folds").permutation(len(names)) % FOLDS)[code])


def _ridge(features: Floats, score: Floats, penalty: float) -> tuple[Floats, float]:
    centre, mean = features.mean(0), float(score.mean())
    x = features - centre
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (score - mean))
    return weights, mean - float(centre @ weights)

"""Ridge regression against its normal equations, and what cross-validation must not see."""

from __future__ import annotations

import numpy as np
import pytest

from llmhd_tools.core.distilling import PENALTIES, imitate

RNG = np.random.default_rng(3)
FEATURES = RNG.normal(size=(120, 4))
SCORE = 5 + FEATURES @ np.array([1.5, -1.0, 0.0, 0.5]) + RNG.normal(scale=0.1, size=120)
GROUP = np.arange(120) // 3


def test_the_fit_solves_its_own_equations():
    """The gradient of |y - b - Xw|² + penalty |w|² is 0 at the solution, and the bias has no penalty."""
    found = imitate(FEATURES, SCORE, GROUP)
    left = SCORE - found.bias - FEATURES @ found.weights
    assert left.sum() == pytest.approx(0, abs=1e-8)
    assert FEATURES.T @ left == pytest.approx(found.penalty * found.weights, abs=1e-8)
    assert found.penalty in PENALTIES and np.corrcoef(found.held_out, SCORE)[0, 1] > 0.98


def test_a_group_that_is_held_out_teaches_nothing():
    """Each group has a feature of its own that gives its scores away; held out, it is worth nothing."""
    own = np.eye(40)[GROUP]
    score = RNG.normal(size=40)[GROUP] + 5
    apart = imitate(own, score, np.arange(120))  # rows by themselves: others of the group stay and tell
    together = imitate(own, score, GROUP)
    error = [float(((found.held_out - score) ** 2).mean()) for found in (apart, together)]
    assert error[0] < 0.5 * score.var() < score.var() <= error[1]


def test_same_seed_same_folds():
    assert (imitate(FEATURES, SCORE, GROUP, 1).held_out == imitate(FEATURES, SCORE, GROUP, 1).held_out).all()
    assert (imitate(FEATURES, SCORE, GROUP, 1).held_out != imitate(FEATURES, SCORE, GROUP, 2).held_out).any()

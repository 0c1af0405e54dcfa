"""Agreement of judges against figures worked by hand, and what holds for any two of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmhd_tools.core.agreement import by_level, jackknife, kappa

LEVELS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40)


def test_plain_kappa_is_cohens_own():
    """20 both yes, 15 both no, 5 and 10 apart: observed .70, by chance .50 (the usual worked example)."""
    one = np.repeat([1, 1, 0, 0], [20, 5, 10, 15])
    other = np.repeat([1, 0, 1, 0], [20, 5, 10, 15])
    assert kappa(one, other, 2) == pytest.approx(0.4)


def test_a_near_miss_costs_less_than_a_far_one():
    one = np.array([0, 4, 2, 1, 3, 0])
    near, far = one.copy(), one.copy()
    near[0], far[0] = 1, 4
    assert kappa(one, near, 5) > kappa(one, far, 5)


@given(LEVELS)
def test_kappa_of_any_two(pairs):
    one, other = np.array(pairs).T
    own = kappa(one, one, 5)
    assert own is None if len(set(one.tolist())) == 1 else own == pytest.approx(1)
    found, turned = kappa(one, other, 5), kappa(other, one, 5)
    assert found is None or (found <= 1 + 1e-12 and found == pytest.approx(turned))
    n, cost = len(one), lambda a, b: float((a - b) ** 2)
    seen = sum(cost(a, b) for a, b in pairs) / n
    chance = sum(cost(a, b) for a in one.tolist() for b in other.tolist()) / n**2
    assert (found is None) == (chance == 0)
    if found is not None:
        assert found == pytest.approx(1 - seen / chance)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(1).normal(size=60)
    found = jackknife(lambda rows: float(values[rows].mean()), np.arange(60))
    assert found == pytest.approx(values.std(ddof=1) / np.sqrt(60))
    assert jackknife(lambda rows: 1.0, np.zeros(60, dtype=np.int64)) is None


def test_rows_of_a_user_stand_or_fall_together():
    values = np.repeat(np.random.default_rng(2).normal(size=30), 4)  # four equal answers are worth one
    found = jackknife(lambda rows: float(values[rows].mean()), np.repeat(np.arange(30), 4))
    assert found == pytest.approx(values[::4].std(ddof=1) / np.sqrt(30))


def test_calibration_rounds_halves_up():
    curve = by_level(np.array([1, 1.5, 2, 2.4, 9]), np.array([True, True, False, False, False]))
    assert curve == [(1, 1, 1.0), (2, 3, pytest.approx(1 / 3)), (9, 1, 0.0)]

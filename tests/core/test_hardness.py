"""Hard or not, with Eq. 12-16 spelled out pair by pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core.hardness import PAIR_RULES, POINT_RULES, Moving, Thresholds, hard_pairs, hard_points

scores = st.sampled_from([*range(1, 11), 3.5, 6.5, math.nan])
cases = st.lists(st.tuples(scores, scores, st.integers(0, 1), st.integers(0, 900)), min_size=1, max_size=20)


def printed(alpha):
    """The paper's thresholds."""
    return Thresholds(Moving(7, 3, alpha), Moving(8, 6, alpha), Moving(2, 4, alpha))


def pair_is_hard(score, negative, step, alpha, rule):
    if math.isnan(score) or math.isnan(negative):
        return False
    limit = 7 - step / alpha if 7 - step / alpha > 3 else 3
    return {
        "gap-above": score - negative > limit,
        "gap-below": score - negative < limit,
        "band": score - negative > -2,
    }[rule]


def point_is_hard(score, label, step, alpha, rule):
    if math.isnan(score):
        return False
    positive_limit = 8 - step / alpha if 8 - step / alpha > 6 else 6
    negative_limit = 2 + step / alpha if 2 + step / alpha < 4 else 4
    if rule == "disagree":
        return score < positive_limit if label else score > negative_limit
    if rule == "agree":
        return score > positive_limit if label else score < negative_limit
    return score > 3 if label else score < 8


@settings(deadline=None)
@given(cases=cases, alpha=st.sampled_from([1.0, 100.0, 250.0]))
@pytest.mark.parametrize("rule", PAIR_RULES)
def test_pairs(rule, cases, alpha):
    score, negative, _, step = map(np.array, zip(*cases, strict=True))
    found = hard_pairs(score.astype(float), negative.astype(float), step, printed(alpha), rule)
    assert found.dtype == bool
    assert found.tolist() == [pair_is_hard(s, n, t, alpha, rule) for s, n, _, t in cases]


@settings(deadline=None)
@given(cases=cases, alpha=st.sampled_from([1.0, 100.0, 250.0]))
@pytest.mark.parametrize("rule", POINT_RULES)
def test_points(rule, cases, alpha):
    score, _, label, step = map(np.array, zip(*cases, strict=True))
    found = hard_points(score.astype(float), label.astype(np.int8), step, printed(alpha), rule)
    assert found.dtype == bool
    assert found.tolist() == [point_is_hard(s, y, t, alpha, rule) for s, _, y, t in cases]


@pytest.mark.parametrize(
    ("gap", "step", "hard"),
    [(7, 0, False), (8, 0, True), (6, 200, True), (5, 200, False), (3, 400, False), (4, 400, True), (3, 9000, False)],
)
def test_the_pair_threshold_falls_from_seven_to_three(gap, step, hard):
    found = hard_pairs(np.array([1.0 + gap]), np.array([1.0]), np.array([step]), printed(100), "gap-above")
    assert found.tolist() == [hard]


@pytest.mark.parametrize(
    ("label", "score", "step", "hard"),
    [
        (1, 7, 0, True), (1, 8, 0, False), (1, 6, 200, False), (1, 5, 200, True), (1, 6, 9000, False),
        (0, 3, 0, True), (0, 2, 0, False), (0, 4, 200, False), (0, 5, 200, True), (0, 4, 9000, False),
    ],
)  # fmt: skip
def test_the_point_thresholds_close_in_on_six_and_four(label, score, step, hard):
    found = hard_points(
        np.array([float(score)]), np.array([label], np.int8), np.array([step]), printed(100), "disagree"
    )
    assert found.tolist() == [hard]


@pytest.mark.parametrize(
    ("moving", "values"),
    [
        (Moving(7, 3, 100), [7, 6.5, 3, 3]),
        (Moving(2, 4, 100), [2, 2.5, 4, 4]),
        (Moving(5, 5, 100), [5, 5, 5, 5]),
        (Moving(0, -3, 50), [0, -1, -3, -3]),
    ],
)
def test_a_threshold_moves_to_its_end_and_stays(moving, values):
    assert moving.at(np.array([0, 50, 400, 9000])).tolist() == values


def test_each_threshold_has_its_own_pace_and_ends():
    scores, step = np.array([5.0, 5.0]), np.array([100, 100])
    own = Thresholds(Moving(1, 9, 50), Moving(8, 4, 25), Moving(2, 7, 1000))
    assert hard_pairs(scores, np.array([1.0, 2.5]), step, own, "gap-above").tolist() == [True, False]  # 3 by now
    label = np.array([1, 0], np.int8)
    assert hard_points(np.array([4.5, 4.5]), label, step, own, "disagree").tolist() == [False, True]  # 4 and 2.1


def test_the_band_is_what_it_is_set_to():
    wide = Thresholds(gap=4, low=1, high=10)
    score = np.array([1.0, 2.0, 2.0, 9.0])
    assert hard_pairs(score, np.array([5.0, 5.0, 7.0, 9.0]), np.zeros(4, int), wide, "band").tolist() == [
        False, True, False, True,
    ]  # fmt: skip
    label = np.array([1, 1, 0, 0], np.int8)
    assert hard_points(np.array([1.0, 2.0, 10.0, 9.0]), label, np.zeros(4, int), wide, "band").tolist() == [
        False, True, False, True,
    ]  # fmt: skip

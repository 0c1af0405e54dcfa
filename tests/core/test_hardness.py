"""Hard or not, with Eq. 12-16 spelled out pair by pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core.hardness import PAIR_RULES, POINT_RULES, Thresholds, hard_pairs, hard_points

scores = st.sampled_from([*range(1, 11), 3.5, 6.5, math.nan])
cases = st.lists(st.tuples(scores, scores, st.integers(0, 1), st.integers(0, 900)), min_size=1, max_size=20)


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
    found = hard_pairs(score.astype(float), negative.astype(float), step, Thresholds(alpha), rule)
    assert found.dtype == bool
    assert found.tolist() == [pair_is_hard(s, n, t, alpha, rule) for s, n, _, t in cases]


@settings(deadline=None)
@given(cases=cases, alpha=st.sampled_from([1.0, 100.0, 250.0]))
@pytest.mark.parametrize("rule", POINT_RULES)
def test_points(rule, cases, alpha):
    score, _, label, step = map(np.array, zip(*cases, strict=True))
    found = hard_points(score.astype(float), label.astype(np.int8), step, Thresholds(alpha), rule)
    assert found.dtype == bool
    assert found.tolist() == [point_is_hard(s, y, t, alpha, rule) for s, _, y, t in cases]


@pytest.mark.parametrize(
    ("gap", "step", "hard"),
    [(7, 0, False), (8, 0, True), (6, 200, True), (5, 200, False), (3, 400, False), (4, 400, True), (3, 9000, False)],
)
def test_the_pair_threshold_falls_from_seven_to_three(gap, step, hard):
    found = hard_pairs(np.array([1.0 + gap]), np.array([1.0]), np.array([step]), Thresholds(100), "gap-above")
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
        np.array([float(score)]), np.array([label], np.int8), np.array([step]), Thresholds(100), "disagree"
    )
    assert found.tolist() == [hard]

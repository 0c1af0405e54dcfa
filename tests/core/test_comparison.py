"""Means, spread, places and the paired t-test, against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from llmhd_tools.core.comparison import compare, paired_p

A, B = {1: 1.0, 2: 2.0, 3: 4.0}, {1: 0.0, 2: 1.0, 3: 1.0}


def test_p_by_hand() -> None:
    """Differences 1, 1, 3: t = (5/3) / (√(4/3) / √3) = 2.5; with two degrees of freedom p = 1 - t / √(t² + 2)."""
    assert paired_p(A, B) == pytest.approx(1 - 2.5 / math.sqrt(2.5**2 + 2), rel=1e-12)


def test_pairs_go_by_seed_and_not_by_order() -> None:
    """Differences 1 and 3: t = 2; with one degree of freedom p = 1 - 2/π · atan t. Seed 7 has no partner."""
    shuffled = {3: 4.0, 7: 9.0, 2: 2.0}
    assert paired_p(shuffled, {2: 1.0, 3: 1.0, 8: 5.0}) == pytest.approx(1 - 2 / math.pi * math.atan(2), rel=1e-12)


VALUES = st.lists(st.floats(0, 1, width=32), min_size=2, max_size=8)


@given(VALUES, VALUES)
def test_p_is_scipy_s(one: list[float], other: list[float]) -> None:
    count = min(len(one), len(other))
    p = paired_p(dict(enumerate(one)), dict(enumerate(other)))
    differences = np.array(one[:count]) - np.array(other[:count])
    if p is None:
        assert np.ptp(differences) < 1e-11
    else:
        assert p == stats.ttest_1samp(differences, 0).pvalue and 0 <= p <= 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({1: 0.5}, {1: 0.4}),  # one pair does not scatter
        ({1: 0.5, 2: 0.6}, {3: 0.1, 4: 0.2}),  # no pair
        (A, A),
        ({1: 0.3, 2: 0.5, 3: 0.7}, {1: 0.2, 2: 0.4, 3: 0.6}),  # all differences are 0.1, but for rounding
    ],
)
def test_no_p_where_nothing_says_how_differences_scatter(one: dict[int, float], other: dict[int, float]) -> None:
    assert paired_p(one, other) is None


def test_summaries_by_hand() -> None:
    found = compare({"b": B, "a": A, "c": {1: 0.5}}, "recall")
    assert list(found) == ["b", "a", "c"]
    assert found["a"].mean == pytest.approx(7 / 3) and found["a"].runs == 3
    assert found["a"].sd == pytest.approx(math.sqrt(7 / 3))  # ((4/3)² + (1/3)² + (5/3)²) / 2
    assert found["c"].sd is None
    assert [found[name].place for name in "abc"] == [1, 2, None]
    assert (found["a"].against, found["a"].p) == ("b", paired_p(A, B))
    assert found["b"].against is None and found["b"].p is None


def test_the_smaller_loss_is_the_better() -> None:
    assert compare({"a": A, "b": B}, "loss")["b"].place == 1
    assert compare({"a": A, "b": B}, "disliked-share")["b"].place == 1
    assert compare({"a": A, "b": B}, "liked-auc")["a"].place == 1


def test_each_is_tested_against_the_baseline() -> None:
    found = compare({"a": A, "b": B, "c": {1: 3.0, 2: 5.0, 3: 6.0}}, "ndcg", "b")
    assert {name: cell.against for name, cell in found.items()} == {"a": "b", "b": None, "c": "b"}
    assert found["c"].p == stats.ttest_rel([3, 5, 6], [0, 1, 1]).pvalue
    missing = compare({"a": A, "c": A}, "ndcg", "b")  # the baseline lacks this metric
    assert all(cell.against is None and cell.p is None for cell in missing.values())


def test_equal_means_share_a_place_and_nobody_is_tested() -> None:
    found = compare({"a": A, "b": dict(A), "c": B}, "recall")
    assert [cell.place for cell in found.values()] == [1, 1, 2]
    assert all(cell.against is None for cell in found.values())
    assert compare({"a": A}, "recall")["a"].place is None, "nobody to be better than"

"""AUC against counting every pair, with ties, as a whole and within groups."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.core.auc import auc, auc_by_group, matched_auc

ROWS = st.lists(st.tuples(st.integers(-3, 3), st.booleans(), st.integers(0, 4)), max_size=40)


def counted(positives, negatives):
    """Every positive against every negative: 1 for above, 1/2 for equal."""
    wins = [(p > n) + (p == n) / 2 for p in positives for n in negatives]
    return sum(wins) / len(wins) if wins else None


def columns(rows):
    score, positive, group = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(score, float), np.array(positive, bool), np.array(group, np.int32)


@settings(deadline=None)
@given(rows=ROWS)
def test_every_pair_counted(rows):
    score, positive, _ = columns(rows)
    found, wanted = auc(score, positive), counted([s for s, p, _ in rows if p], [s for s, p, _ in rows if not p])
    assert (found is None) == (wanted is None)
    assert found is None or abs(found - wanted) < 1e-12


@settings(deadline=None)
@given(rows=ROWS)
def test_every_pair_counted_within_groups(rows):
    wanted = {}
    for group in sorted({g for _, _, g in rows}):
        own = [(s, p) for s, p, g in rows if g == group]
        value = counted([s for s, p in own if p], [s for s, p in own if not p])
        if value is not None:
            wanted[group] = value
    groups, values = auc_by_group(*columns(rows))
    assert groups.tolist() == list(wanted)
    assert np.allclose(values, list(wanted.values()), rtol=0, atol=1e-12)


@settings(deadline=None)
@given(rows=ROWS, parts=st.integers(1, 6))
def test_matched_pairs_counted(rows, parts):
    """``match`` is the third column; rows of equal match stay in order, and a part has its share of all rows."""
    order = sorted(range(len(rows)), key=lambda row: (rows[row][2], row))
    part = {row: at * parts // len(rows) for at, row in enumerate(order)}
    wins = [
        (a > b) + (a == b) / 2
        for m, (a, positive, _) in enumerate(rows)
        for n, (b, other, _) in enumerate(rows)
        if positive and not other and part[m] == part[n]
    ]
    found = matched_auc(*columns(rows), parts)
    assert (found is None) == (not wins)
    assert found is None or abs(found - sum(wins) / len(wins)) < 1e-12


def test_what_the_match_explains_is_taken_out():
    rng = np.random.default_rng(1)
    match = rng.normal(size=4000)
    positive = rng.random(4000) < 1 / (
        1 + np.exp(-2 * match)
    )  # positives have a larger match, and a score that grows with it
    score = match + rng.normal(size=4000)
    assert auc(score, positive) > 0.7 and abs(matched_auc(score, positive, match) - 0.5) < 0.03


def test_order_and_scale_do_not_matter():
    rng = np.random.default_rng(3)
    score, positive = rng.normal(size=500), rng.random(500) < 0.3
    shuffled = rng.permutation(500)
    assert auc(score, positive) == auc(np.exp(score), positive) == auc(score[shuffled], positive[shuffled])
    assert abs(auc(score, positive) + auc(-score, positive) - 1) < 1e-12

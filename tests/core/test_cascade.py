"""How deep to ask: the guarantee held against draws, and the least number of findings that can give one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from llmhd_tools.core.cascade import fewest_found, lowest_signal


@pytest.mark.parametrize(
    ("recall", "delta", "fewest"), [(0.95, 0.05, 59), (0.9, 0.05, 29), (0.9, 0.1, 22), (0.5, 0.5, 1)]
)
def test_the_fewest_findings_are_those_of_wilks(recall, delta, fewest):
    """59 of 95 % and 95 % is the number known from tolerance limits."""
    assert fewest_found(recall, delta) == fewest
    signal = np.arange(fewest, dtype=float)
    assert lowest_signal(signal, recall, delta) == 0.0
    assert lowest_signal(signal[1:], recall, delta) is None


@given(st.integers(1, 300), st.floats(0.5, 0.99), st.floats(0.01, 0.5))
def test_the_rank_is_the_smallest_that_is_sure_enough(count, recall, delta):
    found = lowest_signal(np.arange(count, dtype=float), recall, delta)
    sure = [r for r in range(1, count + 1) if 1 - binom.cdf(r - 1, count, recall) <= delta]
    assert found == (count - sure[0] if sure else None)


def test_most_draws_find_what_they_promise():
    """The share of draws that find too little is delta at most (with room for 400 draws), for signals good and useless."""
    rng = np.random.default_rng(5)
    for strength in (0.0, 1.0, 3.0):
        noise = rng.random(4000) < 0.3
        signal = rng.normal(size=4000) + strength * noise
        missed = 0
        for _ in range(400):
            sample = rng.permutation(4000)[:300]
            threshold = lowest_signal(signal[sample[noise[sample]]], 0.9, 0.1)
            missed += (signal[noise] >= threshold).mean() < 0.9
        assert missed / 400 <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 400)

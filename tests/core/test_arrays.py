"""Shares of counts come out as in exact arithmetic, for a number and for an array."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmhd_tools.core.arrays import ceil_share, floor_share, pair_keys, round_share

EXACT = {
    floor_share: math.floor,
    ceil_share: math.ceil,
    round_share: lambda product: math.floor(product + Fraction(1, 2)),
}


@pytest.mark.parametrize("share_of", EXACT)
@given(thousandths=st.integers(0, 1000), size=st.integers(0, 1_000_000))
def test_a_share_written_in_decimals_is_meant_exactly(share_of, thousandths, size):
    wanted = EXACT[share_of](Fraction(thousandths, 1000) * size)
    found = share_of(thousandths / 1000, size)
    assert found == wanted and type(found) is int
    assert share_of(thousandths / 1000, np.array([size, 0])).tolist() == [wanted, 0]


def test_products_that_floats_miss():
    assert 0.28 * 25 > 7 and ceil_share(0.28, 25) == 7
    assert 0.29 * 100 < 29 and floor_share(0.29, 100) == 29
    assert 0.145 * 100 < 14.5 and round_share(0.145, 100) == 15


def test_pairs_are_numbered_in_their_order():
    user, item = np.array([0, 0, 2**20], np.int32), np.array([0, 7, 2**20 - 1], np.int32)
    assert pair_keys(user, item, 2**20).tolist() == [0, 7, 2**40 + 2**20 - 1]

"""Conditions on rows: the grammar against Python's own operators, and nothing beyond it."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmhd_tools.errors import UsageError
from llmhd_tools.files.expressions import condition

COMPARED = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt}


@given(st.integers(-99, 99), st.integers(-99, 99), st.sampled_from(sorted(COMPARED)), st.booleans())
def test_comparisons_are_pythons(left: int, right: int, sign: str, turned: bool) -> None:
    test, fields = condition(f"{'not ' * turned}(a {sign} b)")
    assert fields == {"a", "b"}
    assert bool(test({"a": left, "b": right})) is (COMPARED[sign](left, right) is not turned)


@pytest.mark.parametrize(
    ("text", "row", "found"),
    [
        ("score <= 3 and loss > 1", {"score": 3, "loss": 1.5}, True),
        ("score <= 3", {}, False),  # no value compares with nothing
        ("score == None", {}, True),
        ("'dragon' in profile", {"profile": "a dragon"}, True),
        ("'dragon' in profile", {}, False),
        ("item in ('a', 'b')", {"item": "b"}, True),
        ("1 < score < 5", {"score": 5}, False),
        ("a - b * 2 > 0 or -a > 0", {"a": 5, "b": 2}, True),
        ("a / b > 1", {"a": 5, "b": 0}, False),
        ("a < 'x'", {"a": 5}, False),  # what does not go together
        ("cut", {"cut": True}, True),
    ],
)
def test_conditions(text: str, row: dict[str, Any], found: bool) -> None:
    assert bool(condition(text)[0](row)) is found


@pytest.mark.parametrize(
    "text",
    ["", "a +", "f(a)", "a.b", "a[0]", "[x for x in a]", "lambda: 1", "a := 1", "a ** 9 ** 9", "__import__('os')", "f'{a}'",
     "a if b else c", "a; b", "(" * 5000 + "a" + ")" * 5000, "a" * 20_000],
)  # fmt: skip
def test_nothing_else_is_understood(text: str) -> None:
    with pytest.raises(UsageError, match="is no condition"):
        condition(text)

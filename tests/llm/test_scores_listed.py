"""Answers about several items: which lines count, what is missing is said and never made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmhd_tools.errors import UsageError
from llmhd_tools.llm.answers import parse_scores
from llmhd_tools.llm.local.lexical import Lexical
from llmhd_tools.llm.requests import Appraise, Score, ScoreTogether

GOOD = {
    "<scores>\n1: 7\n2: 4.5\n</scores>": (7, 4.5),
    "1: 7\n2: 4": (7, 4),
    "<scores>1: 10\n2 = 1.0,\n": (10, 1),
    "1. 8\n2) 3.": (8, 3),
    "I think.\n<scores>\n1: 2\n2: 2\n</scores>\nNo:\n<scores>\n2: 9\n1: 3\n</scores>": (3, 9),
    "<think>1: 1\n2: 1</think>\n1: 6\n2: 6": (6, 6),
    "1: 5\n1: 5\n2: 5": (5, 5),
}
PARTS = {
    "<scores>\n1: 7\n</scores>": ((7, None), "number 2"),
    "1: 7\n2: 11": ((7, None), "number 2"),
    "1: 7\n2: 8/10": ((7, None), "number 2"),
    "1: 7\n2: 7.3": ((7, None), "number 2"),
    "1: 7\n2: 7\n2: 8": ((7, None), "number 2"),
    "1: 7\n2: 7\n3: 8": ((7, 7), "number 3 was not asked for"),
    "1.8\n2: 4": ((None, 4), "number 1"),
}


@pytest.mark.parametrize("text", GOOD)
def test_whole_answers(text):
    answer = parse_scores(text, 2)
    assert answer.value == GOOD[text] and answer.lacks is None


@pytest.mark.parametrize("text", PARTS)
def test_parts_say_what_they_lack(text):
    scores, lacks = PARTS[text]
    answer = parse_scores(text, 2)
    assert answer.value == scores and lacks in answer.lacks


@pytest.mark.parametrize(
    "text", ["", "7 4", "one: seven", '1. "x; 1: 5"', "<scores></scores>", "0: 3", "x 1: 5\n2: 5 y"]
)
def test_no_answer(text):
    assert parse_scores(text, 2).error


@given(st.text(alphabet="0123456789:.=)\n <>scores/,-") | st.text())
def test_any_text_gives_legal_scores_or_none(text):
    answer = parse_scores(text, 3)
    assert answer.error or all(s is None or (1 <= s <= 10 and s * 2 == int(s * 2)) for s in answer.value)


def test_lexical_scores_together_as_one_by_one_and_cannot_appraise():
    texts = ["red dragons and knights", "space ships and lasers", "knights of the red table", "cooking at home"]
    lexical = Lexical(texts)
    (all_,) = lexical.answer([ScoreTogether("red knights", tuple(texts))])
    singly = [answer.value for answer in lexical.answer(Score("red knights", text) for text in texts)]
    assert all_.value == tuple(singly)
    with pytest.raises(UsageError, match="lexical compares texts"):
        next(lexical.answer([Appraise(("red dragons",))]))

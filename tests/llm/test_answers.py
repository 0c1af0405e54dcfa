"""The grammar of replies: a table of cases (llm-and-faults.md, row 30) and what must hold for any text."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmhd_tools.llm.answers import (
    ACCEPTED_CHARS,
    ACCEPTED_WORDS,
    parse,
    parse_level,
    parse_profile,
    parse_score,
    parse_summary,
)
from llmhd_tools.llm.requests import ItemView, Revise, Score, Summarize, UserView

SCORES = {
    "<s>8</s>": 8,
    "<s> 8 </s>": 8,
    "<s>\n10\n</s>\n": 10,
    "<s>8": 8,
    "<s>8 \n": 8,
    "8": 8,
    " 10\n": 10,
    "1": 1,
    "Sure! The score is <s>7</s>, since the reader likes dragons.": 7,
    "The form was <s>6</s>. I weigh it ... <s>3</s>": 3,
    "<think>first <s>9</s> perhaps</think><s>4</s>": 4,
    "<s>5</s> or rather <s>11</s>": 5,  # the last *legal* tag
    "<s>5</s> <s>N</s>": 5,
    "<s>2</s><s>8": 8,
    "<s><s>8</s></s>": 8,
    "": None,
    "   ": None,
    "0": None,
    "11": None,
    "<s>0</s>": None,
    "<s>11</s>": None,
    "<s>100</s>": None,
    "<s>-3</s>": None,
    "−3": None,
    "+3": None,
    "8.5": None,
    "<s>8.5</s>": None,
    "<s>8.0</s>": None,
    "8/10": None,
    "<s>8/10</s>": None,
    "<s>8/10": None,
    "8.": None,
    "08": None,
    "<s>08</s>": None,
    "<s>8 out of 10</s>": None,
    "<s>8 because of dragons": None,
    "<s>1 0</s>": None,
    "<s></s>": None,
    "<s>eight</s>": None,
    "eight": None,
    "Score: 8": None,
    "**8**": None,
    "８": None,
    "<s>８</s>": None,
    "<s>٨</s>": None,
    "<s>²</s>": None,
    "<s>1e1</s>": None,
    "<S>8</S>": None,
    "<s >8</s>": None,
    "&lt;s&gt;8&lt;/s&gt;": None,
    "‹s›8‹/s›": None,
    "8\x00": None,
    "9" * 1_000_000: None,
    "<s>" + "9" * 1_000_000 + "</s>": None,
}


@pytest.mark.parametrize("number", range(len(SCORES)))
def test_scores(number):
    text, value = list(SCORES.items())[number]
    answer = parse_score(text)
    assert answer.value == value
    assert (answer.error is None) == (value is not None)
    assert answer.error is None or (len(answer.error) < 250 and answer.error.isascii() and answer.error.isprintable())


@given(st.text())
@example("<s>10")
def test_any_text_gives_a_whole_number_or_an_error(text):
    value = parse_score(text).value
    assert value is None or (type(value) is int and 1 <= value <= 10)


@given(st.text(st.sampled_from("<s/>0123456789 .-\n")), st.integers(1, 10))
def test_what_comes_before_the_last_legal_tag_does_not_matter(before, number):
    assert parse_score(f"{before}<s>{number}</s>").value == number


@given(st.integers().filter(lambda n: not 1 <= n <= 10))
def test_nothing_is_clamped(number):
    assert parse_score(f"<s>{number}</s>").error and parse_score(str(number)).error


LEVELS = {
    "<relevance>High</relevance>": "High",
    "<relevance> mid\n</relevance>": "Mid",
    "<RELEVANCE>LOW</Relevance>": "Low",
    "high": "High",
    " Low\n": "Low",
    "<relevance>Low</relevance> no, <relevance>Mid</relevance>": "Mid",
    "<relevance>High</relevance> or rather <relevance>Higher</relevance>": "High",
    "": None,
    "High.": None,
    "High or Mid": None,
    "Medium": None,
    "<relevance>Medium</relevance>": None,
    "<relevance>High": None,
    "<relevance></relevance>": None,
    "<relevance>ANSWER</relevance>": None,
    "<relevance>High, Mid or Low</relevance>": None,
    "‹relevance›High‹/relevance›": None,
    "Ｈigh": None,
    "mıd": None,
    "hard": None,
    "8": None,
}


@pytest.mark.parametrize("text", LEVELS)
def test_levels(text):
    answer = parse_level(text)
    assert answer.value == LEVELS[text] and (answer.error is None) == (LEVELS[text] is not None)


@given(st.text(st.sampled_from("<relvanc/>HighMdLow -\n")), st.sampled_from(["High", "Mid", "Low"]))
def test_what_comes_before_the_last_legal_level_does_not_matter(before, level):
    assert parse_level(f"{before}<relevance>{level}</relevance>").value == level


@pytest.mark.parametrize(("parse_text", "tag"), [(parse_summary, "summarization"), (parse_profile, "profile")])
class TestTexts:
    def test_legal(self, parse_text, tag):
        def said(text):
            return parse_text(text.replace("T>", f"{tag}>")).value

        assert said("<T>Likes  dragons,\n and 3 > 2.</T>") == "Likes dragons, and 3 > 2."
        assert said("Here: <T>one</T> or better <T>two</T>. Done") == "two"
        assert said("<T>kept</T> then <T>...</T> and <T>unclosed") == "kept"
        assert said("<T>cut off <T>whole</T>") == "whole"

    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("", "no <"),
            ("Likes dragons.", "no <"),
            ("<T>Likes dragons.", "unclosed"),
            ("</T>Likes<T>", "unclosed"),
            ("<T> ... </T>", "empty"),
            ("<T></T>", "empty"),
            ("<T>Likes <s>10</s></T>", "a tag"),
            ("<T>Likes <|im_end|></T>", "a tag"),
            ("<T>" + "word " * (ACCEPTED_WORDS + 1) + "</T>", "151 words"),
            ("<T>" + "x" * (ACCEPTED_CHARS + 1) + "</T>", "2001 characters"),
            ("<other>x</other>", "no <"),
        ],
    )
    def test_illegal(self, parse_text, tag, text, word):
        assert word in (parse_text(text.replace("T>", f"{tag}>")).error or "")

    def test_a_little_too_long_is_taken_whole(self, parse_text, tag):
        body = " ".join(["word"] * ACCEPTED_WORDS)
        assert parse_text(f"<{tag}>{body}</{tag}>").value == body

    @given(st.text())
    def test_any_body_is_legal_text_or_an_error(self, parse_text, tag, body):
        value = parse_text(f"<{tag}>{body}</{tag}>").value
        assert value is None or (0 < len(value) <= ACCEPTED_CHARS and f"<{tag}>" not in value and "\n" not in value)


def test_each_request_has_its_grammar():
    assert parse(Score("p", "i"), "8").value == 8
    assert parse(UserView("p", "i"), "High").value == parse(ItemView(("a",), "i"), "High").value == "High"
    assert parse(UserView("p", "i"), "8").error and parse(Score("p", "i"), "High").error
    assert parse(Summarize("u", ("i",)), "<summarization>x</summarization>").value == "x"
    assert parse(Revise("p", ("i",), "false-negative"), "<profile>x</profile>").value == "x"
    assert parse(Revise("p", ("i",), "false-negative"), "8").error


HARD = [
    "<s>",
    "<s> ",
    " ",
    "<s>1 ",
    "<",
    "<profile>",
    "</profile>",
    "<profile><",
    "<profile>x</profile",
    "1",
    "<s>\n8\n",
    "<relevance>",
    "<relevance> ",
]


@pytest.mark.parametrize("piece", HARD)
def test_time_is_linear(piece):
    text = (piece * 2_000_000)[:2_000_000]
    for read in (parse_score, parse_profile, parse_level):
        start = time.process_time()
        read(text)
        assert time.process_time() - start < 2, "quadratic time would take hours"

"""Reasoning is never the answer, however a model marks it, and everything else keeps its place."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmhd_tools.llm.answers import find_score, parse_level, parse_profile, parse_score, parse_summary
from llmhd_tools.llm.reasoning import spoken

MARKS = [
    ("<think>", "</think>"),
    ("<THINK>", "</THINK>"),
    ("<thinking>", "</thinking>"),
    ('<think depth="3">', "</think>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<reflection>", "</reflection>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<analysis>", "</analysis>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("◁think▷", "◁/think▷"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("analysis", "assistantfinal"),
    ("<unused94>thought\n", "<unused95>"),
    ("<reasoning_content>", "</reasoning_content>"),
    ("<internal_thoughts>", "</internal_thoughts>"),
    ("<rationale>", "</rationale>"),
    ("Thinking...\n", "\n...done thinking.\n\n"),
    ("Here is my thought process:", "Here is my response:"),
]


@pytest.mark.parametrize(("opening", "closing"), MARKS)
def test_what_stands_in_reasoning_is_no_answer(opening, closing):
    thought = "A reply looks like <s>3</s>, <relevance>Low</relevance>, <profile>Likes <b> 4</profile>. 5"
    for gap in ("", "\n\n"):
        assert parse_score(f"{opening}{thought}{closing}{gap}9").value == 9
        assert parse_score(f"{opening}{thought}{closing}{gap}<s>10</s> since 2").value == 10
        assert parse_level(f"{opening}{thought}{closing}{gap}High").value == "High"
        assert parse_profile(f"{opening}{thought}{closing}{gap}<profile>Likes boats.</profile>").value == "Likes boats."
        assert parse_summary(f"{opening}<summarization>No.</summarization>{closing}{gap}").error
    assert parse_score(f"{opening}{thought}").error, "it never ended"
    assert parse_score(f"{opening}{thought}{closing}").error, "nothing came after it"


@pytest.mark.parametrize(("opening", "closing"), [m for m in MARKS if m[0] not in ("analysis", MARKS[-1][0])])
def test_a_closing_mark_alone_ends_what_the_template_began(opening, closing):
    assert parse_score(f"I think of <s>3</s>.{closing}<s>9</s>").value == 9
    assert parse_score(f"I think of <s>3</s>.{closing} no").error


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<s>8</s><think>or <s>3</s>?</think>", 8),
        ("<think>a</think><s>3</s><think>b</think><s>4</s>", 4),
        ("<think>I quote <think> and go on with <s>3</s></think>7", 7),
        ("<think>I quote </think> and go on: <s>3</s>. 5</think>7", 7),
        ("<think>a</think> so <s>3</s> </think> 7", 7),
        ("<s>8</s> <think>unclosed <s>3</s>", 8),
        ("<s>1<think>x</think>0</s>", None),  # what was cut out leaves a gap
        ("1<think></think>0", None),
        ("I think it is <s>6</s>", 6),
        ("The analysis is final: <s>6</s>", 6),
        ("8</s>", 8),
        ("8<|im_end|>\n", 8),
        ("8<|im_end|>9", None),
    ],
)
def test_where_the_answer_stands(text, value):
    assert parse_score(text).value == value


@given(st.text(), st.sampled_from(MARKS), st.integers(1, 10))
def test_whatever_is_thought_the_answer_is_what_is_said(thought, marks, number):
    assert parse_score(f"{marks[0]}{thought}{marks[1]}<s>{number}</s>").value == number


@given(st.text(st.sampled_from("<think>/[]|s 9\n")))
def test_every_character_keeps_its_place(text):
    said = spoken(text)
    assert len(said) == len(text) and all(a in (b, " ") for a, b in zip(said, text, strict=True))
    found = find_score(text)
    assert found is None or text[found.start(1) : found.end(1)] == found[1]


@pytest.mark.parametrize(
    "piece", ["<think>", "</think>", "<think", "<think ", "<a:", "<|channel|>", "analysis", "[THINK]", "Here is my "]
)
def test_time_is_linear(piece):
    text = (piece * 1_000_000)[:1_000_000]
    start = time.process_time()
    spoken(text)
    assert time.process_time() - start < 4, "quadratic time would take hours"


def test_a_part_that_a_page_folds_away_is_reasoning_only_where_it_says_so():
    folded = '<details type="reasoning" done="true">I think of <s>3</s>.'
    assert parse_score(f"{folded}</details> 9").value == parse_score(f"<think>{folded}</details> a</think>9").value == 9
    assert parse_score(folded).value is None
    assert parse_score("<s>8</s><details>because of 3</details>").value == 8

"""Scores by expectation: at the very number that the grammar accepts, by hand-worked distributions."""

from __future__ import annotations

import math

import pytest
from fault_server import logprobs
from hypothesis import given
from hypothesis import strategies as st

from llmhd_tools.llm.answers import parse_score
from llmhd_tools.llm.service.expected import expectation

SURE = (8.0, 1.0)


@pytest.mark.parametrize(
    ("text", "tokens", "wanted"),
    [
        ("<s>8</s>", ["<s>", ("8", {"8": 0.5, "9": 0.25, "eight": 0.2}), "</s>"], ((8 * 2 + 9) / 3, 0.75)),
        ("8", [("8", {"8": 0.5, " 9": 0.25, "7\n": 0.25})], (8.0, 1.0)),
        ("<s>8</s> (of 10)", ["<s>", ("8", {"8": 0.9, "3": 0.1}), "</s>", " (", "of", " ", "10", ")"], (7.5, 1.0)),
        ("I say 7 of 10", ["I", " say ", "7", " of ", "10"], None),  # no legal answer
        ("<s>2</s> or <s>8</s>", ["<s>2", "</s>", " or ", "<s>", "8", "</s>"], SURE),
        ("<s> 8 </s>", ["<s>", (" 8", {" 8": 0.5, "6": 0.5}), " </s>"], (7.0, 1.0)),
        ("<s>8</s>", [("<s>8", {"<s>8": 0.5, "<s>6": 0.25, "9": 0.25}), "</s>"], (22 / 3, 0.75)),
        ("<s>8</s>", ["<", "s", ">", ("8</", {"8</": 0.5, "6</": 0.5}), "s", ">"], (7.0, 1.0)),
        ("<s>8</s>", ["<s", (">8", {">8": 0.5, ">6": 0.5}), "</s>"], (7.0, 1.0)),
        # digits that are split: what follows a 1 says whether it is 10
        ("<s>10</s>", ["<s>", ("1", {"1": 0.8, "9": 0.2}), ("0", {"0": 0.75, "</": 0.25}), "</s>"], (8.0, 1.0)),
        ("<s>1</s>", ["<s>", ("1", {"1": 0.8, "9": 0.2}), ("</", {"</": 0.75, "0": 0.25}), "s>"], (4.4, 1.0)),
        ("<s>1</s>", ["<s>", ("1", {"1": 1.0}), ("</", {"</": 0.5, "1": 0.5}), "s>"], (1.0, 0.5)),  # 11 is none
        ("<s>8</s>", ["<s>", ("8", {"8": 0.5, "1": 0.25}), "</s>"], None),  # 1, or the beginning of 10?
        ("<s>8</s>", ["<s>", ("8", {"8": 0.5, "1": 0.25, "10": 0.25}), "</s>"], ((4 + 0.25 + 2.5) / 1, 1.0)),
        ("<s>8</s>", ["<s>", ("8", {"8": 0.96, "1": 0.04}), "</s>"], (7.72, 1.0)),
        ("<s>1</s>", ["<s>", ("1</s>", {"1</s>": 0.5, "3</s>": 0.5})], (2.0, 1.0)),
        # servers that keep reasoning and control tokens among the tokens only, or in the text as well
        ("9", ["<think>", "<s>", "3", "</s>", "</think>", "\n\n", "9", "<|im_end|>"], (9.0, 1.0)),
        ("<think>3</think><s>9</s>", ["<think>", "3", "</think>", "<s>", "9", "</s>"], (9.0, 1.0)),
        ("8", ["<s>", "8", "</s>"], SURE),
        ("8", ["8", "<|eot_id|>", ""], SURE),
        ("8", ["9"], None),  # not the tokens of this text
        ("<s>8</s>", ["<s>", "7", "</s>", "<s>", "9", "</s>"], None),
        ("<s>8</s>", [], None),
    ],
)
def test_by_hand(text, tokens, wanted):
    found = expectation(text, logprobs(*tokens))
    assert (found is None) == (wanted is None), found
    assert wanted is None or found == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    "broken", [None, {}, {"content": None}, {"content": [{"token": "8"}]}, {"content": [3]}, [], "x"]
)
def test_what_is_no_logprobs_gives_none(broken):
    assert expectation("8", broken) is None


def test_the_sampled_token_counts_where_it_is_not_among_the_alternatives():
    token = {"token": "8", "logprob": math.log(0.25), "top_logprobs": [{"token": "9", "logprob": math.log(0.75)}]}
    assert expectation("8", {"content": [token]}) == pytest.approx((8.75, 1.0))


@given(st.text(st.sampled_from("<s>/0123456789 .\n")), st.lists(st.integers(1, 4), min_size=1))
def test_it_is_never_at_another_place_than_the_grammar(text, cuts):
    """Whatever the reply and however it falls into tokens: tokens that are sure give what the grammar reads, or nothing."""
    tokens, at = [], 0
    while at < len(text):
        tokens.append(text[at : at + cuts[len(tokens) % len(cuts)]])
        at += len(tokens[-1])
    found, value = expectation(text, logprobs(*tokens)), parse_score(text).value
    assert found is None or found == (value, 1.0)

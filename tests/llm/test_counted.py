"""What a local provider is asked, counted as calls."""

from __future__ import annotations

import json
from pathlib import Path

from llmhd_tools.cli.app import main
from llmhd_tools.llm.calls import ANSWER_TOKENS, prompt_tokens
from llmhd_tools.llm.open import open_local, open_vectors
from llmhd_tools.llm.prompts import load_templates, render
from llmhd_tools.llm.requests import Revise, Score, Summarize
from llmhd_tools.llm.service.asking import Asker
from llmhd_tools.llm.service.counted import Counted
from llmhd_tools.llm.service.vectors import TextAsker

ITEMS = ["a castle and a dragon", "a murder and its clues", "a robot on a planet"]


def test_each_prompt_counts_once_and_answers_stay_the_same() -> None:
    templates = load_templates("books")
    plain = open_local("lexical", item_texts=ITEMS)
    counted = Counted(open_local("lexical", item_texts=ITEMS), Asker("lexical/1", "", templates))
    score, other = Score("likes dragons", ITEMS[0]), Score("likes dragons", ITEMS[1])
    revise = Revise("likes dragons", (ITEMS[2],), "false-positive")
    asked = [Summarize("u1", tuple(ITEMS)), score, other, score, revise, Score("", ITEMS[0])]
    assert list(counted.answer(asked)) == list(plain.answer(asked))
    assert (counted.name, counted.notice) == (plain.name, plain.notice)
    tallies = counted.usage.tallies
    assert {name: (tally.sent, tally.cached) for name, tally in tallies.items()} == {
        "summarize": (1, 0), "score": (2, 1), "false-positive": (1, 0)
    }, "no text, no call"  # fmt: skip
    assert tallies["score"].prompt_tokens == sum(prompt_tokens(render(ask, templates)) for ask in (score, other))
    assert tallies["score"].completion_tokens == 2 * ANSWER_TOKENS["score"]


def test_texts_to_embed_count_as_calls_of_many() -> None:
    counted = Counted(open_vectors("lexical", 3), TextAsker("lexical/1", "", group=2))
    texts = [*ITEMS, ITEMS[0], ""]
    assert [answer.error is None for answer in counted.answer(texts)] == [True] * 4 + [False]
    tally = counted.usage.tallies["embed"]
    tokens = sum(prompt_tokens([{"role": "input", "content": text}]) for text in ITEMS)
    assert (tally.sent, tally.cached, tally.prompt_tokens, tally.completion_tokens) == (2, 1, tokens, 0)


def test_usage_of_the_commands(tiny: Path) -> None:
    """One summary a user, in the file that --usage names; a service of that name is never looked for."""
    words = ["summarize", str(tiny / "train.jsonl"), "--items", str(tiny / "items.jsonl"), "-q", "--domain", "books"]
    out = ["-o", str(tiny / "p.jsonl")]
    assert main([*words, *out]) == 0
    profiles = (tiny / "p.jsonl").read_bytes()
    assert main([*words, *out, "--usage", str(tiny / "usage.jsonl")]) == 0
    assert (tiny / "p.jsonl").read_bytes() == profiles
    (tally,) = map(json.loads, (tiny / "usage.jsonl").read_text().splitlines())
    assert (tally["template"], tally["model"]) == ("summarize", "lexical/1")
    assert 0 < tally["sent"] <= len(profiles.splitlines()) and tally["prompt_tokens"] > 100 * tally["sent"]

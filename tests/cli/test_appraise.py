"""``appraise`` from columns that people have, and as something that only a language model can do."""

from __future__ import annotations

import itertools

import pytest
from helpers import read_jsonl, write_jsonl

import llmhd_tools as llmhd
from llmhd_tools.cli.app import main
from llmhd_tools.llm.requests import Answer
from llmhd_tools.stages.together import Places, by_digest, groups


class Rater:
    """Scores an item by the number in its text; keeps what it was asked."""

    name, notice = "rater", None

    def __init__(self, silent=()):
        self.asked, self.silent = [], silent

    def answer(self, requests):
        for request in requests:
            self.asked.append(request.items)
            numbers = [int(text.split()[-1]) for text in request.items]
            scores = tuple(None if n in self.silent else float(n % 10 + 1) for n in numbers)
            yield Answer(scores, lacks="no single score" if None in scores else None)


@pytest.fixture
def items(tmp_path):
    rows = ({"item": f"i{n}", "profile": f"Film number {n}", "title": f"T{n}"} for n in range(50))
    return llmhd.read(str(write_jsonl(tmp_path / "items.jsonl", rows)), kind="items")


def test_every_item_is_asked_once_in_an_order_of_its_own(items):
    rater = Rater()
    found = llmhd.appraise(items, rater, together=20)
    assert list(found["score"]) == [n % 10 + 1 for n in range(50)] and found.columns["error"] == [None] * 50
    assert [len(asked) for asked in rater.asked] == [16, 17, 17]
    assert sum(rater.asked, ()) != tuple(items.columns["profile"])
    assert rater.asked[0][0].startswith("T") and ": Film number" in rater.asked[0][0]
    assert found.columns["model"] == ["rater"] * 50


def test_what_has_no_answer_has_an_error_and_no_number(items):
    found = llmhd.appraise(items, Rater(silent={7, 9}), together=50, shown="profile")
    assert [n for n in range(50) if found.columns["error"][n]] == [7, 9]
    assert [n for n, score in enumerate(found.to_columns()["score"]) if score is None] == [7, 9]


def test_repeats_are_other_questions_and_their_spread_is_told(items):
    rater = Rater()
    found = llmhd.appraise(items, rater, together=50, repeat=3)
    assert len(set(rater.asked)) == 3  # each in an order of its own
    assert list(found["spread"]) == [0.0] * 50


def test_a_column_is_taken_as_it_is_or_turned(tmp_path, capfd):
    (tmp_path / "x.csv").write_text("sku,returns\na,0.5\nb,\nc,0.1\n")
    line = ["appraise", str(tmp_path / "x.csv"), "--item", "sku", "--column", "returns"]
    assert main([*line, "--lower", "-o", str(tmp_path / "out.jsonl")]) == 0
    assert "left out 1 item without a value" in capfd.readouterr().err
    assert read_jsonl(tmp_path / "out.jsonl") == [
        {"item": "a", "score": -0.5, "model": "column:returns"},
        {"item": "c", "score": -0.1, "model": "column:returns"},
    ]
    (tmp_path / "x.csv").write_text("sku,returns\na,often\n")
    assert main(line) == 1 and "item 'a': 'returns' is 'often'" in capfd.readouterr().err


def test_lexical_says_that_it_cannot(tmp_path, capfd):
    write_jsonl(tmp_path / "items.jsonl", [{"item": 1, "profile": "A film"}])
    assert main(["appraise", str(tmp_path / "items.jsonl")]) == 2
    assert "lexical compares texts" in capfd.readouterr().err


def test_groups_hold_everything_once_whatever_the_order():
    texts = [f"text {n}" for n in range(23)]
    found = list(groups(texts, 10))
    assert sorted(itertools.chain(*found)) == list(range(23)) and {len(group) for group in found} <= {7, 8}
    turned = texts[::-1]
    assert [turned[place] for place in by_digest(turned)] == [texts[place] for place in by_digest(texts)]
    assert by_digest(texts, 1) != by_digest(texts)


def test_places_find_a_model_that_favours_the_first():
    fair, biased = Places(), Places()
    for n in range(60):
        fair.add([float((n * 7 + place * 3) % 10) for place in range(10)])
        biased.add([10.0 - place for place in range(10)])
    assert str(Places()) == "" and "r -1.000" in str(biased)
    assert abs(float(str(fair).split("r ")[1].split()[0])) < 0.2

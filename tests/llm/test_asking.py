"""Long histories lose items by a rule that is told; parameters and templates decide what is asked."""

from __future__ import annotations

from llmhd_tools.llm.calls import Reply, prompt_tokens
from llmhd_tools.llm.prompts import load_templates
from llmhd_tools.llm.requests import Answer, ItemView, Revise, Score, Summarize
from llmhd_tools.llm.service.asking import Asked, Asker

TEMPLATES = load_templates("books")
ITEMS = tuple(f"Book {n} of the sea and of storms." for n in range(200))


def asked(request, **more) -> tuple[Asker, Asked]:
    asker = Asker("m", "h", TEMPLATES, **more)
    question = asker.question(request)
    assert isinstance(question, Asked)
    return asker, question


def test_a_long_history_keeps_to_the_budget_and_says_what_it_lost():
    for request in (Summarize("u", ITEMS), Revise("Likes boats.", ITEMS, "false-positive"), ItemView(ITEMS, "A boat.")):
        asker, question = asked(request, budget=800)
        text = question.call.body["messages"][1]["content"]
        kept = [item for item in ITEMS if item in text]
        assert 700 < prompt_tokens(question.call.body["messages"]) <= 800
        assert (asker.cuts.prompts, asker.cuts.items) == (1, 200 - len(kept)) and "`budget`" in str(asker.cuts.note())
        assert [text.index(item) for item in kept] == sorted(text.index(item) for item in kept)  # in their own order
        assert asked(request, budget=800)[1].call == question.call
    assert asked(Summarize("u", ITEMS))[0].cuts.note() is None


def test_the_growing_history_changes_the_choice_little():
    before, after = (
        asked(Summarize("u", ITEMS[:n]), budget=800)[1].call.body["messages"][1]["content"] for n in (180, 200)
    )
    kept = {item for item in ITEMS if item in before}
    assert len({item for item in kept if item in after}) > 0.8 * len(kept)


def test_a_text_that_is_too_long_is_counted():
    asker, _ = asked(Score("p" * 3000, "i" * 100))
    assert asker.cuts.texts == 1 and "1 texts were cut" in str(asker.cuts.note())


def test_one_correction_and_no_more():
    _, question = asked(Score("p", "i"))
    again = question.settle(question.call, Reply("eight"))
    assert not isinstance(again, Answer) and again.again and again.key != question.call.key
    assert again.body["messages"][:2] == question.call.body["messages"]
    assert question.settle(again, Reply("<s>8</s>")) == Answer(8)
    assert question.settle(again, Reply("eight")).error


def test_a_score_by_its_expectation():
    _, question = asked(Score("p", "i"), expected=True)
    assert question.settle(question.call, Reply("<s>8</s>", expected=7.5, p_mass=0.9)) == Answer(7.5, p_mass=0.9)
    assert asked(Summarize("u", ITEMS), expected=True)[1].call.body.keys() == {"model", "messages"}

"""From a request to the call that asks it, and from the reply to its answer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from llmhd_tools.llm.answers import parse
from llmhd_tools.llm.calls import Call, Reply, key_of, prompt_tokens
from llmhd_tools.llm.endings import NO_TEXT, fault_of
from llmhd_tools.llm.prompts import ITEM_CHARS, PROFILE_CHARS, render, template_of, without_system
from llmhd_tools.llm.reasoning import spoken
from llmhd_tools.llm.requests import (
    Answer,
    ItemView,
    Listed,
    Request,
    Revise,
    Score,
    ScoreTogether,
    Summarize,
    UserView,
    missing_text,
)
from llmhd_tools.llm.service.reply import read_completion

if TYPE_CHECKING:
    from llmhd_tools.llm.service.engine import Question

TOP_LOGPROBS = 20  # as many as OpenAI tells
_AGAIN = "That reply could not be used: {fault}. Reply again, in exactly the form that was asked for and nothing else."


@dataclass
class Cuts:
    """What did not fit into prompts."""

    prompts: int = 0
    items: int = 0
    texts: int = 0

    def note(self) -> str | None:
        """For a person, if there is something to say."""
        parts = []
        if self.items:
            parts.append(f"{self.prompts:,} prompts went without {self.items:,} items (`budget`)")
        if self.texts:
            parts.append(f"{self.texts:,} texts were cut to {ITEM_CHARS:,} (items) or {PROFILE_CHARS:,} characters")
        return "; ".join(parts) or None


class Asks(Protocol):
    """Makes questions for one model of one service; ``group`` of them go into one call."""

    model: str
    host: str
    group: int
    ask_again: bool
    cuts: Cuts
    sampled: int

    def question(self, request: Any) -> Question | Answer:
        """The question that a request makes, or the answer where a text is missing."""

    def read(self, value: Any) -> Reply:
        """The reply to one question, in the JSON value that answers it."""


@dataclass
class Asker:
    """How requests become calls: model, templates, parameters, prompt budget."""

    model: str
    host: str
    templates: Mapping[str, str]
    params: Mapping[str, Any] = field(default_factory=dict)
    budget: int | None = None
    expected: bool = False
    system: bool = True  # whether the model takes a system message
    group: int = 1
    ask_again: bool = True
    cuts: Cuts = field(default_factory=Cuts)
    sampled: int = 0  # scores that came without the probabilities that --expected-score wants

    def question(self, request: Request) -> Asked | Answer:
        """The question that a request makes, or the answer where a text is missing."""
        missing = missing_text(request)
        if missing is not None:
            return Answer(error=missing)
        scores = len(request.items) if isinstance(request, Listed) else 1
        sample = request.sample if isinstance(request, Score | Listed) else 0
        messages = self._messages(request)
        return Asked(self, request, self.call(template_of(request), messages, sample=sample, scores=scores))

    def read(self, value: Any) -> Reply:
        """The reply in a chat completion."""
        return read_completion(value)

    def call(
        self, template: str, messages: list[dict[str, str]], *, again: bool = False, sample: int = 0, scores: int = 1
    ) -> Call:
        """A call with these messages; nothing is sent that the user did not ask for."""
        params = {name: value for name, value in self.params.items() if name != "top_logprobs" or template == "score"}
        body: dict[str, Any] = {"model": self.model, "messages": messages, **params}
        if self.expected and template == "score":
            body = {"top_logprobs": TOP_LOGPROBS} | body | {"logprobs": True}
        return Call(template, body, key_of(self.host, body, sample), again, scores)

    def _messages(self, request: Request) -> list[dict[str, str]]:
        """The prompt; where it is over the budget, with fewer items.

        Items are taken in the order of a digest of (their number, their text), as many as fit; those taken keep their
        own order. The same history always gives the same choice, and a growing one changes it little.
        """
        messages = self._rendered(request)
        texts = [(request.profile, PROFILE_CHARS)] if isinstance(request, Score | Revise | UserView) else []
        texts += [(request.item, ITEM_CHARS)] if isinstance(request, Score | UserView | ItemView) else []
        items = () if isinstance(request, Score | UserView) else request.items
        if isinstance(request, ScoreTogether):
            known = request.known
            texts += [(known, PROFILE_CHARS)] if isinstance(known, str) else [(item, ITEM_CHARS) for item in known]
        self.cuts.texts += sum(len(text) > limit for text, limit in [*texts, *((item, ITEM_CHARS) for item in items)])
        if (
            isinstance(request, Score | UserView | Listed)
            or self.budget is None
            or prompt_tokens(messages) <= self.budget
        ):
            return messages
        drawn = sorted(range(len(items)), key=lambda i: hashlib.sha256(f"{i} {items[i]}".encode()).digest())
        low, high = 1, len(items)
        while low < high:  # the most items that fit, at least one
            middle = (low + high + 1) // 2
            fits = prompt_tokens(self._rendered(_only(request, drawn[:middle]))) <= self.budget
            low, high = (middle, high) if fits else (low, middle - 1)
        if low < len(items):
            self.cuts.prompts += 1
            self.cuts.items += len(items) - low
        return self._rendered(_only(request, drawn[:low]))

    def _rendered(self, request: Request) -> list[dict[str, str]]:
        messages = render(request, self.templates)
        return messages if self.system else without_system(messages)


@dataclass(frozen=True)
class Asked:
    """A Question of the engine (see ``engine.py``)."""

    asker: Asker
    request: Request
    call: Call

    def settle(self, call: Call, reply: Reply) -> Answer | Call:
        """The answer in a reply; for one that breaks the form, a second call that says what was wrong."""
        fault = fault_of(reply.finish, reply.text)
        if fault is None and reply.text.strip() and not spoken(reply.text).strip():
            fault = NO_TEXT["reasoning"]
        if fault is not None:
            return Answer(error=f"the answer {fault}")
        answer = parse(self.request, reply.text)
        if answer.error is None and self.asker.expected and call.template == "score":
            if reply.expected is not None:
                return Answer(reply.expected, p_mass=reply.p_mass)
            self.asker.sampled += 1
        wrong = answer.error or answer.lacks
        if wrong is None or call.again or not self.asker.ask_again:
            return answer
        fault = wrong.split(" in the reply ")[0]
        said = {"role": "assistant", "content": reply.text[:4000]}
        correction = {"role": "user", "content": _AGAIN.format(fault=fault)}
        sample = self.request.sample if isinstance(self.request, Score | Listed) else 0
        messages = [*call.body["messages"], said, correction]
        return self.asker.call(call.template, messages, again=True, sample=sample, scores=call.scores)


def _only(request: Summarize | Revise | ItemView, chosen: list[int]) -> Summarize | Revise | ItemView:
    return replace(request, items=tuple(request.items[i] for i in sorted(chosen)))

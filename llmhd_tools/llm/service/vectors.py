"""Texts to vectors by a service of OpenAI's kind (``/embeddings``), many texts a call, each cached by itself.

So a run that was stopped goes on where it was, and a text that joins a file later costs one text. A vector travels and
is kept as text: base64 of its numbers, float32 with the lowest byte first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llmhd_tools.errors import ServiceError
from llmhd_tools.llm.calls import Call, Failed, Refused, Reply, Retry, key_of
from llmhd_tools.llm.codec import TEXT_CHARS, pack, unpack
from llmhd_tools.llm.requests import Answer
from llmhd_tools.llm.service.asking import Cuts
from llmhd_tools.llm.service.attempts import HOPELESS
from llmhd_tools.llm.service.engine import Engine, Slot
from llmhd_tools.llm.service.reply import count, refuse_error, usage_of
from llmhd_tools.llm.untrusted import clean

TEXTS = 64  # in a call: with 3,072 numbers each the answer is half of what transport.py lets through
TEMPLATE = "embed"


def read_embeddings(value: Any, texts: int) -> Reply:
    """The reply in the JSON value that answers so many texts: their vectors, one behind the other, in the texts' order.

    Raises Retry where there are not as many, or not of one width, or not of finite numbers.
    """
    refuse_error(value)
    try:
        rows = {entry["index"]: entry["embedding"] for entry in value["data"]}
        numbers = np.array([rows[number] for number in range(texts)])
        surplus = len(value["data"]) - texts
    except (KeyError, TypeError, ValueError, IndexError):
        raise Retry(f"the service sent JSON that is no list of vectors for {texts} texts") from None
    if surplus:
        raise Retry(f"the service sent {texts + surplus} vectors for {texts} texts")
    if numbers.ndim != 2 or not numbers.shape[1] or numbers.dtype.kind not in "fi":
        raise Retry("the service sent a vector that is no list of numbers")
    with np.errstate(over="ignore"):
        numbers = numbers.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise Retry("the service sent a vector with numbers that are not finite")
    return Reply(pack(numbers), prompt_tokens=count(usage_of(value), "prompt_tokens"))


@dataclass
class TextAsker:
    """How texts become questions (an ``Asks``, see ``asking.py``): one a text; nothing is sent unasked."""

    model: str
    host: str
    params: Mapping[str, Any] = field(default_factory=dict)
    group: int = TEXTS
    ask_again: bool = False
    cuts: Cuts = field(default_factory=Cuts)
    sampled: int = 0

    def question(self, request: str) -> TextAsked | Answer:
        """The question for the vector of a text, or the answer where it is blank."""
        text = clean(request, TEXT_CHARS)
        if not text:
            return Answer(error="the text is empty")
        body = {"model": self.model, "input": text, **self.params}
        return TextAsked(Call(TEMPLATE, body, key_of(self.host, body)))

    def read(self, value: Any) -> Reply:
        """The reply that holds the vector of one text."""
        return read_embeddings(value, 1)


@dataclass(frozen=True)
class TextAsked:
    """A Question of the engine (see ``engine.py``); the answer's value is the packed vector."""

    call: Call

    def settle(self, call: Call, reply: Reply) -> Answer | Call:
        """The vector in a reply."""
        return Answer(reply.text)


class VectorEngine(Engine):
    """An engine that sends ``TEXTS`` questions of a ``TextAsker`` in one call."""

    _group = TEXTS
    _ahead = 4 * TEXTS
    _width: int | None = None
    _refused = 0  # texts in a row

    async def _send(self, slots: list[Slot]) -> None:
        """One call for all; where the service refuses it, one for each half, since a single text may be at fault."""
        calls = [slot.next for slot in slots if slot.next is not None]
        whole = Call(TEMPLATE, calls[0].body | {"input": [call.body["input"] for call in calls]}, calls[0].key)
        assert self._attempts is not None
        try:
            reply = await self._attempts.reply(whole)
        except Refused as fault:
            if len(slots) > 1:
                await self._send(slots[: len(slots) // 2])
                await self._send(slots[len(slots) // 2 :])
                return
            self._refused += 1
            if self._refused >= HOPELESS:
                raise ServiceError(f"{HOPELESS} texts in a row had no vector; {fault}") from None
            self._fail(slots, calls, fault)
        except Failed as fault:
            self._fail(slots, calls, fault)
        else:
            self._refused = 0
            self._usage.sent(whole, reply)
            for slot, call, part in zip(slots, calls, self._parts(reply, len(slots)), strict=True):
                self._keep(call, part)
                slot.answer = Answer(part.text)

    def _fail(self, slots: list[Slot], calls: list[Call], fault: Failed) -> None:
        for slot, call in zip(slots, calls, strict=True):
            self._usage.failed(call)
            slot.answer = Answer(error=str(fault))

    def _parts(self, reply: Reply, texts: int) -> list[Reply]:
        """A reply of its own for each text, among which the tokens are shared out."""
        rows = unpack(reply.text).reshape(texts, -1)
        if self._width not in (None, rows.shape[1]):
            raise ServiceError(f"the service sends vectors of {rows.shape[1]} numbers now, of {self._width} before")
        self._width = rows.shape[1]
        each, more = divmod(reply.prompt_tokens, texts)
        return [Reply(pack(row), prompt_tokens=each + (number < more)) for number, row in enumerate(rows)]

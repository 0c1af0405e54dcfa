"""What an HTTP response of a service means: a reply, or a fault and what to do about it.

Every response ends as one of four: a ``Reply``; ``Retry`` (worth another attempt, perhaps after a wait that the server
names); ``Failed`` (this request has no answer and never will); ``ServiceError`` (no request will: the run stops).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from llmhd_tools.llm.answers import find_score
from llmhd_tools.llm.endings import is_broken

GRAMMAR = 2


@dataclass(frozen=True)
class Reply:
    """A whole answer: its text, how it ended and what it cost; ``expected`` and ``p_mass`` where logprobs came along.

    ``grammar`` numbers the rules by which ``expected`` was found; 1 took the last number in the text.
    """

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    expected: float | None = None
    p_mass: float | None = None
    grammar: int = GRAMMAR

    @property
    def final(self) -> bool:
        """Whether it counts; what older versions kept does not where the service broke off or the number was another."""
        if is_broken(self.finish):
            return False
        return self.expected is None or self.grammar == GRAMMAR or _number_is_last(self.text)

    def to_json(self) -> str:
        """The reply as the cache stores it."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Reply:
        """The reply that ``to_json`` wrote. Raises ValueError for anything else."""
        record = json.loads(text)
        if not isinstance(record, dict):
            raise ValueError("not a reply")
        record.setdefault("grammar", 1)
        if set(record) != {f.name for f in fields(cls)}:
            raise ValueError("not a reply")
        if not isinstance(record["text"], str) or not isinstance(record["finish"], str):
            raise ValueError("not a reply")
        return cls(**record)


class Retry(Exception):
    """The call may succeed later.

    ``after``: seconds that the server asks for; ``slower``: it has had too many calls in a minute; ``crowded``: it seems to
    have too many at a time; ``mute``: the same, as it did not answer at all.
    """

    def __init__(
        self,
        reason: str,
        after: float | None = None,
        *,
        slower: bool = False,
        crowded: bool = False,
        mute: bool = False,
    ) -> None:
        super().__init__(reason)
        self.after, self.slower, self.crowded, self.mute = after, slower, crowded or mute, mute


class Failed(Exception):
    """This one request gets no answer."""


class Refused(Failed):
    """The service will not have this request, however often it is sent."""


class Denied(Refused):
    """The service will not have it (403), and may not have any other either."""


SCHEMA = 1  # of what the key is made from; a change makes every cached answer unknown
ANSWER_TOKENS = {
    "score": 8,
    "score-together": 6,
    "appraise": 6,
    "summarize": 140,
    "false-positive": 140,
    "false-negative": 140,
    "relate-user": 8,
    "relate-item": 8,
    "embed": 0,
}  # a guess, for each score where several are asked for
BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Call:
    """The body of one request for a chat completion, or (with ``input``) for embeddings, and its key."""

    template: str
    body: dict[str, Any]
    key: str
    again: bool = False  # asks a second time, with what was wrong
    scores: int = 1  # how many are asked for

    @property
    def tokens(self) -> int:
        """Tokens of prompt and answer, by a rule of thumb."""
        return self.prompt_tokens + self.answer_tokens

    @property
    def answer_tokens(self) -> int:
        """Tokens of a usual answer."""
        return ANSWER_TOKENS[self.template] * self.scores

    @property
    def path(self) -> str:
        """Where the service takes it, below the address that users give."""
        return "/embeddings" if "input" in self.body else "/chat/completions"

    @property
    def messages(self) -> list[dict[str, str]]:
        """What is sent, as role and content; texts to embed have the role ``input``."""
        if "input" not in self.body:
            return list(self.body["messages"])
        given = self.body["input"]
        return [{"role": "input", "content": text} for text in ([given] if isinstance(given, str) else given)]

    @property
    def prompt_tokens(self) -> int:
        """Tokens of the prompt at four bytes each."""
        return prompt_tokens(self.messages)


def prompt_tokens(messages: list[dict[str, str]]) -> int:
    """Tokens of some messages: a quarter of their bytes, which is within about 30 % for English text."""
    return sum(len(message["content"].encode()) for message in messages) // BYTES_PER_TOKEN + 4 * len(messages)


def key_of(host: str, body: dict[str, Any], sample: int = 0) -> str:
    """SHA-256 over the canonical JSON of all that an answer depends on: host, model, parameters, messages, sample."""
    content = {"schema": SCHEMA, "host": host, "body": body, "sample": sample}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def host_of(base_url: str) -> str:
    """Host and port of an endpoint, without user info, path and scheme."""
    parts = urlsplit(base_url)
    return (parts.hostname or "") + (f":{parts.port}" if parts.port else "")


def _number_is_last(text: str) -> bool:
    """Whether no digit comes behind the score, so that all rules find the same number."""
    found = find_score(text)
    return found is not None and not any(mark.isdigit() for mark in text[found.end(1) :])

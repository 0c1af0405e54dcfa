"""A call to a service: what is sent, and the key that names its answer for ever."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SCHEMA = 1  # of what the key is made from; a change makes every cached answer unknown
ANSWER_TOKENS = {
    "score": 8,
    "summarize": 140,
    "false-positive": 140,
    "false-negative": 140,
    "relate-user": 8,
    "relate-item": 8,
    "embed": 0,
}  # a guess
BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Call:
    """The body of one request for a chat completion, or (with ``input``) for embeddings, and its key."""

    template: str
    body: dict[str, Any]
    key: str
    again: bool = False  # asks a second time, with what was wrong

    @property
    def tokens(self) -> int:
        """Tokens of prompt and answer, by a rule of thumb."""
        return self.prompt_tokens + ANSWER_TOKENS[self.template]

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

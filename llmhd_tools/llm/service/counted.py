"""What a local provider is asked, counted as the calls that a language model would get: Table 4 without a bill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from llmhd_tools.llm.calls import Reply
from llmhd_tools.llm.requests import Answer, Provider, TextProvider
from llmhd_tools.llm.service.asking import Asks
from llmhd_tools.llm.usage import Usage


class Counted:
    """A provider, and the usage of the prompts that its requests would make.

    A prompt counts as sent the first time, later as answered by the cache; texts to embed go as many to a call as they
    would. Tokens are estimates: a quarter of the prompt's bytes, and a usual answer. They are added to ``usage``.
    """

    def __init__(self, provider: Provider | TextProvider, asker: Asks, usage: Usage | None = None) -> None:
        self.name, self.notice, self.usage = provider.name, provider.notice, usage or Usage()
        self._provider: Any = provider
        self._asker = asker
        self._seen: set[bytes] = set()

    def answer(self, requests: Iterable[Any]) -> Iterator[Answer]:
        """The provider's own answers."""
        answers: Iterator[Answer] = self._provider.answer(map(self._count, requests))
        return answers

    def _count(self, request: Any) -> Any:
        asked = self._asker.question(request)
        if not isinstance(asked, Answer):
            call = asked.call
            if (key := bytes.fromhex(call.key)) in self._seen:
                self.usage.cached(call)
            else:
                estimate = Reply("", prompt_tokens=call.prompt_tokens, completion_tokens=call.answer_tokens)
                self.usage.sent(call, estimate, int(len(self._seen) % self._asker.group == 0))
                self._seen.add(key)
        return request

"""What a local provider is asked, counted as the calls that a language model would get: Table 4 without a bill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmhd_tools.llm.asking import Asked, Asks
from llmhd_tools.llm.calls import ANSWER_TOKENS
from llmhd_tools.llm.provider import Answer, Provider, Request
from llmhd_tools.llm.reply import Reply
from llmhd_tools.llm.usage import Usage


class Counted:
    """A provider, and the usage of the prompts that its requests would make.

    A prompt counts as sent the first time, later as answered by the cache. Tokens are estimates: a quarter of the prompt's
    bytes, and a usual answer.
    """

    def __init__(self, provider: Provider, asker: Asks) -> None:
        self.name, self.notice, self.usage = provider.name, provider.notice, Usage()
        self._provider, self._asker = provider, asker
        self._seen: set[bytes] = set()

    def answer(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The provider's own answers."""
        return self._provider.answer(map(self._count, requests))

    def _count(self, request: Request) -> Request:
        asked = self._asker.question(request)
        if isinstance(asked, Asked):
            call = asked.call
            if (key := bytes.fromhex(call.key)) in self._seen:
                self.usage.cached(call)
            else:
                estimate = Reply("", prompt_tokens=call.prompt_tokens, completion_tokens=ANSWER_TOKENS[call.template])
                self.usage.sent(call, estimate)
                self._seen.add(key)
        return request

"""``limit``: the first few questions are asked, the others are answered with the reason why they are not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from llmhd_tools.llm.requests import Answer

BEYOND = "not asked: beyond `limit`"


def limited(provider: Any, limit: int | None) -> Any:
    """A provider that is asked at most so many questions; None sets no limit."""
    return provider if limit is None else Limited(provider, limit)


class Limited:
    """A provider that asks another one the first ``limit`` questions, over all that it is asked."""

    def __init__(self, provider: Any, limit: int) -> None:
        self.name, self.notice = provider.name, provider.notice
        self._provider, self._left = provider, limit

    def answer(self, requests: Iterable[Any]) -> Iterator[Answer]:
        """Answers in the order of the requests."""
        source = iter(requests)
        first = islice(source, self._left)
        yield from self._provider.answer(self._counted(first))
        yield from (Answer(error=BEYOND) for _ in chain(source))

    def _counted(self, requests: Iterable[Any]) -> Iterator[Any]:
        for request in requests:
            self._left -= 1
            yield request

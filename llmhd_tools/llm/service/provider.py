"""The provider behind ``--llm openai:MODEL``: any service that speaks OpenAI's chat completions, or its embeddings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from llmhd_tools.llm.cache import Cache
from llmhd_tools.llm.requests import Answer
from llmhd_tools.llm.service.asking import Asks
from llmhd_tools.llm.service.attempts import MOST, Attempts
from llmhd_tools.llm.service.client import Client
from llmhd_tools.llm.service.engine import Engine
from llmhd_tools.llm.service.limits import Limits
from llmhd_tools.llm.service.vectors import VectorEngine
from llmhd_tools.llm.usage import Usage


class ServiceProvider:
    """A Provider (see ``provider.py``) over an Engine. Without a client the cache alone answers."""

    notice = None

    def __init__(self, asker: Asks, cache: Cache, client: Client | None, limits: Limits, most: int = MOST) -> None:
        self.name = f"openai:{asker.model}"
        self.asker, self.limits, self.usage = asker, limits, Usage()
        self._client, self._cache = client, cache
        self._attempts = Attempts(client.ask, limits, most=most) if client else None
        engine = VectorEngine if asker.group > 1 else Engine
        self._engine = engine(self._attempts, cache, self.usage, asker.host)

    def answer(self, requests: Iterable[Any]) -> Iterator[Answer]:
        """Answers from the cache and the service, in order."""
        return self._engine.answers(self.asker.question(request) for request in requests)

    def finish(self) -> None:
        """Raise ServiceError where the service let nothing through."""
        if self._attempts is not None:
            self._attempts.finish()

    def close(self) -> None:
        """Close connections and cache."""
        try:
            if self._client is not None:
                self._engine.run(self._client.close)
        finally:
            self._engine.close()
            self._cache.close()

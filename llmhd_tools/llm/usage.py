"""What a run cost: calls and tokens by template (the paper's Table 4, for one's own run)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from llmhd_tools.llm.calls import Call, Reply


@dataclass
class Tally:
    """Counts of one template; ``again`` are the calls that asked a second time, part of ``sent``."""

    sent: int = 0
    cached: int = 0
    merged: int = 0
    again: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0


@dataclass
class Usage:
    """Tallies by template."""

    tallies: dict[str, Tally] = field(default_factory=dict)

    def _of(self, call: Call) -> Tally:
        return self.tallies.setdefault(call.template, Tally())

    def sent(self, call: Call, reply: Reply, calls: int = 1) -> None:
        """The service answered; ``calls`` is 0 for a text that went along in a call counted already."""
        tally = self._of(call)
        tally.sent += calls
        tally.again += call.again
        tally.prompt_tokens += reply.prompt_tokens
        tally.cached_tokens += reply.cached_tokens
        tally.completion_tokens += reply.completion_tokens

    def cached(self, call: Call) -> None:
        """The cache answered."""
        self._of(call).cached += 1

    def merged(self, call: Call) -> None:
        """The same was being asked already."""
        self._of(call).merged += 1

    def failed(self, call: Call) -> None:
        """There is no answer."""
        self._of(call).failed += 1

    def lines(self) -> list[str]:
        """For a person."""
        return [
            f"{name}: {t.sent:,} calls ({t.again:,} asked again), {t.cached:,} answers from the cache, {t.merged:,} "
            f"merged, {t.failed:,} failed; tokens {t.prompt_tokens:,} in ({t.cached_tokens:,} cached by the service), "
            f"{t.completion_tokens:,} out"
            for name, t in self.tallies.items()
        ]

    def records(self, model: str) -> list[dict[str, Any]]:
        """For a file."""
        return [{"template": name, "model": model, **asdict(tally)} for name, tally in self.tallies.items()]

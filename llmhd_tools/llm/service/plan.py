"""``--dry-run``: what a run would ask and cost, without asking."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from llmhd_tools.llm.cache import Cache
from llmhd_tools.llm.calls import Call
from llmhd_tools.llm.requests import Answer
from llmhd_tools.llm.service.asking import Asks

SECONDS_PER_CALL = 1.0  # a guess, where no rate is given
_PLANNED = Answer(error="planned, not asked")


_SHOWN, _WIDTH = 8, 400  # lines at either end of a sample, characters of a line


@dataclass(frozen=True)
class Rates:
    """What minutes and money are counted by; prices per million tokens."""

    most: int
    rpm: float | None = None
    tpm: float | None = None
    price_in: float | None = None
    price_out: float | None = None


class Plan:
    """A Provider that answers nothing and counts."""

    notice = None

    def __init__(self, asker: Asks, cache: Cache, rates: Rates) -> None:
        self.name = f"openai:{asker.model}"
        self.asker, self._cache, self._rates = asker, cache, rates
        self._seen: set[bytes] = set()
        self.total = self.duplicate = self.cached = self.tokens_in = self.tokens_out = 0
        self.samples: list[Call] = []

    def answer(self, requests: Iterable[Any]) -> Iterator[Answer]:
        """Count each request."""
        for request in requests:
            asked = self.asker.question(request)
            if isinstance(asked, Answer):
                yield asked
                continue
            self.total += 1
            key = bytes.fromhex(asked.call.key)
            if key in self._seen:
                self.duplicate += 1
            elif self._cache.get(asked.call.key) is not None:
                self.cached += 1
            else:
                self.tokens_in += asked.call.prompt_tokens
                self.tokens_out += asked.call.answer_tokens
                if len(self.samples) < 2:
                    self.samples.append(asked.call)
            self._seen.add(key)
            yield _PLANNED

    @property
    def to_send(self) -> int:
        """Requests that would go out."""
        return self.total - self.duplicate - self.cached

    def lines(self) -> list[str]:
        """The plan for a person."""
        lines = [
            f"{self.total:,} requests: {self.duplicate:,} duplicate, {self.cached:,} in the cache, "
            f"{self.to_send:,} to send" + (f", {self.asker.group} a call" if self.asker.group > 1 else ""),
            f"about {self.tokens_in:,} tokens in, {self.tokens_out:,} out (4 bytes a token: ± 30 % in English, more elsewhere)",
            f"about {self._minutes():,.1f} minutes {self._why()}",
        ]
        rates = self._rates
        if rates.price_in is not None and (rates.price_out is not None or not self.tokens_out):
            cost = (self.tokens_in * rates.price_in + self.tokens_out * (rates.price_out or 0)) / 1e6
            lines.append(
                f"about {cost:,.2f} at {rates.price_in:g} in and {rates.price_out or 0:g} out a million tokens"
            )
        for number, call in enumerate(self.samples, start=1):
            lines.append(f"sample {number}:")
            lines += [f"  {m['role']}: {line}" for m in call.messages for line in _cut(m["content"])]
        return lines

    def _minutes(self) -> float:
        rates, calls = self._rates, -(-self.to_send // self.asker.group)
        times = [calls * SECONDS_PER_CALL / rates.most / 60]
        if rates.rpm:
            times.append(calls / rates.rpm)
        if rates.tpm:
            times.append((self.tokens_in + self.tokens_out) / rates.tpm)
        return max(times)

    def _why(self) -> str:
        rates = self._rates
        given = [f"{rates.rpm:g} requests"] if rates.rpm else []
        given += [f"{rates.tpm:g} tokens"] if rates.tpm else []
        guess = f"{rates.most} calls at a time of {SECONDS_PER_CALL:g} s each"
        return f"at {' and '.join(given)} a minute" if given else f"if {guess}"

    def close(self) -> None:
        """Close the cache."""
        self._cache.close()


def _cut(text: str) -> Iterator[str]:
    """The lines of a sample that are shown: the first and last few, each cut, so that the estimate stays in sight."""
    lines = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]} … ({len(line) - _WIDTH:,} characters more)"
             for line in text.splitlines() if line]  # fmt: skip
    if len(lines) <= 2 * _SHOWN + 1:
        yield from lines
        return
    yield from lines[:_SHOWN]
    yield f"… ({len(lines) - 2 * _SHOWN:,} lines more)"
    yield from lines[-_SHOWN:]

"""How fast a service may be called: calls at a time, requests and tokens a minute, and pauses that the server asks for.

The number of calls at a time finds itself. It starts at 20, doubles with each clean round until the first 429, then
shrinks to four fifths for each *episode* of 429s (15 s, or as long as the server asks to wait) and grows by a twentieth
with each clean round. Other faults stop the growth and do not shrink it. A server's wait holds for all calls together,
and after a 429 they leave one by one, so that they do not all come back at the same instant to be refused again.
"""

from __future__ import annotations

import asyncio
from collections import deque

from llmhd_tools.llm.calls import Retry

START, LEAST = 20, 4
EPISODE = 15.0  # seconds
LONGEST_PAUSE = 120.0
PACE, SLOWEST_PACE = 0.05, 5.0  # seconds between calls after a 429: doubled with each, a tenth less with each success


class Bucket:
    """So many units a minute, with a second's worth in reserve. A taking over the reserve is paid back by waiting."""

    def __init__(self, per_minute: float) -> None:
        self.rate = per_minute / 60
        self.size = self.level = max(1.0, self.rate)
        self.at = 0.0

    def ready_at(self, amount: float, now: float) -> float:
        """When ``amount`` may be taken."""
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now
        return now + max(0.0, min(amount, self.size) - self.level) / self.rate

    def take(self, amount: float) -> None:
        """Take it (or give back, below zero)."""
        self.level -= amount


class Limits:
    """Leave to send, given to one call after the other."""

    def __init__(
        self, most: int, rpm: float | None = None, tpm: float | None = None, longest_pause: float = LONGEST_PAUSE
    ) -> None:
        self.most, self.longest_pause = most, longest_pause
        self.limit = float(min(START, most))
        self.in_flight = 0
        self.history: list[int] = [int(self.limit)]
        self._requests = Bucket(rpm) if rpm else None
        self._tokens = Bucket(tpm) if tpm else None
        self._seen_429 = False
        self._clean = 0
        self._pause_until = self._episode_until = 0.0
        self._pace = self._paced_at = self._slowed_at = 0.0
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self, tokens: int) -> None:
        """Wait for leave to send a call of about so many tokens."""
        if not self._waiting and self._ready_at(tokens) <= _now():
            self._take(tokens)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, tokens))
        self._wake()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.in_flight -= 1
            raise

    def release(self, fault: BaseException | None = None, extra_tokens: int = 0) -> None:
        """A call came back: cleanly, or with a fault. ``extra_tokens``: what it took beyond the estimate."""
        self.in_flight -= 1
        if self._tokens and extra_tokens:
            self._tokens.take(extra_tokens)
        now = _now()
        if isinstance(fault, Retry):
            self._clean = 0
            if fault.after is not None:
                self._pause_until = max(self._pause_until, now + min(fault.after, self.longest_pause))
            if fault.slower and now >= self._episode_until:
                self._seen_429 = True
                self._set(self.limit * 0.8)
            if fault.slower and now >= self._slowed_at:
                self._pace = min(SLOWEST_PACE, max(PACE, self._pace * 2))
                self._slowed_at = max(now + self._pace, self._pause_until)
            if fault.slower:
                self._episode_until = max(self._episode_until, now + EPISODE, self._pause_until)
        elif fault is None:
            self._pace = self._pace * 0.9 if self._pace > 0.001 else 0.0
            self._clean += 1
            if self._clean >= self.limit:
                self._clean = 0
                self._set(self.limit * (1.05 if self._seen_429 else 2))
        self._wake()

    def _set(self, limit: float) -> None:
        self.limit = max(float(min(LEAST, self.most)), min(limit, float(self.most)))
        if int(self.limit) != self.history[-1] and len(self.history) < 1000:
            self.history.append(int(self.limit))

    def _ready_at(self, tokens: int) -> float:
        """When the next call may go; infinity while all places are taken."""
        if self.in_flight >= int(self.limit):
            return float("inf")
        now = _now()
        times = [now, self._pause_until, self._paced_at + self._pace]
        if self._requests:
            times.append(self._requests.ready_at(1, now))
        if self._tokens:
            times.append(self._tokens.ready_at(tokens, now))
        return max(times)

    def _take(self, tokens: int) -> None:
        self.in_flight += 1
        self._paced_at = _now()
        if self._requests:
            self._requests.take(1)
        if self._tokens:
            self._tokens.take(tokens)

    def _wake(self) -> None:
        while self._waiting:
            turn, tokens = self._waiting[0]
            if turn.done():  # cancelled
                self._waiting.popleft()
                continue
            when = self._ready_at(tokens)
            if when > _now():
                self._arm(when)
                return
            self._waiting.popleft()
            self._take(tokens)
            turn.set_result(None)

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when != float("inf"):
            self._timer = asyncio.get_running_loop().call_at(when + 0.001, self._wake)


def _now() -> float:
    return asyncio.get_running_loop().time()

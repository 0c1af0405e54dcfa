"""A limit on the time of a call, which Python 3.10 has no context for and no Python can put off for all calls.

Time spent behind other calls of ours does not count: a server with one slot and a queue answers us one by one, and the
last of sixty calls is not lost because it had to wait for the others. So a call's clock starts anew whenever one is answered
that was sent before it, or so little after it (within its deadline) that the server may have taken it first. A call that
hangs is noticed all the same, since those get done.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadline:
    """``with Deadline(60):`` in a task; TimeoutError when the block takes longer. A block that ends well is an answer."""

    _running: set[Deadline] = set()  # noqa: RUF012 - of all instances

    def __init__(self, seconds: float) -> None:
        self._seconds, self._expired = seconds, False

    def __enter__(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._began = self._since = self._loop.time()
        self._timer = self._loop.call_at(self._since + self._seconds, self._expire)
        Deadline._running.add(self)

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._timer.cancel()
        Deadline._running.discard(self)
        if kind is None:
            now = self._loop.time()
            for other in Deadline._running:
                if self._began <= other._began + other._seconds:
                    other._since = max(other._since, now)
        if self._expired and kind is asyncio.CancelledError:
            if hasattr(self._task, "uncancel"):
                self._task.uncancel()  # type: ignore[union-attr]
            raise TimeoutError

    def _expire(self) -> None:
        end = self._since + self._seconds
        if self._loop.time() < end:
            self._timer = self._loop.call_at(end, self._expire)
            return
        self._expired = True
        assert self._task is not None
        self._task.cancel()

    @classmethod
    def postpone(cls, seconds: float) -> None:
        """Give every running call more time: the results' reader held us up, and nobody looked at the connections."""
        for deadline in cls._running:
            deadline._since += seconds

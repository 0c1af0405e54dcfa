"""A limit on the time of a call, which Python 3.10 has no context for and no Python can put off for all calls.

Time spent behind earlier calls of ours does not count: a server with one slot and a queue answers us one by one, and the
last of sixty calls is not lost because it had to wait for the others. So a call's clock starts anew whenever an earlier
one is answered; a call that hangs is noticed all the same, since those before it get done.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadline:
    """``with Deadline(60):`` in a task; TimeoutError when the block takes longer. A block that ends well is an answer."""

    _running: dict[Deadline, None] = {}  # noqa: RUF012 - of all instances, in the order in which they began

    def __init__(self, seconds: float) -> None:
        self._seconds, self._expired = seconds, False

    def __enter__(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._since = self._loop.time()
        self._timer = self._loop.call_at(self._since + self._seconds, self._expire)
        Deadline._running[self] = None

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._timer.cancel()
        if kind is None:
            now = self._loop.time()
            for later in reversed(Deadline._running):
                if later is self:
                    break
                later._since = max(later._since, now)
        Deadline._running.pop(self, None)
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

"""A limit on the time of a whole call, which Python 3.10 has no context for and no Python can put off for all calls."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Deadline:
    """``with Deadline(60):`` in a task; TimeoutError when the block takes longer."""

    _running: set[Deadline] = set()  # noqa: RUF012 - of all instances

    def __init__(self, seconds: float) -> None:
        self._seconds, self._expired = seconds, False

    def __enter__(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._timer = self._loop.call_later(self._seconds, self._expire)
        Deadline._running.add(self)

    def __exit__(self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        self._timer.cancel()
        Deadline._running.discard(self)
        if self._expired and kind is asyncio.CancelledError:
            if hasattr(self._task, "uncancel"):
                self._task.uncancel()  # type: ignore[union-attr]
            raise TimeoutError

    def _expire(self) -> None:
        self._expired = True
        assert self._task is not None
        self._task.cancel()

    @classmethod
    def postpone(cls, seconds: float) -> None:
        """Give every running call more time: the results' reader held us up, and nobody looked at the connections."""
        for deadline in cls._running:
            deadline._timer.cancel()
            deadline._timer = deadline._loop.call_at(deadline._timer.when() + seconds, deadline._expire)

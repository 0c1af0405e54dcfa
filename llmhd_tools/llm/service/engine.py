"""Many calls at once, answered in the order they were asked.

Questions are pulled from their stream as the window of open ones moves on, so a million of them need no more memory
than a thousand. A question whose call is in the cache never leaves; one that asks what an open one asks waits for that
one's answer. The others are taken by a fixed number of workers. An answer is committed to the cache before it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from llmhd_tools.errors import InputError, LlmhdError
from llmhd_tools.llm.cache import Cache
from llmhd_tools.llm.calls import Call, Failed, Refused, Reply
from llmhd_tools.llm.requests import Answer
from llmhd_tools.llm.service.attempts import Attempts
from llmhd_tools.llm.service.deadline import Deadline
from llmhd_tools.llm.usage import Usage


class Question(Protocol):
    """Something to ask: a first call, and what its reply leads to."""

    @property
    def call(self) -> Call:
        """The first call."""

    def settle(self, call: Call, reply: Reply) -> Answer | Call:
        """The answer that a reply holds, or a call that asks again; the reply to that one must be an answer."""


@dataclass(eq=False)
class Slot:
    question: Question | None
    answer: Answer | None = None
    next: Call | None = None  # what is to be sent


class Engine:
    """Questions to answers. ``attempts`` None is ``--offline``; else so many workers call as its limits allow at most."""

    _group = 1  # questions in a call
    _ahead = 16  # questions that are open for each worker

    def __init__(self, attempts: Attempts | None, cache: Cache, usage: Usage, host: str) -> None:
        self._attempts, self._cache, self._usage, self._host = attempts, cache, usage, host
        self._workers = attempts.limits.most if attempts else 1
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_pass_over_interrupts)
        self._todo: deque[Slot] = deque()
        self._open: dict[str, Slot] = {}
        self._more = asyncio.Event()
        self._awaited: tuple[Slot, asyncio.Future[None]] | None = None
        self._fatal: BaseException | None = None
        self._flushing = False

    def answers(self, questions: Iterable[Question | Answer]) -> Iterator[Answer]:
        """Answers in the order of the questions; an Answer among them is passed on.

        Raises ServiceError where no further call can succeed. However the work ends, what was answered is in the cache.
        """
        source, window = iter(questions), deque[Slot]()
        size = max(256, self._ahead * self._workers)
        workers: list[asyncio.Task[None]] = []
        self._fatal = None
        if self._attempts is not None:
            self._attempts.over = None
        try:
            while True:
                more = self._fill(source, window, size)
                if not window:
                    return
                if self._todo and not workers:
                    workers = [self._loop.create_task(self._work()) for _ in range(self._workers)]
                self._wait_for(window[0])
                self._cache.commit()
                while window and (answer := window[0].answer) is not None and (not more or len(window) > size // 2):
                    window.popleft()
                    told = time.monotonic()
                    yield answer
                    if (held := time.monotonic() - told) > 1:
                        Deadline.postpone(held)
        finally:
            self._settle_down(workers)

    def close(self) -> None:
        """Give the event loop back."""
        self._loop.close()

    def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run something in the engine's event loop."""
        self._loop.run_until_complete(work())

    def _fill(self, source: Iterator[Question | Answer], window: deque[Slot], size: int) -> bool:
        """Pull questions until the window is full; False when there are no more."""
        while len(window) < size:
            question = next(source, None)
            if question is None:
                return False
            if isinstance(question, Answer):
                window.append(Slot(None, question))
                continue
            key = question.call.key
            if (twin := self._open.get(key)) is not None:
                self._usage.merged(question.call)
                window.append(twin)
                continue
            slot = Slot(question)
            window.append(slot)
            found = self._known(question, question.call)
            if isinstance(found, Answer):
                slot.answer = found
                continue
            slot.next = found
            if self._attempts is None:
                where = self._cache.path
                raise InputError("does not hold an answer that is needed; run again without `offline`", where=where)
            self._open[key] = slot
            self._todo.append(slot)
        return True

    def _known(self, question: Question, call: Call) -> Answer | Call:
        """What the cache makes of a question: its answer, or the call that must be sent."""
        while (reply := self._cache.get(call.key)) is not None:
            self._usage.cached(call)
            if self._attempts is not None:
                self._attempts.works = True
            settled = question.settle(call, reply)
            if isinstance(settled, Answer):
                return settled
            call = settled
        return call

    def _wait_for(self, slot: Slot) -> None:
        if slot.answer is not None:
            return
        if self._fatal is None:
            future = self._loop.create_future()
            self._awaited = slot, future
            self._more.set()
            self._loop.run_until_complete(future)
        if self._fatal is not None:
            raise self._fatal

    async def _work(self) -> None:
        while True:
            while not self._todo:
                self._more.clear()
                await self._more.wait()
            slots = [self._todo.popleft() for _ in range(min(self._group, len(self._todo)))]
            try:
                await self._send(slots)
            except Exception as error:  # ServiceError, or a bug: no further question is worth asking
                self._fatal = self._fatal or error
            else:
                for slot in slots:
                    if slot.question is not None:
                        self._open.pop(slot.question.call.key, None)
            if self._awaited and (self._awaited[0].answer is not None or self._fatal) and not self._awaited[1].done():
                self._awaited[1].set_result(None)
            if self._fatal is not None:
                return

    async def _send(self, slots: list[Slot]) -> None:
        """Answer the questions of some slots: ``_group`` of them at most, which here is one."""
        for slot in slots:
            slot.answer = await self._resolve(slot)

    async def _resolve(self, slot: Slot) -> Answer:
        question, call = slot.question, slot.next
        assert question is not None and call is not None and self._attempts is not None
        while True:
            try:
                reply = await self._attempts.reply(call)
            except Failed as fault:
                if isinstance(fault, Refused):
                    self._attempts.refused(fault)
                self._usage.failed(call)
                return Answer(error=str(fault))
            self._usage.sent(call, reply)
            self._keep(call, reply)
            settled = question.settle(call, reply)
            if isinstance(settled, Call):
                settled = self._known(question, settled)
            if isinstance(settled, Answer):
                return settled
            call = settled

    def _keep(self, call: Call, reply: Reply) -> None:
        """Put a reply into the cache; all replies of one turn of the event loop share a commit."""
        self._cache.put(call, reply, self._host)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        try:
            self._cache.commit()
        except LlmhdError as error:
            self._fatal = self._fatal or error

    def _settle_down(self, workers: list[asyncio.Task[None]]) -> None:
        """Stop sending, forget what is open, keep what was answered."""
        for worker in workers:
            worker.cancel()
        while any(not worker.done() for worker in workers):
            with contextlib.suppress(
                RuntimeError
            ):  # an interrupted loop may hold a stop left over, which ends this run
                self._loop.run_until_complete(asyncio.wait(workers))
        self._todo.clear()
        self._open.clear()
        self._awaited, self._flushing = None, False
        self._cache.commit()


def _pass_over_interrupts(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Ctrl-C may land in a task of the client's; it ends the run all the same, and asyncio need not tell of it again."""
    if not isinstance(context.get("exception"), KeyboardInterrupt):
        loop.default_exception_handler(context)

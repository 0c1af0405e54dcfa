"""One call, as many attempts as it is worth, at the pace that the limits allow; and when no call is worth any more.

A service that refuses everything, or says nothing to anybody, is not asked for every row: a run stops with the reason. It
does not where the service has answered under the same options before (in this run, or in the cache), since then the rows
are at fault, and the run must be able to end.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import NoReturn

from llmhd_tools.errors import ServiceError
from llmhd_tools.llm.calls import Call, Denied, Failed, Refused, Reply, Retry
from llmhd_tools.llm.service.fallbacks import Fallbacks
from llmhd_tools.llm.service.limits import Limits

MOST = 5  # attempts at one call
SLOWED = 10  # attempts in all; a 429, or a call lost in a crowd, does not count against MOST
BACKOFF, LONGEST_BACKOFF = 0.5, 30.0  # seconds; doubled with each attempt, ± a quarter
HOPELESS = 20  # calls in a row that used up their attempts, or were refused, end the run
DENIED = 3  # the first calls, all denied (403), end it sooner
SILENT = 5  # so do different calls in a row, sent one by one, that got nothing


class Attempts:
    """Sends calls by ``send``, which makes one attempt."""

    def __init__(
        self,
        send: Callable[[Call], Awaitable[Reply]],
        limits: Limits,
        *,
        most: int = MOST,
        backoff: float = BACKOFF,
    ) -> None:
        self._send, self.limits = send, limits
        self._most, self._backoff = most, backoff
        self._fallbacks = Fallbacks()
        self._random = random.Random()  # spreads retries; never in a result
        self._hopeless = self._refused = self._denied = 0
        self._silent: set[str] = set()
        self._denial = ""
        self.works = False  # whether the service has answered such calls before
        self.over: ServiceError | None = None  # why no call is sent any more

    async def reply(self, call: Call, most: int | None = None) -> Reply:
        """The reply to a call. Raises Failed when there will be none, ServiceError when no call will have one.

        ``most`` attempts, where they are fewer: a call that can still be split is given up without a word.
        """
        faults = slowed = 0
        while True:
            sent, alone = await self.limits.acquire(call.tokens), self.limits.alone
            if self.over is not None:
                self.limits.release(self.over)
                raise self.over
            asked = self._fallbacks.apply(call)
            try:
                reply = await self._send(asked)
            except Retry as fault:
                self.limits.release(fault, sent=sent)
                if self._fallbacks.learn(asked, call, str(fault)):  # some refuse a form with a 500
                    continue
                crowded = fault.slower or (fault.crowded and not alone)
                slowed, faults = slowed + crowded, faults + (not crowded)
                if faults >= min(self._most, most or self._most) or faults + slowed >= SLOWED:
                    self._give_up(fault, faults + slowed, counts=most is None)
                self._listen(call, fault, alone)
                if fault.after is None:
                    pause = min(LONGEST_BACKOFF, self._backoff * 2 ** (faults + slowed - 1))
                    await asyncio.sleep(pause * self._random.uniform(0.75, 1.25))
            except BaseException as fault:
                self.over = self.over or (fault if isinstance(fault, ServiceError) else None)
                self.limits.release(fault, sent=sent)
                if isinstance(fault, Failed):  # the service is there
                    self._heard()
                if isinstance(fault, Refused) and self._fallbacks.learn(asked, call, str(fault)):
                    continue
                raise
            else:
                self._heard()
                self.works, self._refused, self._denied = True, 0, 0
                self.limits.release(None, reply.prompt_tokens + reply.completion_tokens - call.tokens)
                return reply

    def refused(self, fault: Refused) -> None:
        """Count the refusal of one question. Raises ServiceError where the service refuses all, by the look of it."""
        self._refused += 1
        self._denied, self._denial = (self._denied + 1, str(fault)) if isinstance(fault, Denied) else (0, "")
        if self._denied >= (HOPELESS if self.works else DENIED):
            self._stop_denied()
        if not self.works and self._refused >= HOPELESS:
            self._stop(f"{HOPELESS} calls were refused and none was answered; {fault}")

    def finish(self) -> None:
        """Raise ServiceError where all calls were denied, however few they were."""
        if self._denied and not self.works:
            self._stop_denied()

    def _stop_denied(self) -> NoReturn:
        self._stop(f"{self._denial}; check the key (OPENAI_API_KEY, `api_key_file`) and what it may do")

    def _stop(self, reason: str) -> NoReturn:
        self.over = ServiceError(reason)
        raise self.over

    def _heard(self) -> None:
        self._hopeless = 0
        self._silent.clear()

    def _listen(self, call: Call, fault: Retry, alone: bool) -> None:
        """Notice that the service gives nothing to anybody, though calls go one by one."""
        if not fault.mute:
            self._silent.clear()
        elif alone:
            self._silent.add(call.key)
        if len(self._silent) >= SILENT:
            self._stop(f"{SILENT} calls in a row failed, one at a time; {_advised(fault)}")

    def _give_up(self, fault: Retry, attempts: int, counts: bool) -> NoReturn:
        self._hopeless += counts
        if self._hopeless >= HOPELESS:
            self._stop(f"{HOPELESS} calls in a row failed; {_advised(fault)}")
        raise Failed(f"{fault}; {attempts} attempts")


def _advised(fault: Retry) -> str:
    more = "; a slow service may need a longer `deadline` or fewer `max_in_flight`" * fault.mute
    return f"{fault}; run the same command again to go on{more}"

"""One call, as many attempts as it is worth, at the pace that the limits allow."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import NoReturn

from llmhd_tools.errors import ServiceError
from llmhd_tools.llm.calls import Call, Failed, Reply, Retry
from llmhd_tools.llm.service.limits import Limits

MOST = 5  # attempts at one call
SLOWED = 10  # attempts in all; a 429 does not count against MOST
BACKOFF, LONGEST_BACKOFF = 0.5, 30.0  # seconds; doubled with each attempt, ± a quarter
HOPELESS = 20  # calls in a row that used up their attempts end the run


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
        self._random = random.Random()  # spreads retries; never in a result
        self._hopeless = 0

    async def reply(self, call: Call) -> Reply:
        """The reply to a call. Raises Failed when there will be none, ServiceError when no call will have one."""
        faults = slowed = 0
        while True:
            await self.limits.acquire(call.tokens)
            try:
                reply = await self._send(call)
            except Retry as fault:
                self.limits.release(fault)
                slowed, faults = slowed + fault.slower, faults + (not fault.slower)
                if faults >= self._most or faults + slowed >= SLOWED:
                    self._give_up(str(fault), faults + slowed)
                if fault.after is None:
                    pause = min(LONGEST_BACKOFF, self._backoff * 2 ** (faults + slowed - 1))
                    await asyncio.sleep(pause * self._random.uniform(0.75, 1.25))
            except BaseException as fault:
                self.limits.release(fault)
                if isinstance(fault, Failed):  # the service works
                    self._hopeless = 0
                raise
            else:
                self._hopeless = 0
                self.limits.release(None, reply.prompt_tokens + reply.completion_tokens - call.tokens)
                return reply

    def _give_up(self, reason: str, attempts: int) -> NoReturn:
        self._hopeless += 1
        if self._hopeless >= HOPELESS:
            raise ServiceError(f"{HOPELESS} calls in a row failed; {reason}; run the same command again to go on")
        raise Failed(f"{reason}; {attempts} attempts")

"""What is sent in another form after a service refused it in the first: the same question, asked as the service can take it.

Models without a system message get the role at the head of the user message; servers that tell fewer probabilities than
``--expected-score`` asks for are asked for fewer, or for none. What was learnt from one refusal holds for all later calls
of a run, and is told once. The answer is kept under the key of the call as it was meant, so a second run finds it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from llmhd_tools import notes
from llmhd_tools.llm.calls import Call
from llmhd_tools.llm.prompts import without_system

_FEWER = (20, 5, 0)  # top_logprobs: what is asked for, what vLLM's servers allow, none
_SYSTEM = re.compile(
    r"\bsystem\b.{0,40}\b(?:roles?|messages?|prompts?|instructions?)\b|\broles?\b.{0,80}\b(?:system|user|assistant)\b"
    r"|developer instruction|roles must alternate",
    re.IGNORECASE | re.DOTALL,
)
_NOT = re.compile(
    r"not (?:support|allow|accept|permit|enabled|available|valid)|n['’]t (?:support|allow|accept)|unsupported|unexpected"
    r"|unknown|invalid|disallow|only|no system|must (?:be|alternate)|should be|cannot",
    re.IGNORECASE,
)
_LOGPROBS = re.compile(r"log_?probs|log[ -]prob", re.IGNORECASE)


class Fallbacks:
    """What a service has been found not to take; each finding is told once."""

    def __init__(self) -> None:
        self._no_system = False
        self._logprobs: int | None = None  # the most; 0 is none at all

    def apply(self, call: Call) -> Call:
        """The call in a form that the service takes, as far as is known."""
        body: dict[str, Any] = call.body
        if self._no_system and _has_system(body):
            body = body | {"messages": without_system(body["messages"])}
        if self._logprobs is not None and body.get("top_logprobs", 0) > self._logprobs:
            body = body | {"top_logprobs": self._logprobs}
            if not self._logprobs:
                body = {name: value for name, value in body.items() if name not in ("logprobs", "top_logprobs")}
        return call if body is call.body else replace(call, body=body)

    def learn(self, asked: Call, meant: Call, refusal: str) -> bool:
        """Whether a call that was refused in these words is worth sending again, in another form.

        ``asked`` is what was sent for the call ``meant``; others may have learnt while it was away.
        """
        if self.apply(meant).body != asked.body:
            return True
        body = asked.body
        if _has_system(body) and _SYSTEM.search(refusal) and _NOT.search(refusal):
            self._no_system = True
            notes.note("the model takes no system message: the role goes into the user message (as by `no_system`)")
            return True
        top = body.get("top_logprobs")
        if top and _LOGPROBS.search(refusal):
            allowed = [int(number) for number in re.findall(r"\b\d{1,3}\b", refusal) if 0 < int(number) < min(top, 100)]
            self._logprobs = max(allowed, default=next(fewer for fewer in _FEWER if fewer < top))
            what = f"at most {self._logprobs}" if self._logprobs else "no"
            notes.note(f"the service gives {what} top_logprobs; it is asked for no more")
            return True
        return False


def _has_system(body: dict[str, Any]) -> bool:
    return bool(body.get("messages")) and body["messages"][0]["role"] == "system"

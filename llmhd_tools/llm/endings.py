"""How a reply ended, by the ``finish_reason`` that a service gives it, in any of the many spellings.

Most servers invent names for the normal end (``stop``, ``eos_token``, ``STOP``, ``end_turn``, ``complete``), so the names
of the abnormal ones are looked for and all others are an end.
"""

from __future__ import annotations

import re

_BROKEN = re.compile(
    r"error|abort|cancel|fail|time_?d?_?out|unavailable|overload|insufficient_system|interrupt|exception|crash|killed|preempt"
)
_CUT = re.compile(r"length|max_|maximum|token_limit|limit_reached|truncat|incomplete|context_window|too_long")
_WITHHELD = re.compile(
    r"filter|safety|moderat|recitation|block|prohibit|spii|guardrail|sensitive|flagged|polic|harm|violat|content_risk"
)
NO_TEXT = {  # our own names, for replies that are whole and hold no text
    "refusal": "is a refusal",
    "reasoning": "holds only reasoning",
    "tool_calls": "is the call of a tool",
    "empty": "holds no text",
}


def is_broken(finish: str) -> bool:
    """Whether something broke on the service's side: no answer, and worth asking again."""
    return bool(_BROKEN.search(_plain(finish)))


def is_stopped(finish: str) -> bool:
    """Whether the reply was cut off or withheld: the service's last word, but no answer."""
    name = _plain(finish)
    return bool(_CUT.search(name) or _WITHHELD.search(name))


def fault_of(finish: str, text: str) -> str | None:
    """What is wrong with a reply that ended so, as a predicate; None where it ended well."""
    name = _plain(finish)
    if is_broken(name):
        return f"broke off with {finish[:40]!r}"
    if _CUT.search(name):
        return "was cut off at the token limit"
    if _WITHHELD.search(name):
        return "was withheld by the content filter"
    return None if text.strip() else NO_TEXT.get(name)


def _plain(finish: str) -> str:
    return re.sub(r"[\s.-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", finish)).lower()

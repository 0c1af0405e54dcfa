"""Text that strangers wrote (items, and profiles made from them), made fit to stand in a prompt.

Without ``<`` and ``[`` it cannot hold an answer tag (``<s>10</s>``) nor a control token of a chat model
(``<|im_start|>``, ``<start_of_turn>``, ``[INST]``); without invisible characters it says nothing that a person who
reads it would not see (OWASP LLM01: tag block, variation selectors, zero width, bidi).
"""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"  # soft hyphen, joiners, fillers, zero width, bidi, variation selectors, tag characters
)
_HARMLESS = str.maketrans(  # with the characters that Unicode normalisation would turn into the plain ones
    dict.fromkeys("<\u226e\ufe64\uff1c", "‹")
    | dict.fromkeys(">\u226f\ufe65\uff1e", "›")
    | dict.fromkeys("[\uff3b\ufe47", "(")
    | dict.fromkeys("]\uff3d\ufe48", ")")
)
_ORDERS = re.compile(
    r"""
    \b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|prompts?|rules?|above|previous|profile)\b
    | \b(?:always|must|should|shall|please|now)\s+(?:be\s+)?(?:scored?|rated?|answer|reply|respond|output)\b
    | \b(?:scored?|rate|rating|answer|reply|respond|output|return|give)\b.{0,30}
      \b(?:1|10|ten|one|highest|lowest|maximum|minimum)\b
      (?!\s*[-–]?\s*(?:book|novel|volume|star|player|hour|year|century|minute))
    | \b(?:10|1)\s*(?:/|out\ of)\s*10\b
    | \b(?:system|user|assistant)\s*:
    | \b(?:system\ prompt|language\ model|the\ scorer|as\ an\ ai)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


def order_in(text: str) -> str | None:
    """Words of a text that speak to the scorer rather than of a taste, if there are any.

    A profile is a memory: what an item's text smuggles into it would steer every later score of that user (OWASP
    LLM01). This finds the plain attempts; no list of patterns finds all of them.
    """
    found = _ORDERS.search(clean(text, 4_000))
    return found[0][:60] if found else None


def clean(text: str, limit: int) -> str:
    """Make a stranger's text harmless: one line of at most ``limit`` visible characters.

    Control, private and invisible characters go; runs of white space become one space; ``<>[]`` and their look-alikes
    become ``‹›()``; what is too long ends with a visible ``…``, after a whole word where words are shorter
    than half the limit. Cleaning twice changes nothing more. ``limit`` is at least 1.
    """
    text = _CONTROL.sub("", _INVISIBLE.sub("", text))
    text = " ".join(text.translate(_HARMLESS).split())
    if len(text) <= limit:
        return text
    end = text.rfind(" ", 0, limit)
    return text[: end if end >= limit // 2 else limit - 1] + "…"

"""A score from the distribution over the answer's tokens rather than from one sample (as G-Eval does)."""

from __future__ import annotations

import math
import re
from typing import Any

_NUMBER = re.compile(r"(?<!\d)(10|[1-9])(?!\d)")
_LEGAL = {str(number) for number in range(1, 11)}


def expectation(text: str, logprobs: Any) -> tuple[float, float] | None:
    """Mean of 1..10 under the model's probabilities where the answer's number stands, and their legal share.

    ``logprobs`` is what a chat completion holds under that name. None where it is missing, does not spell the text, or
    cannot tell 1 from 10: in vocabularies that split digits the token ``1`` begins both, and what follows it is known
    only when it was the one sampled.
    """
    try:
        tokens = [(str(t["token"]), t["top_logprobs"]) for t in logprobs["content"]]
        places = list(_NUMBER.finditer(text))
        if not places or "".join(token for token, _ in tokens) != text:
            return None
        start, at = places[-1].start(), 0
        index = 0
        while at + len(tokens[index][0]) <= start:
            at += len(tokens[index][0])
            index += 1
        before = tokens[index][0][: start - at]
        found = _legal(tokens[index][1], before)
        if "1" in found and "10" not in found:
            if tokens[index][0] == before + "1" and index + 1 < len(tokens):
                ten = sum(_chance(t) for t in tokens[index + 1][1] if str(t["token"]).startswith("0"))
                found["10"], found["1"] = found["1"] * ten, found["1"] * (1 - ten)
            elif found["1"] > 0.05:
                return None
    except (KeyError, TypeError, IndexError, ValueError, OverflowError):
        return None
    mass = math.fsum(found.values())
    if not 0 < mass < 1.01:
        return None
    mean = math.fsum(int(number) * chance for number, chance in found.items()) / mass
    return round(min(10.0, max(1.0, mean)), 6), round(min(mass, 1.0), 6)


def _legal(alternatives: Any, before: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for alternative in alternatives:
        token = str(alternative["token"])
        number = token[len(before) :].strip()
        if token.startswith(before) and number in _LEGAL:
            found[number] = found.get(number, 0.0) + _chance(alternative)
    return found


def _chance(alternative: Any) -> float:
    return math.exp(float(alternative["logprob"]))

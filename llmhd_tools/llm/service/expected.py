"""A score from the distribution over the answer's tokens rather than from one sample (as G-Eval does)."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from llmhd_tools.llm.answers import find_score

_CONTROL = re.compile(r"</s>|<\|[^<>]{1,40}\|>|<(?:eos|end_of_turn|\uff5c[^<>]{1,40}\uff5c)>")
_NUMBER = re.compile(r"\s*(10|[1-9])(?!\d)\s*(.*)", re.DOTALL)
UNSURE = 0.05  # the most that the chance of "1 or the beginning of 10" may be


class Token(NamedTuple):
    """A token of a reply, and the chances of all that could have stood there."""

    text: str
    chances: dict[str, float]


def expectation(text: str, logprobs: Any) -> tuple[float, float] | None:
    """Mean of 1..10 under the model's probabilities where the answer's number stands, and their legal share.

    The number is the one that the grammar of ``answers.py`` finds. ``logprobs`` is what a chat completion holds under that
    name; its tokens may spell more than the text does (reasoning, control tokens). None where it is missing, where the
    grammar finds another number in the tokens than in the text, and where they cannot tell 1 from 10: in vocabularies that
    split digits the token ``1`` begins both, and what follows it is known only when it was the one sampled.
    """
    wanted = find_score(text)
    try:
        tokens = [_token(t) for t in logprobs["content"]]
        while tokens and _CONTROL.fullmatch(tokens[-1].text.strip()):
            tokens.pop()
        found = find_score("".join(token.text for token in tokens))
        if wanted is None or found is None or found[1] != wanted[1]:
            return None
        chances = _chances(tokens, found.start(1), found[1])
    except (KeyError, TypeError, IndexError, ValueError, OverflowError, AttributeError):
        return None
    mass = math.fsum((chances or {}).values())
    if not chances or not 0 < mass < 1.01:
        return None
    mean = math.fsum(number * chance for number, chance in chances.items()) / mass
    return round(min(10.0, max(1.0, mean)), 6), round(min(mass, 1.0), 6)


def _chances(tokens: list[Token], start: int, number: str) -> dict[int, float] | None:
    """The chance of each legal number to stand where ``number`` does, ``start`` characters from the beginning."""
    index = 0
    while start >= len(tokens[index].text):
        start -= len(tokens[index].text)
        index += 1
    token = tokens[index]
    before = token.text[:start].rstrip()
    found: dict[int, float] = {}
    unsure = 0.0
    for other, chance in token.chances.items():
        spelt = _NUMBER.fullmatch(other[len(before) :]) if other.startswith(before) else None
        if spelt and (not spelt[2] or spelt[2][0] == "<"):  # "8" or "8</"
            found[int(spelt[1])] = found.get(int(spelt[1]), 0.0) + chance
            unsure += chance * ((spelt[1], spelt[2]) == ("1", ""))
    shown = token.text[start:].strip()
    if shown != "1" and unsure > UNSURE and 10 not in found:
        return None
    if shown == number[0]:  # the next token says whether it went on
        more = tokens[index + 1].chances if index + 1 < len(tokens) else {}
        goes_on = {other: chance for other, chance in more.items() if other[:1].isdigit()}
        first = found.get(int(shown), 0.0)
        found[int(shown)] = first * max(0.0, 1 - math.fsum(goes_on.values()))
        if shown == "1":
            ten = math.fsum(chance for other, chance in goes_on.items() if re.match(r"0(?!\d)", other))
            found[10] = found.get(10, 0.0) + first * ten
    return found


def _token(entry: Any) -> Token:
    chances = {str(entry["token"]): _chance(entry)} if entry.get("logprob") is not None else {}
    for other in entry["top_logprobs"]:
        chances[str(other["token"])] = _chance(other)
    return Token(str(entry["token"]), chances)


def _chance(entry: Any) -> float:
    chance = math.exp(float(entry["logprob"]))
    if not chance <= 1.01:
        raise ValueError("no probability")
    return chance

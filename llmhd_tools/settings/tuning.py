"""What is tried when settings are tuned: named values, all of them together or some, and by what they are judged."""

from __future__ import annotations

import contextlib
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llmhd_tools.errors import UsageError
from llmhd_tools.registry import FITTED
from llmhd_tools.settings.declare import Section, choice


@dataclass(frozen=True)
class Tuning(Section):
    """Which settings to try, and by what to choose among them."""

    title = "Trials"

    tries: tuple[str, ...] = choice(
        (),
        "Values to try of an option of `run`, or of the methods' own options (--set); one value fixes it. Repeat it: all "
        "combinations are tried.",
        words="--try",
        metavar="NAME=VALUE,VALUE",
    )
    fit: str | None = choice(None, "Fit this in closed form; a trial is a `run` otherwise:", of=tuple(FITTED))
    select: str = choice(
        "ndcg@10",
        "What of valid makes a trial the best, and of a run's epochs the one that counts: METRIC@K; for runs also as for "
        "`run --select`.",
        metavar="WHAT",
    )
    random: int | None = choice(None, "Only so many of the combinations, drawn at random.", low=1)
    seed: int = choice(0, "Seed of the draw of --random; that of the trials is --try seed=N.", low=0)


def values_of(section: type[Section] | None, name: str, texts: Sequence[str]) -> list[Any]:
    """The values of a choice that texts spell; without a ``section``, of an option of a method's own: numbers, or texts.

    Raises UsageError for a text that is none, or stands there twice.
    """
    kinds: set[Any] = set()
    if section is not None:
        hint = typing.get_type_hints(section)[name]
        kinds = set(typing.get_args(hint) or (hint,))
    found = [_value(kinds, name, text.strip()) for text in texts]
    if len(set(map(str, found))) < len(found):
        raise UsageError(f"`try` {name}={','.join(texts)}: a value stands there twice")
    return found


def _plain(text: str) -> Any:
    """A text as the number that it spells, else as it stands."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _value(kinds: set[Any], name: str, text: str) -> Any:
    if bool in kinds:
        if text not in ("true", "false"):
            raise UsageError(f"`try` {name}={text}: must be true or false")
        return text == "true"
    if not kinds:
        return _plain(text)
    if str in kinds:
        return text
    try:
        return int(text) if int in kinds else float(text)
    except ValueError:
        kind = "a whole number" if int in kinds else "a number"
        raise UsageError(f"`try` {name}={text}: must be {kind}") from None

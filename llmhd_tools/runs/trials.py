"""The trials of a tuning: which settings each has, and where the best lies among all that were tried."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import UsageError
from llmhd_tools.runs.plan import Plan
from llmhd_tools.settings import Section, choices_of
from llmhd_tools.settings.training import Fitting
from llmhd_tools.settings.tuning import Tuning, values_of

Choices = dict[str, Any]  # of a run or a fit, by name


@dataclass(frozen=True)
class Space:
    """All that may be tried: values by name, and the section of each name that is a choice; others are for ``set``."""

    values: dict[str, list[Any]]
    sections: dict[str, type[Section]]

    @classmethod
    def of(cls, how: Tuning) -> Space:
        """What the words of ``--try`` spell. Raises UsageError where one of them is not spelt so, or names nothing to try."""
        known = _sections([Fitting]) if how.fit else _sections(_of_a_run())
        values: dict[str, list[Any]] = {}
        for word in how.tries:
            name, equals, text = word.partition("=")
            name = name.strip().replace("-", "_")
            if not equals or not name or not all(part.strip() for part in text.split(",")):
                raise UsageError(f"`try` {word}: is not NAME=VALUE,VALUE")
            if name in values:
                raise UsageError(f"`try` {name} stands there twice; name all its values in one")
            if name in ("select", "set"):
                other = "`select` of the tuning itself" if name == "select" else "the option's own name"
                raise UsageError(f"`try` {name}: give {other}")
            values[name] = values_of(known.get(name), name, text.split(","))
        if not values:
            raise UsageError("nothing to try; name some values with `try` NAME=VALUE,VALUE")
        return cls(values, {name: known[name] for name in values if name in known})

    @property
    def varied(self) -> list[str]:
        """The names of which there is more than one value; all names where there is none."""
        return [name for name, values in self.values.items() if len(values) > 1] or list(self.values)

    def trials(self, random: int | None, seed: int) -> list[Choices]:
        """The combinations, the last name's values first; ``random`` so many of them in a random order.

        More of one seed begin with the same ones.
        """
        every = [dict(zip(self.values, one, strict=True)) for one in itertools.product(*self.values.values())]
        if random is None or random >= len(every):
            return every
        return [every[at] for at in generator(seed, 0, "tune").permutation(len(every))[:random]]

    def over(self, fixed: Mapping[str, Any], trial: Choices) -> Choices:
        """The choices of a trial, over those that are ``fixed``; what is no section's stands among the words of ``set``."""
        own = {name: value for name, value in trial.items() if name not in self.sections}
        given = [word for word in fixed.get("set", ()) if word.partition("=")[0].replace("-", "_") not in own]
        words = [f"{name.replace('_', '-')}={value}" for name, value in own.items()]
        choices = {**fixed, **{name: trial[name] for name in self.sections}}
        return choices | ({"set": [*given, *words]} if given or words else {})

    def edges(self, best: Choices) -> Iterator[tuple[str, Any, str]]:
        """The names whose best value is the smallest or largest tried, and whether ``smaller`` or ``larger`` may be better."""
        for name, values in self.values.items():
            numbers = _numbers(values)
            if len(numbers) < 2:
                continue
            at = _numbers([best[name]])[0]
            spec = choices_of(self.sections[name])[name] if name in self.sections else None
            if at == min(numbers) and not (spec and spec.low == at):
                yield name, best[name], "smaller"
            elif at == max(numbers) and not (spec and spec.high == at):
                yield name, best[name], "larger"


def _numbers(values: Sequence[Any]) -> list[float]:
    """Values as numbers, none where one of them is no number."""
    try:
        return [] if any(isinstance(value, bool) for value in values) else [float(value) for value in values]
    except ValueError:
        return []


def _of_a_run() -> list[type[Section]]:
    sections = [getattr(f, "default_factory", None) for f in fields(Plan)]
    return [one for one in sections if isinstance(one, type) and issubclass(one, Section)]


def _sections(sections: Sequence[type[Section]]) -> dict[str, type[Section]]:
    return {name: section for section in sections for name in choices_of(section)}


def best_of(values: Sequence[float | None], lowest: bool) -> int | None:
    """The row of the best value, the first of equal ones; None where there is no value."""
    found = np.array([np.nan if value is None else value for value in values], dtype=float)
    if np.isnan(found).all():
        return None
    return int(np.nanargmin(found) if lowest else np.nanargmax(found))

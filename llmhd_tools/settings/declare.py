"""How a choice is declared: its name, default, range, help and equation, and whether the result depends on it.

A section is a frozen dataclass whose fields are choices. The command line makes options of them, ``run --config`` reads
them, Python takes them by keyword, and records of how a file was made hold them; all under one name. Messages name a
choice in backquotes, as Python spells it; the command line spells it as its option.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from llmhd_tools.errors import UsageError
from llmhd_tools.settings.spans import span_of

# Choices and the values that another choice counts beside: one, several, any (ANY) or none (WITHOUT).
Needs = Mapping[str, Any]
ANY, WITHOUT = True, False


@dataclass(frozen=True)
class Choice:
    """What there is to say about one choice."""

    help: str
    low: float | None = None
    high: float | None = None
    above: bool = False  # whether ``low`` itself is too low
    of: tuple[str, ...] = ()  # the values that there are
    own: bool = False  # whether a class of the user's, module:Class, may stand in their place
    metavar: str = ""
    words: str = ""  # on the command line, where that is not --name, or --name/--no-name
    usual: str = ""  # what None stands for
    needs: tuple[Needs, ...] = ()  # counts beside any of these alone; none: its section's
    span: bool = False  # steps of training, or epochs
    strict: bool = False  # a file for one purpose: refused, not only told, where nothing reads or writes it
    decides: bool = True  # whether the result depends on it


def choice(default: Any, text: str, **more: Any) -> Any:
    """A field of a section."""
    return dataclasses.field(default=default, metadata={"choice": Choice(text, **more)})


@dataclass(frozen=True)
class Section:
    """Choices that belong together. Raises UsageError for a value that one of them cannot have."""

    title: ClassVar[str] = ""
    needs: ClassVar[tuple[Needs, ...]] = ()

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, int) and not isinstance(value, bool) and "float" in str(f.type):
                object.__setattr__(self, f.name, float(value))  # 40 and 40.0 are one choice, and one in records
        for name, spec in choices_of(type(self)).items():
            if spec.span:
                value = getattr(self, name)
                object.__setattr__(self, name, span_of(f"`{name}` {value}", value, spec.low or 0.0))
            check(name, getattr(self, name), spec)


S = TypeVar("S", bound=Section)


def choices_of(section: type[Section]) -> dict[str, Choice]:
    """The choices of a section by name; each has its section's needs where it names none of its own."""
    found = {}
    for f in fields(section):
        spec: Choice = f.metadata["choice"]
        found[f.name] = spec if spec.needs else dataclasses.replace(spec, needs=section.needs)
    return found


def pick(section: type[S], given: S | None, choices: Mapping[str, Any]) -> S:
    """The section as given, or as usual, with some ``choices`` by name put in their place; a list stands for its text.

    Raises UsageError for a name that is none of its choices, and for a value that it cannot have.
    """
    if unknown := sorted(choices.keys() - {f.name for f in fields(section)}):
        known = ", ".join(f.name for f in fields(section))
        raise UsageError(f"there is no choice '{unknown[0]}' here; choose from {known}")
    base = given or section()
    spelt = {name: _spelt(value, getattr(base, name)) for name, value in choices.items()}
    return dataclasses.replace(base, **spelt)


def _spelt(value: Any, like: Any) -> Any:
    """A list as its choice has it: as a tuple, or as the text that the command line would have."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(value) if isinstance(like, tuple) else ",".join(map(str, value))


def check(name: str, value: Any, spec: Choice) -> None:
    """Raise UsageError where a choice cannot have this value."""
    if value is None:
        return
    if spec.of and value not in spec.of and not (spec.own and is_own(value)):
        own = ", or name a class of your own as module:Class" if spec.own else ""
        raise UsageError(f"`{name}` '{value}' is unknown; choose from {', '.join(spec.of)}{own}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if not math.isfinite(value):
        raise UsageError(f"`{name}` {value} is not a finite number")
    low, high = spec.low, spec.high
    if low is not None and (value < low or (spec.above and value == low)):
        raise UsageError(f"`{name}` {value:g} is {'not above' if spec.above else 'below'} {low:g}")
    if high is not None and value > high:
        raise UsageError(f"`{name}` {value:g} is above {high:g}")


def is_own(value: object) -> bool:
    """Whether a value is spelt as a class of the user's, ``module:Class``."""
    module, colon, name = str(value).partition(":")
    return bool(colon) and name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def asked_for(needs: Sequence[Needs], given: Mapping[str, Any]) -> bool:
    """Whether what a choice counts beside is there, among all that was ``given`` by name."""
    return not needs or any(all(_fits(given.get(k), v) for k, v in one.items()) for one in needs)


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, bool):
        return bool(value) == wanted
    return value in wanted if isinstance(wanted, tuple) else value == wanted


def purpose(needs: Sequence[Needs]) -> str:
    """``needs`` in words: ``--denoise loss or llmhd, or --clean graph``, in the command line's spelling."""
    return ", or ".join(" ".join(_need(*need, first=not n) for n, need in enumerate(one.items())) for one in needs)


def _need(name: str, value: Any, first: bool) -> str:
    option = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return option if first else f"{'with' if value else 'without'} {option}"
    return f"{option} {' or '.join(value if isinstance(value, tuple) else (value,))}"

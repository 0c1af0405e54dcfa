"""Times as sources write them: numbers, ISO dates, and dates whose shape the column itself gives away."""

from __future__ import annotations

import contextlib
import itertools
import math
import re
from array import array
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import UsageError
from llmhd_tools.importers.text import shown

Parse = Callable[[str], float]  # raises ValueError where a text is not of its shape

_ISO = re.compile(
    r"(\d{4})[-/.](\d\d?)[-/.](\d\d?)"
    r"(?:[T ]\s*(\d\d?):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?",
    re.IGNORECASE,
)
_SAMPLE = datetime(2000, 12, 30, 11, 3, 5, 500, tzinfo=timezone.utc)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# As ``strptime`` writes them. Day and month stand in either order, which the column's own values must tell.
_DAYS = [
    *("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%m %d, %Y"),
    *(
        f"{day}"
        for name in ("%b", "%B")
        for day in (f"%d {name} %Y", f"%d-{name}-%Y", f"{name} %d, %Y", f"{name} %d %Y")
    ),
    *(f"{week} %d %b %Y" for week in ("%a,", "%a")),
]
_HOURS = ["", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S"]
_ZONES = ["", " %z", " UTC", " GMT"]
_SHAPES = [
    *("".join(parts) for parts in itertools.product(_DAYS, _HOURS, _ZONES) if parts[1] or not parts[2]),
    *("%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S UTC %Y"),
]


def iso(text: str) -> float:
    """Seconds since 1970 of an ISO date or time such as 2018-09-20, 2018-09-20 12:30 or 2018-09-20T12:30:00.5+02:00.

    Without a zone it is UTC; year first, so that day and month cannot be mixed up. Raises ValueError for anything else.
    """
    found = _ISO.fullmatch(text)
    if not found:
        raise ValueError(f"{shown(text)} is no ISO date")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    day_of = datetime(
        int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=timezone.utc
    )
    seconds = (day_of - _EPOCH).total_seconds() - _offset(zone or "Z")
    return seconds + float(f"0.{fraction}") if fraction else seconds


def _offset(zone: str) -> float:
    if zone[0] not in "+-":
        return 0.0
    hours, minutes = int(zone[1:3]), int(zone[3:].strip(":") or 0)
    if hours > 14 or minutes > 59:
        raise ValueError("no zone of the earth")
    return (hours * 3600 + minutes * 60) * (-1.0 if zone[0] == "-" else 1.0)


def moment(text: str) -> float:
    """A number as it stands, or an ISO date as seconds since 1970. Raises ValueError for anything else."""
    text = text.strip()
    return iso(text) if _ISO.fullmatch(text) else _number(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or "_" in text:
        raise ValueError(f"{shown(text)} is not finite")
    return value


def shaped(shape: str) -> Parse:
    """A reader of one ``strptime`` shape; without a zone it is UTC."""

    @lru_cache(1 << 16)  # days come again and again, and strptime is slow
    def parse(text: str) -> float:
        found = datetime.strptime(text, shape)
        if found.tzinfo is None:
            found = found.replace(tzinfo=timezone.utc)
        return (found - _EPOCH) / timedelta(seconds=1)

    return parse


def _outline(text: str) -> str:
    """The text with a 0 for each number and an a for each word."""
    return re.sub("[A-Za-z]+", "a", re.sub(r"\d+", "0", text))


class Times:
    """A column of times as it is read row by row: all numbers, or all dates of one shape.

    The first value tells which; where that leaves several shapes (04/05/2000), later ones must decide.
    """

    def __init__(self, name: str, shape: str | None = None) -> None:
        """``name`` is the column's, for messages; ``shape`` is given by the user. Raises UsageError for one that is none."""
        self._name = name
        self._parse: Parse | None = None
        self._shapes: dict[str, Parse] = {}
        self._waiting: list[str] = []
        if shape is not None:
            try:
                datetime.strptime(_EPOCH.strftime(shape), shape)
            except ValueError:
                raise UsageError(f"`time_format` '{shape}' is no format of strptime, such as %d/%m/%Y %H:%M") from None
            self._parse = shaped(shape)

    def add(self, value: object) -> float:
        """The value as a number, NaN while its shape is not known. Raises ValueError where it does not fit."""
        text = value.strip() if isinstance(value, str) else repr(value)
        if self._parse is None:
            return self._decide(text, value)
        try:
            return self._parse(text)
        except (ValueError, OverflowError):
            raise ValueError(self._say(value)) from None

    def _say(self, value: object) -> str:
        must = "a finite number" if self._parse is _number else "a date like those before"
        if self._parse is None:
            must = "a finite number or a date; `time_format` says how it is written"
        return f"'{self._name}' is {shown(value)}, must be {must}"

    def _decide(self, text: str, value: object) -> float:
        if not self._shapes:
            for parse in (_number, iso):
                with contextlib.suppress(ValueError, OverflowError):
                    number = parse(text)
                    self._parse = parse
                    return number
        left = self._fitting(text)
        if not left:
            raise ValueError(self._say(value))
        self._shapes = left
        self._waiting.append(text)
        if len(left) == 1:
            (self._parse,) = left.values()
        return math.nan

    def _fitting(self, text: str) -> dict[str, Parse]:
        """The shapes so far possible that the text is of."""
        left = {}
        shapes = self._shapes or {
            name: shaped(name) for name in _SHAPES if _outline(_SAMPLE.strftime(name)) == _outline(text)
        }
        for name, parse in shapes.items():
            with contextlib.suppress(ValueError, OverflowError):
                parse(text)
                left[name] = parse
        return left

    def done(self, values: array[float]) -> NDArray[np.float64]:
        """The whole column, of the values that ``add`` gave. Raises ValueError where its shape is still not known."""
        column: NDArray[np.float64] = np.frombuffer(values, dtype=np.float64).copy()
        readings = [[parse(text) for text in self._waiting] for parse in self._shapes.values()]
        if readings:
            if any(other != readings[0] for other in readings[1:]):
                shapes = " or ".join(f"'{name}'" for name in self._shapes)
                raise ValueError(
                    f"'{self._name}' may be day or month first ({shown(self._waiting[0])}); say which by `time_format` {shapes}"
                )
            column[: len(self._waiting)] = readings[0]
        return column

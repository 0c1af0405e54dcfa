"""Interactions gathered row by row, from the cells that a source gives as texts or as JSON values."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.importers.dates import Times
from llmhd_tools.importers.source import NUMBERS, Interactions
from llmhd_tools.importers.text import Lines, name_of, shown

_TRUE = {"1", "true", "t", "yes", "y", "1.0"}
_FALSE = {"0", "false", "f", "no", "n", "0.0"}


def number(value: object, name: str) -> float:
    """The finite number that a cell holds. Raises ValueError for anything else."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found) or (isinstance(value, str) and "_" in value):
        raise ValueError(f"'{name}' is {shown(value)}, must be a finite number")
    return found


def _weight(value: object, name: str) -> float:
    if (found := number(value, name)) <= 0:
        raise ValueError(f"'{name}' is {shown(value)}, must be above 0")
    return found


def noise_of(spec: str) -> tuple[str, str | None]:
    """The column of known noise and the value that marks it, of ``NAME`` or ``NAME=VALUE``."""
    name, mark, value = spec.rpartition("=")
    return (name, value) if mark and name else (spec, None)


def noisy(value: object, name: str, mark: str | None) -> bool:
    """Whether a cell says that its row is noise. Raises ValueError where it says neither yes nor no."""
    text = str(value).strip()
    if mark is not None:
        return text == mark
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(
        f"'{name}' is {shown(value)}, must be 0 or 1, true or false; {name}=VALUE says which value is noise"
    )


class Rows:
    """Gathers interactions row by row; equal ids share one code, so millions of rows stay small."""

    def __init__(
        self, at: Lines, columns: Mapping[str, str] | None = None, *, like: Rows | None = None, shape: str | None = None
    ) -> None:
        """``columns``: of rating, timestamp, weight and noise those that the source has, with their names there.

        Codes are those of ``like``, where given; ``shape`` is how times are written, where they are not as ``Times`` knows.
        """
        self._at = at
        self._users: dict[str, int] = like._users if like else {}
        self._items: dict[str, int] = like._items if like else {}
        self._user, self._item, self._line = array("i"), array("i"), array("i")
        self._values: dict[str, array[float]] = {}
        self._parsers: list[Callable[[Any], float]] = []
        self._times: Times | None = None
        for field in (name for name in NUMBERS if name in (columns or {})):  # times last: they remember what they took
            self._values[field] = array("d")
            self._parsers.append(self._parser(field, (columns or {})[field], shape))

    def _parser(self, field: str, name: str, shape: str | None) -> Callable[[Any], float]:
        if field == "timestamp":
            self._times = Times(name, shape)
            return self._times.add
        if field == "noise":
            name, mark = noise_of(name)
            return lambda value: noisy(value, name, mark)
        parse = _weight if field == "weight" else number
        return lambda value: parse(value, name)

    def add(self, user: str, item: str, *cells: Any) -> None:
        """A row with its numbers, in the order of ``NUMBERS``. Raises InputError where bad rows are not skipped."""
        if not user or not item or user.isspace() or item.isspace():
            self._at.bad(f"empty {'item' if user and not user.isspace() else 'user'} id")
            return
        if cells:
            try:
                values = [parse(cell) for parse, cell in zip(self._parsers, cells, strict=True)]
            except ValueError as err:
                self._at.bad(str(err))
                return
            for column, value in zip(self._values.values(), values, strict=True):
                column.append(value)
        self._user.append(self._users.setdefault(user, len(self._users)))
        self._item.append(self._items.setdefault(item, len(self._items)))
        self._line.append(self._at.number)

    def done(self) -> Interactions:
        """The rows gathered; InputError if there are none."""
        if not self._user:
            bad = self._at.bad_rows
            lost = f"; {sum(bad.counts.values()):,} bad rows were skipped, the first: {bad.first}" if bad.first else ""
            raise InputError(f"holds no interactions{lost}", where=self._at.path)
        numbers: dict[str, NDArray[Any]] = {
            name: np.frombuffer(v, dtype=np.float64) for name, v in self._values.items()
        }
        if self._times is not None:
            try:
                numbers["timestamp"] = self._times.done(self._values["timestamp"])
            except ValueError as err:
                raise InputError(str(err), where=self._at.path) from None
        if "noise" in numbers:
            numbers["noise"] = numbers["noise"] != 0
        user, item, line = (np.frombuffer(column, dtype=np.int32) for column in (self._user, self._item, self._line))
        return Interactions(list(self._users), list(self._items), user, item, line, numbers, name_of(self._at.path))

"""Interactions gathered from arrays, many rows at a time. Shared by Parquet and NPZ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.importers.rows import noise_of, noisy
from llmhd_tools.importers.source import NUMBERS, Interactions
from llmhd_tools.importers.text import BadRows, name_of

MAX_ROWS = 1 << 28  # a row takes up to 50 bytes on the way, so 13 GB


def _say(value: float) -> str:
    return "nan or null" if np.isnan(value) else f"{value:g}"


@dataclass(frozen=True)
class IdBlock:
    """The ids of n rows: codes (n,) into distinct ``names``, -1 where there is none."""

    names: list[str]
    codes: NDArray[np.integer[Any]]


class Arrays:
    """Gathers blocks of rows. A row with an empty id or a number that cannot be is bad, and named by its number, from 1."""

    def __init__(self, path: Path, names: Mapping[str, str], bad: BadRows) -> None:
        """``names`` are those of user, item and of the optional columns in the source."""
        self._path, self._names, self._bad = path, names, bad
        self._ids: dict[str, dict[str, int]] = {"user": {}, "item": {}}
        self._parts: dict[str, list[NDArray[Any]]] = {name: [] for name in (*names, "line")}
        self._rows = 0

    def add(self, user: IdBlock, item: IdBlock, numbers: Mapping[str, NDArray[Any]]) -> None:
        """A block of rows; NaN or None where there is no number. Raises InputError where bad rows are not skipped."""
        size = len(user.codes)
        faults: list[tuple[NDArray[np.bool_], Callable[[int], str]]] = []
        columns: dict[str, NDArray[Any]] = {}
        for side, block in (("user", user), ("item", item)):
            table = self._ids[side]
            usable = [bool(name) and not name.isspace() and "\0" not in name for name in block.names]
            codes = [
                table.setdefault(name, len(table)) if ok else -1 for name, ok in zip(block.names, usable, strict=True)
            ]
            columns[side] = np.array([*codes, -1], dtype=np.int32)[block.codes]
            faults.append((columns[side] < 0, self._id_fault(side, block)))
        for field in (name for name in NUMBERS if name in numbers):
            columns[field], wrong, say = self._checked(field, numbers[field])
            faults.append((wrong, say))
        wrong = np.logical_or.reduce([mask for mask, _ in faults])
        for row in np.flatnonzero(wrong).tolist():
            reason = next(say(row) for mask, say in faults if mask[row])
            self._bad.add(self._path, self._rows + row + 1, reason, unit="row")
        for name, column in columns.items():
            self._parts[name].append(column[~wrong])
        self._parts["line"].append(np.flatnonzero(~wrong).astype(np.int32) + np.int32(self._rows + 1))
        self._rows += size

    def _id_fault(self, side: str, block: IdBlock) -> Callable[[int], str]:
        name = self._names[side]
        return lambda row: f"'{name}' is null" if block.codes[row] < 0 else f"empty '{name}' id (or one with NUL)"

    def _checked(
        self, field: str, values: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[np.bool_], Callable[[int], str]]:
        name = self._names[field]
        if field == "noise":
            return _noise(name, values)
        numbers = values.astype(np.float64)
        wrong = ~np.isfinite(numbers)
        must = "a finite number"
        if field == "weight":
            wrong, must = wrong | (numbers <= 0), "above 0 and finite"
        return numbers, wrong, lambda row: f"'{name}' is {_say(numbers[row])}, must be {must}"

    def done(self) -> Interactions:
        """The rows gathered; InputError if there are none."""
        if not any(map(len, self._parts["user"])):
            lost = f"; {self._rows:,} bad rows were skipped, the first: {self._bad.first}" if self._rows else ""
            raise InputError(f"holds no interactions{lost}", where=self._path)
        columns = {name: np.concatenate(parts) for name, parts in self._parts.items()}
        user, item, line = (columns.pop(name) for name in ("user", "item", "line"))
        return Interactions([*self._ids["user"]], [*self._ids["item"]], user, item, line, columns, name_of(self._path))


def _noise(spec: str, values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.bool_], Callable[[int], str]]:
    name, mark = noise_of(spec)
    distinct, codes = np.unique(values.astype(str) if values.dtype.kind == "O" else values, return_inverse=True)
    marks, told = np.zeros(len(distinct), dtype=bool), dict[int, str]()
    for code, value in enumerate(distinct.tolist()):
        try:
            marks[code] = noisy(value, name, mark)
        except ValueError as err:
            told[code] = str(err)
    wrong = np.isin(codes, [*told])
    return marks[codes], wrong, lambda row: told[int(codes[row])]

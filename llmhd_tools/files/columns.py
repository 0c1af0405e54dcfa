"""Columns of a table: what each type holds, how values become a column, and a column values again.

A column is a NumPy array or, for texts and lists, a list. A missing value is -1, NaN or None by type.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.files.fields import Field, Type
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.npz import pack_json, unpack_json

Column = NDArray[Any] | list[Any]
Where = Callable[[int], str]  # ``file:line`` of a row

_EXACT = 2**53  # integers beyond it are not all of them doubles


@dataclass(frozen=True)
class _Holds:
    """What a type holds: its dtype, the mark of a missing value, the Python types it takes and their name."""

    dtype: Any
    missing: Any
    accepts: tuple[type, ...]
    wanted: str


_HOLDS: dict[Type, _Holds] = {
    "user": _Holds(np.int32, -1, (str, int), "a string or an integer"),
    "item": _Holds(np.int32, -1, (str, int), "a string or an integer"),
    "int": _Holds(np.int64, -1, (int,), "an integer"),
    "label": _Holds(np.int8, -1, (int,), "0 or 1"),
    "bool": _Holds(np.int8, -1, (bool,), "true or false"),
    "float32": _Holds(np.float32, math.nan, (int, float), "a number"),
    "float": _Holds(np.float64, math.nan, (int, float), "a number"),
    "number": _Holds(np.float64, math.nan, (int, float), "a number"),
    "text": _Holds(None, None, (str,), "a string"),
    "list": _Holds(None, None, (list,), "a list"),
}


def is_missing(column: Column) -> NDArray[np.bool_]:
    """Where a column has no value, (n,) bool."""
    if isinstance(column, list):
        return np.array([value is None for value in column], dtype=bool)
    return np.isnan(column) if column.dtype.kind == "f" else np.asarray(column < 0)


def blank(spec: Field, length: int, source: str) -> Column:
    """A column without a value. Raises InputError where the field, once given, must be given throughout."""
    if spec.type in ("user", "item"):
        raise InputError(f"field '{spec.name}' is missing in some records but not in all", where=source)
    holds = _HOLDS[spec.type]
    return [None] * length if holds.dtype is None else np.full(length, holds.missing, dtype=holds.dtype)


def from_values(spec: Field, values: list[Any], missing: object, ids: Ids | None, where: Where) -> Column:
    """A checked column of Python values, of which ``missing`` and None mean that there is none.

    ``ids`` gives the codes of an id column and grows by new ones. Raises InputError, at its ``where``, for a value that
    the field cannot have.
    """
    gaps: list[int] = []
    if {object, type(None)} & set(map(type, values)):
        gaps = [row for row, value in enumerate(values) if value is missing or value is None]
    if gaps and spec.required:
        raise InputError(f"field '{spec.name}' is missing", where=where(gaps[0]))
    if gaps and ids is not None and not spec.partly:
        raise InputError(f"field '{spec.name}' is missing here but not elsewhere", where=where(gaps[0]))
    for row in gaps:
        values[row] = _HOLDS[spec.type].missing
    absent = np.zeros(len(values), dtype=bool)
    absent[gaps] = True
    _check_types(spec, values, absent, where)
    if _HOLDS[spec.type].dtype is None:
        return values
    if ids is not None:
        return _codes(spec, values, absent, ids, where)
    return _numbers(spec, values, absent, where)


def _check_types(spec: Field, values: list[Any], absent: NDArray[np.bool_], where: Where) -> None:
    holds = _HOLDS[spec.type]
    if set(map(type, values)) <= set(holds.accepts):
        return
    for row, value in enumerate(values):
        if type(value) not in holds.accepts and not absent[row]:
            raise InputError(f"{_say(spec, value)}, must be {holds.wanted}", where=where(row))


def _codes(spec: Field, values: list[Any], absent: NDArray[np.bool_], ids: Ids, where: Where) -> Column:
    if "" in values:
        raise InputError(f"field '{spec.name}' is empty", where=where(values.index("")))
    if not absent.any():
        return ids.add(values)
    codes = np.full(len(values), -1, dtype=np.int32)
    codes[~absent] = ids.add([value for value, gap in zip(values, absent, strict=True) if not gap])
    return codes


def _numbers(spec: Field, values: list[Any], absent: NDArray[np.bool_], where: Where) -> Column:
    dtype = np.float64 if "float" in np.dtype(_HOLDS[spec.type].dtype).name else np.int64
    if spec.type == "number" and set(map(type, values)) == {int} and max(values, key=abs, default=0) not in _DOUBLES:
        dtype = np.int64  # such as a time in nanoseconds
    try:
        column = np.array(values, dtype=dtype)
    except OverflowError:
        row = next(i for i, value in enumerate(values) if abs(value) >= 2**63)
        raise InputError(f"{_say(spec, values[row])}, too large a number", where=where(row)) from None
    if column.dtype.kind == "f" and int in set(map(type, values)):
        _check_exact(spec, values, column, where)
    return _in_range(spec, column, absent, where)


def _check_exact(spec: Field, values: list[Any], column: NDArray[Any], where: Where) -> None:
    """Raises InputError for an integer that would come back as another one."""
    for row in np.flatnonzero(np.abs(column) >= _EXACT).tolist():
        if type(values[row]) is int and values[row] != int(column[row]):
            raise InputError(f"{_say(spec, values[row])}, an integer that a double does not hold", where=where(row))


_DOUBLES = range(-_EXACT, _EXACT + 1)


def _say(spec: Field, value: object) -> str:
    shown = json.dumps(value, ensure_ascii=True)
    return f"'{spec.name}' is {shown if len(shown) <= 40 else shown[:37] + '…'}"


def _in_range(spec: Field, column: NDArray[Any], absent: NDArray[np.bool_], where: Where) -> NDArray[Any]:
    """The column in its own type. Raises InputError for a value, where none is absent, that its field cannot have."""
    dtype = column.dtype if spec.type == "number" else _HOLDS[spec.type].dtype
    low, high = (0, 1) if spec.type == "bool" else (spec.low, spec.high)
    with np.errstate(over="ignore"):
        exact = column.astype(dtype, copy=False) if column.dtype.kind == "f" else column
    endless = ~np.isfinite(exact) if exact.dtype.kind == "f" else np.zeros(len(column), dtype=bool)
    bad = endless.copy()
    if low is not None:
        bad |= column < low
    if high is not None:
        bad |= column > high
    if spec.above is not None:
        bad |= column <= spec.above
    bad &= ~absent
    if bad.any():
        row = int(np.argmax(bad))
        must = "finite" if endless[row] else _range(spec, low, high)
        raise InputError(f"'{spec.name}' is {column[row]:g}, must be {must}", where=where(row))
    if spec.type == "number":
        exact = exact + 0  # no negative zero, which text would lose
    return exact.astype(dtype, copy=False)


def _range(spec: Field, low: float | None, high: float | None) -> str:
    if spec.above is not None:
        return f"above {spec.above:g}"
    return f"at least {low:g}" if high is None else f"{low:g}..{high:g}"


def from_stored(spec: Field, array: NDArray[Any], ids: Ids | None, source: str) -> Column:
    """A checked column of the array that an NPZ holds for it. Raises InputError where it cannot be that."""
    holds = _HOLDS[spec.type]
    if holds.dtype is None:
        values = unpack_json(array, source, spec.name)
        if not isinstance(values, list) or not all(
            type(v) in holds.accepts or (v is None and not spec.required) for v in values
        ):
            raise InputError(f"column '{spec.name}' is not a list, each {holds.wanted}", where=source)
        return values
    known = (np.float64, np.int64) if spec.type == "number" else (holds.dtype,)
    if array.ndim != 1 or array.dtype not in known:
        wanted = f"must be {np.dtype(holds.dtype)} (n,)"
        raise InputError(f"column '{spec.name}' is {array.dtype} {array.shape}, {wanted}", where=source)
    if ids is not None:
        if len(array) and not -spec.partly <= array.min() <= array.max() < len(ids):
            raise InputError(f"column '{spec.name}' points outside its id table", where=source)
        return array
    absent = np.isnan(array) if array.dtype.kind == "f" else array == holds.missing
    return _in_range(spec, array, absent & (not spec.required), lambda row: f"{source}: row {row}")


def to_stored(spec: Field, column: Column) -> NDArray[Any]:
    """The array that an NPZ holds for a column."""
    if isinstance(column, list):
        return pack_json(column)
    return column if spec.type == "number" else np.asarray(column, dtype=_HOLDS[spec.type].dtype)


def to_values(spec: Field, column: Column, ids: Ids) -> list[Any]:
    """A column as Python values, None where missing; ``ids`` are those of an id column."""
    if isinstance(column, list):
        return column
    if spec.type in ("user", "item"):
        return [None if code < 0 else ids.names[code] for code in column.tolist()]
    if spec.type == "bool":
        return [None if v < 0 else v == 1 for v in column.tolist()]
    if column.dtype.kind == "i":
        return [None if v == -1 and spec.type != "number" else v for v in column.tolist()]
    # float32: the shortest text that reads back to the same 32 bits
    values = [float(t) for t in column.astype(str)] if spec.type == "float32" else column.tolist()
    if spec.type == "number":
        return [None if v != v else int(v) if v.is_integer() and abs(v) < _EXACT else v for v in values]
    return [None if v != v else v for v in values]

"""Rankers in files: embeddings, or sparse matrices of three arrays each under one name; whether the arrays make one."""

from __future__ import annotations

import numpy as np

from llmhd_tools.errors import InputError
from llmhd_tools.files.npz import Arrays

PARTS = ("start", "item", "value")  # of a matrix by rows: where each begins, the columns, what stands there


def check_ranker(path: str, arrays: Arrays, users: int, items: int) -> None:
    """Raise InputError where the arrays are no ranker of so many users and items."""
    _check_part(path, arrays, "", users, items)


def _check_part(path: str, arrays: Arrays, part: str, users: int, items: int) -> None:
    """The arrays whose names begin with ``part``."""
    if (weights := arrays.get(f"{part}blend")) is not None:
        if weights.ndim != 1 or weights.dtype.kind != "f" or not len(weights):
            raise InputError(f"array '{part}blend' must hold a weight for each part", where=path)
        _check_rows(path, arrays, f"{part}known", users, items)
        for number in range(len(weights)):
            _check_part(path, arrays, f"{part}{number}.", users, items)
        return
    sides = [arrays[f"{part}{side}"] for side in ("user", "item") if f"{part}{side}" in arrays]
    if not sides:
        _check_rows(path, arrays, f"{part}interactions", users, items)
        _check_rows(path, arrays, f"{part}weights", items, items)
        return
    shapes = [(side.ndim, len(side), side.dtype) for side in sides]
    if (
        shapes != [(2, count, np.dtype(np.float32)) for count in (users, items)]
        or sides[0].shape[1] != sides[1].shape[1]
    ):
        raise InputError(f"arrays '{part}user', '{part}item' must be float32 (users, dim) and (items, dim)", where=path)


def _check_rows(path: str, arrays: Arrays, name: str, rows: int, columns: int) -> None:
    """A sparse matrix of this shape."""
    missing = [f"{name}.{part}" for part in PARTS if f"{name}.{part}" not in arrays]
    if missing:
        raise InputError(f"array '{missing[0]}' is missing", where=path)
    start, item, value = (arrays[f"{name}.{part}"] for part in PARTS)
    flat = all(array.ndim == 1 for array in (start, item, value)) and start.dtype.kind == item.dtype.kind == "i"
    if (
        not flat
        or value.dtype != np.float32
        or len(value) != len(item)
        or len(start) != rows + 1
        or (start[0], start[-1]) != (0, len(item))
        or (np.diff(start) < 0).any()
        or (len(item) and (item.min() < 0 or item.max() >= columns))
    ):
        raise InputError(f"arrays '{name}.*' are no sparse rows ({rows}, {columns})", where=path)

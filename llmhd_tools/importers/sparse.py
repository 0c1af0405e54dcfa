"""The cells of a sparse matrix, from a ``scipy.sparse.save_npz`` file or from raw parts, checked before arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.importers.npz import MAX_BYTES, read_arrays
from llmhd_tools.importers.text import first_line

MAX_SIDE = (1 << 31) - 1  # ids are int32 codes further on
_MEMBERS = {"indices", "indptr", "row", "col", "coords", "data", "format", "shape", "_is_array"}


@dataclass
class Cells:
    """The distinct non-zero cells, by row then column."""

    shape: tuple[int, int]
    row: NDArray[np.int64]  # (n,) in 0..shape[0]-1
    col: NDArray[np.int64]  # (n,) in 0..shape[1]-1


def read_npz(path: Path, *, max_bytes: int = MAX_BYTES) -> Cells:
    """CSR, CSC or COO as scipy saves it, without scipy and without pickle.

    InputError: damaged, members that do not belong there or are there twice, arrays that would unpack to more than
    ``max_bytes``, a matrix that does not hold together.
    """

    def choose(found: list[str]) -> list[str]:
        if not set(found) <= _MEMBERS:
            raise ValueError("members are not those of a sparse matrix")
        return found

    parts = read_arrays(path, choose, max_bytes=max_bytes)
    try:
        kind = parts.pop("format", np.array("")).reshape(-1)[:1].astype("U3")
    except ValueError as err:
        raise InputError(f"not a whole .npz file: {first_line(err)}", where=path) from err
    return cells(str(kind[0]) if len(kind) else "", parts, path)


def cells(kind: str, parts: Mapping[str, Any], where: Path) -> Cells:
    """The cells of a ``coo``, ``csr`` or ``csc`` matrix; ``parts`` are its attributes (``_shape`` counts as ``shape``).

    A value of 0 is no cell; a cell named twice is one. InputError names what does not hold together.
    """
    if kind not in ("coo", "csr", "csc"):
        raise InputError(f"sparse format is {kind!a}, must be coo, csr or csc", where=where)
    shape = _shape(parts.get("shape", parts.get("_shape")), where)
    data = _vector(parts, "data", "biuf", where)
    if not np.isfinite(data).all():
        raise InputError("'data' holds values that are not finite", where=where)
    if kind == "coo":
        coords = parts.get("coords")
        if isinstance(coords, tuple) and len(coords) == 2:
            parts = {**parts, "row": coords[0], "col": coords[1]}
        row, col = _indices(parts, "row", shape[0], where), _indices(parts, "col", shape[1], where)
    else:
        minor = _indices(parts, "indices", shape[1] if kind == "csr" else shape[0], where)
        major = _expanded(parts, shape[0] if kind == "csr" else shape[1], len(minor), where)
        row, col = (major, minor) if kind == "csr" else (minor, major)
    if not len(row) == len(col) == len(data):
        raise InputError(f"{len(row)} rows, {len(col)} columns and {len(data)} values, must be as many", where=where)
    keys = np.unique((row * shape[1] + col)[data != 0])
    return Cells(shape, keys // shape[1], keys % shape[1])


def _shape(value: Any, where: Path) -> tuple[int, int]:
    try:
        sides = [int(side) for side in value]
    except (TypeError, ValueError, OverflowError):
        sides = []
    if len(sides) != 2 or not all(0 < side <= MAX_SIDE for side in sides):
        raise InputError(f"'shape' is not two numbers in 1..{MAX_SIDE}", where=where)
    return sides[0], sides[1]


def _vector(parts: Mapping[str, Any], name: str, kinds: str, where: Path) -> NDArray[Any]:
    values = parts.get(name)
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in kinds:
        raise InputError(f"'{name}' is missing or not a vector of numbers", where=where)
    return values


def _indices(parts: Mapping[str, Any], name: str, size: int, where: Path) -> NDArray[np.int64]:
    values = _vector(parts, name, "iu", where)
    if len(values) and (values.min() < 0 or values.max() >= size):
        raise InputError(f"'{name}' holds {values.min()}..{values.max()}, must be within 0..{size - 1}", where=where)
    return values.astype(np.int64)


def _expanded(parts: Mapping[str, Any], size: int, n: int, where: Path) -> NDArray[np.int64]:
    """The row (CSR) or column (CSC) of every cell, from ``indptr``."""
    indptr = _vector(parts, "indptr", "iu", where)
    if len(indptr) != size + 1 or indptr[0] != 0 or indptr[-1] != n or (indptr[1:] < indptr[:-1]).any():
        raise InputError(f"'indptr' does not rise from 0 to {n} in {size} steps", where=where)
    ends = indptr.astype(np.int64)
    return np.repeat(np.arange(size), ends[1:] - ends[:-1])

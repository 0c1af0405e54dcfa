"""Arrays of an ``.npz`` file, without pickle and without trust; and tables kept as such, one array a column."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.importers.source import Interactions
from llmhd_tools.importers.text import first_line, need_file

MAX_BYTES = 256 << 20


def read_arrays(
    path: Path, choose: Callable[[list[str]], list[str]], *, max_bytes: int = MAX_BYTES
) -> dict[str, NDArray[Any]]:
    """The arrays that ``choose`` picks from the names of all, each of at most one dimension.

    InputError: damaged, a name that is there twice, arrays that would unpack to more than ``max_bytes``.
    """
    need_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
            if len(members) != len(archive.infolist()):
                raise ValueError("members are there twice")
            wanted = choose(list(members))
            if sum(members[name].file_size for name in wanted) > max_bytes:
                raise ValueError(f"would unpack to more than {max_bytes} bytes")
            return {name: _array(archive.read(members[name])) for name in wanted}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as err:
        raise InputError(f"not a whole .npz file: {first_line(err)}", where=path) from err


def _array(blob: bytes) -> NDArray[Any]:
    """An ``.npy`` member of at most one dimension; its header is believed only as far as the bytes go."""
    stream = io.BytesIO(blob)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"array header version {version}, must be 1.0")
    try:
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=1000)
    except Exception as err:  # its parser lets more than ValueError through
        raise ValueError("an array's header is damaged") from err
    if dtype.kind not in "biufSU" or len(shape) > 1:
        raise ValueError(f"an array is of type {dtype} and {len(shape)} dimensions")
    if dtype.itemsize == 0 or (shape[0] if shape else 1) * dtype.itemsize != len(blob) - stream.tell():
        raise ValueError("an array's header does not fit its size")
    return np.frombuffer(blob, dtype=dtype, offset=stream.tell()).reshape(shape)


def read_columns(path: Path, user: str, item: str, rating: str | None, timestamp: str | None) -> Interactions:
    """Ids from arrays of integers or strings, numbers from numeric ones; further arrays are left alone.

    InputError: a column that is missing, of another type or another length; an empty id; a number that is not finite.
    """
    names = [name for name in (user, item, rating, timestamp) if name is not None]

    def choose(found: list[str]) -> list[str]:
        if missing := [name for name in names if name not in found]:
            raise InputError(f"column '{missing[0]}' is not among the columns {', '.join(found)}", where=path)
        return names

    arrays = read_arrays(path, choose)
    if len({array.shape for array in arrays.values()}) != 1 or arrays[user].ndim != 1 or not len(arrays[user]):
        raise InputError(f"columns {', '.join(names)} are not of one length above 0", where=path)
    return Interactions(
        _ids(arrays[user], user, path),
        _ids(arrays[item], item, path),
        None if rating is None else _numbers(arrays[rating], rating, path),
        None if timestamp is None else _numbers(arrays[timestamp], timestamp, path),
    )


def _ids(column: NDArray[Any], name: str, path: Path) -> list[str]:
    if column.dtype.kind not in "iuU":
        raise InputError(f"column '{name}' is of type {column.dtype}, ids must be strings or integers", where=path)
    distinct, codes = np.unique(column, return_inverse=True)
    names = [str(value) for value in distinct.tolist()]  # equal ids share one string
    bad = [k for k, text in enumerate(names) if not text or text.isspace() or "\0" in text]
    if bad:
        raise InputError(
            f"row {int(np.isin(codes, bad).argmax()) + 1}: empty '{name}' id (or one with NUL)", where=path
        )
    return [names[code] for code in codes.tolist()]


def _numbers(column: NDArray[Any], name: str, path: Path) -> NDArray[np.float64]:
    if column.dtype.kind not in "biuf":
        raise InputError(f"column '{name}' is of type {column.dtype}, must be numeric", where=path)
    values = column.astype(np.float64)
    if not np.isfinite(values).all():
        row = int((~np.isfinite(values)).argmax())
        raise InputError(f"row {row + 1}: '{name}' is {values[row]}, must be a finite number", where=path)
    return values

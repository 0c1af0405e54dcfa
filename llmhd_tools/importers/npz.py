"""Arrays of an ``.npz`` file, without pickle and without trust; and tables kept as such, one array a column."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.importers.arrays import MAX_ROWS, Arrays, IdBlock
from llmhd_tools.importers.rows import noise_of
from llmhd_tools.importers.source import Interactions
from llmhd_tools.importers.text import BadRows, first_line, need_file

MAX_BYTES = 8 << 30  # 67 million rows of four columns of 8 bytes are 2 GB; MovieLens-32M is 1
FREE_BYTES = 256 << 20  # what a file may unpack to whatever its own size
MAX_RATIO = 200  # beyond that, unpacked bytes per byte of file: a bomb has up to 1,030


class _Refused(Exception):
    """What is wrong with an archive that is whole."""


def read_arrays(
    path: Path, choose: Callable[[list[str]], list[str]], *, max_bytes: int = MAX_BYTES
) -> dict[str, NDArray[Any]]:
    """The arrays that ``choose`` picks from the names of all, each of at most one dimension.

    InputError: damaged, a name that is there twice, Python objects, arrays that would unpack to more than ``max_bytes`` or
    to far more than the file's size lets expect.
    """
    size = need_file(path).stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            members = {m.filename.removesuffix(".npy"): m for m in archive.infolist()}
            if len(members) != len(archive.infolist()):
                raise ValueError("members are there twice")
            wanted = choose(list(members))
            unpacked, limit = sum(members[name].file_size for name in wanted), min(max_bytes, _limit(size))
            if unpacked > limit:
                raise _Refused(
                    f"its arrays would unpack to {unpacked:,} bytes, more than the {limit:,} allowed for a file of {size:,}; "
                    "save it by np.savez instead of np.savez_compressed, or ids as integers, or use Parquet"
                )
            return {name: _array(name, archive.read(members[name])) for name in wanted}
    except _Refused as err:
        raise InputError(str(err), where=path) from None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError) as err:
        raise InputError(f"not a whole .npz file: {first_line(err)}", where=path) from err


def _limit(size: int) -> int:
    return max(FREE_BYTES, MAX_RATIO * size)


def _array(name: str, blob: bytes) -> NDArray[Any]:
    """An ``.npy`` member of at most one dimension; its header is believed only as far as the bytes go."""
    stream = io.BytesIO(blob)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"array header version {version}, must be 1.0")
    try:
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=1000)
    except Exception as err:  # its parser lets more than ValueError through
        raise ValueError("an array's header is damaged") from err
    if dtype.kind == "O":
        raise _Refused(f"array '{name}' holds Python objects, which are never unpickled; save it with .astype(str)")
    if dtype.kind not in "biufSUM" or len(shape) > 1:
        raise _Refused(f"array '{name}' is of type {dtype} and {len(shape)} dimensions, must be a column")
    if dtype.itemsize == 0 or (shape[0] if shape else 1) * dtype.itemsize != len(blob) - stream.tell():
        raise ValueError("an array's header does not fit its size")
    return np.frombuffer(blob, dtype=dtype, offset=stream.tell()).reshape(shape)


def read_columns(path: Path, names: Mapping[str, str], bad: BadRows) -> Interactions:
    """Ids from arrays of integers or strings, numbers from numeric ones, times also from datetime64 (to seconds).

    ``names`` are those of user, item and of the optional columns; further arrays are left alone. InputError: a column that
    is missing, of another type or another length; and, unless bad rows are skipped, an empty id or a number that is none.
    """
    wanted = {field: noise_of(name)[0] if field == "noise" else name for field, name in names.items()}

    def choose(found: list[str]) -> list[str]:
        if missing := [name for name in wanted.values() if name not in found]:
            raise InputError(f"column '{missing[0]}' is not among the columns {', '.join(found)}", where=path)
        return list(dict.fromkeys(wanted.values()))

    arrays = read_arrays(path, choose)
    user = arrays[wanted["user"]]
    if len({array.shape for array in arrays.values()}) != 1 or user.ndim != 1 or not 0 < len(user) <= MAX_ROWS:
        columns = ", ".join(wanted.values())
        raise InputError(f"columns {columns} are not of one length in 1..{MAX_ROWS:,}", where=path)
    gathered = Arrays(path, names, bad)
    sides = [_ids(arrays[wanted[side]], wanted[side], path) for side in ("user", "item")]
    numbers = {
        field: _numbers(arrays[name], field, name, path)
        for field, name in wanted.items()
        if field not in ("user", "item")
    }
    gathered.add(sides[0], sides[1], numbers)
    return gathered.done()


def _ids(column: NDArray[Any], name: str, path: Path) -> IdBlock:
    if column.dtype.kind not in "iuU":
        raise InputError(f"column '{name}' is of type {column.dtype}, ids must be strings or integers", where=path)
    distinct, codes = np.unique(column, return_inverse=True)
    return IdBlock([str(value) for value in distinct.tolist()], codes)


def _numbers(column: NDArray[Any], field: str, name: str, path: Path) -> NDArray[Any]:
    if field == "noise" and column.dtype.kind in "biufU":
        return column
    if field == "timestamp" and column.dtype.kind == "M":
        whole = column.astype("M8[s]")  # apart from the fraction: nanoseconds since 1970 are more than a float64 holds
        seconds = whole.astype(np.int64) + (column - whole) / np.timedelta64(1, "s")
        return np.where(np.isnat(column), np.nan, seconds)
    if column.dtype.kind not in "biuf":
        dates = " or datetime64" if field == "timestamp" else ""
        raise InputError(f"column '{name}' is of type {column.dtype}, must be numeric{dates}", where=path)
    return column

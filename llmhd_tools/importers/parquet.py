"""Named columns of a Parquet file, through pyarrow (extra ``[parquet]``), some thousand rows at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.importers.arrays import MAX_ROWS, Arrays, IdBlock
from llmhd_tools.importers.rows import noise_of
from llmhd_tools.importers.source import Interactions
from llmhd_tools.importers.text import BadRows, first_line, need_file

_ROWS = 1 << 16  # rows in memory at a time


def read_columns(path: Path, names: Mapping[str, str], bad: BadRows) -> Interactions:
    """Ids from integer or string columns, numbers from numeric ones, timestamps also from dates (to seconds, UTC).

    ``names`` are those of user, item and of the optional columns. A null, an empty id or a number that is not finite makes
    a row bad.
    """
    wanted = {field: noise_of(name)[0] if field == "noise" else name for field, name in names.items()}
    gathered = Arrays(path, names, bad)
    with _damage_told(path):
        for batch in _batches(path, list(dict.fromkeys(wanted.values()))):
            user, item = (_ids(batch.column(wanted[side]), wanted[side], path) for side in ("user", "item"))
            numbers = [name for name in wanted if name not in ("user", "item")]
            gathered.add(user, item, {f: _numbers(batch.column(wanted[f]), f, wanted[f], path) for f in numbers})
    return gathered.done()


def rows(path: Path, names: Sequence[str]) -> Iterator[list[Any]]:
    """The named columns' values, row by row, as Python values."""
    with _damage_told(path):
        for batch in _batches(path, list(dict.fromkeys(names))):
            yield from map(list, zip(*(batch.column(name).to_pylist() for name in names), strict=True))


def column_names(path: Path) -> list[str]:
    """The names of a file's columns."""
    with _damage_told(path):
        return list(_open(path).schema_arrow.names)


@contextlib.contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Makes what pyarrow raises an InputError. Raises UsageError without pyarrow."""
    try:
        import pyarrow as pa
    except ImportError as err:
        raise UsageError("reading Parquet needs pyarrow: pip install pyarrow") from err
    try:
        yield
    except (pa.ArrowException, OSError, MemoryError, ValueError) as err:
        raise InputError(f"not a readable Parquet file: {first_line(err)}", where=path) from err


def _open(path: Path, texts: Sequence[str] = ()) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(need_file(path), read_dictionary=list(texts))


def _batches(path: Path, names: Sequence[str]) -> Iterator[Any]:
    """Record batches of the named columns; texts stay coded, so that a few that are long and come often stay small."""
    import pyarrow as pa

    schema, count = _open(path).schema_arrow, _open(path).metadata.num_rows
    for name in names:
        if schema.names.count(name) != 1:
            raise InputError(f"column '{name}' is not among the columns {', '.join(schema.names)}", where=path)
    if not 0 < count <= MAX_ROWS:
        raise InputError(f"holds {count:,} rows, must be 1..{MAX_ROWS:,}", where=path)
    coded = [name for name in names if pa.types.is_string(schema.field(name).type)]
    yield from _open(path, coded).iter_batches(_ROWS, columns=list(names))


def _ids(column: Any, name: str, path: Path) -> IdBlock:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    texts = ("is_string", "is_large_string", "is_string_view")  # the last is not in every pyarrow
    if not (pa.types.is_integer(kind) or any(getattr(pa.types, test, lambda _: False)(kind) for test in texts)):
        raise InputError(f"column '{name}' is of type {kind}, ids must be strings or integers", where=path)
    plain = column.cast(pa.large_string()) if kind == column.type and not pa.types.is_integer(kind) else column
    coded = plain if pa.types.is_dictionary(plain.type) else plain.dictionary_encode()
    names = coded.dictionary.cast(pa.large_string()).to_pylist()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    nulls = np.array([n is None for n in names], dtype=bool)  # a null may stand in the dictionary as well
    codes[np.append(nulls, False)[codes]] = -1
    return IdBlock(["" if n is None else n for n in names], codes)


def _numbers(column: Any, field: str, name: str, path: Path) -> NDArray[Any]:
    """Float64, NaN where null; of a noise column what stands there."""
    import pyarrow as pa

    kind = column.type
    if field == "noise":
        return np.array(["null" if v is None else str(v) for v in column.to_pylist()], dtype=object)
    if field == "timestamp" and (pa.types.is_timestamp(kind) or pa.types.is_date(kind)):
        micros = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return _floats(micros) / 1e6
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        dates = " or a date" if field == "timestamp" else ""
        raise InputError(f"column '{name}' is of type {kind}, must be numeric{dates}", where=path)
    return _floats(column.cast(pa.float64(), safe=False))


def _floats(column: Any) -> NDArray[np.float64]:
    import pyarrow as pa

    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=np.float64)

"""Named columns of a Parquet file, through pyarrow (extra ``[parquet]``). Used by ``columns``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.importers.source import Interactions
from llmhd_tools.importers.text import first_line, need_file

MAX_ROWS = (1 << 31) - 1  # row numbers are int32 codes further on


def read_columns(path: Path, user: str, item: str, rating: str | None, timestamp: str | None) -> Interactions:
    """Ids from integer or string columns, numbers from numeric ones, timestamps also from dates (to seconds, UTC).

    A null, an empty id or a number that is not finite is an InputError that names the row (from 1).
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as err:
        raise UsageError("reading Parquet needs pyarrow: pip install 'llmhd-tools[parquet]'") from err
    need_file(path)
    names = [name for name in (user, item, rating, timestamp) if name is not None]
    try:
        file = pq.ParquetFile(path)
        columns = file.schema_arrow.names
        for name in names:
            if columns.count(name) != 1:
                raise InputError(f"column '{name}' is not among the columns {', '.join(columns)}", where=path)
        if not 0 < file.metadata.num_rows <= MAX_ROWS:
            raise InputError(f"holds {file.metadata.num_rows} rows, must be 1..{MAX_ROWS}", where=path)
        table = file.read(columns=names)
        return Interactions(
            _ids(table, user, path),
            _ids(table, item, path),
            None if rating is None else _numbers(table, rating, path),
            None if timestamp is None else _numbers(table, timestamp, path),
        )
    except (pa.ArrowException, OSError, MemoryError, ValueError) as err:
        raise InputError(f"not a readable Parquet file: {first_line(err)}", where=path) from err


def _column(table: Any, name: str, path: Path) -> Any:
    """The column without nulls, dictionaries decoded."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.column(name)
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py() + 1
        raise InputError(f"row {row}: '{name}' is null", where=path)
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _ids(table: Any, name: str, path: Path) -> list[str]:
    import pyarrow as pa

    column = _column(table, name, path)
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InputError(f"column '{name}' is of type {kind}, ids must be strings or integers", where=path)
    coded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()  # equal ids share one string
    names = coded.dictionary.to_pylist()
    codes = coded.indices.to_numpy()
    bad = [k for k, text in enumerate(names) if not text or text.isspace() or "\0" in text]
    if bad:
        row = int(np.isin(codes, bad).argmax()) + 1
        raise InputError(f"row {row}: empty '{name}' id (or one with NUL)", where=path)
    return [names[code] for code in codes.tolist()]


def _numbers(table: Any, name: str, path: Path) -> NDArray[np.float64]:
    import pyarrow as pa

    column = _column(table, name, path)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return np.asarray(column.to_numpy(), dtype=np.float64) / 1e6
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
        raise InputError(f"column '{name}' is of type {column.type}, must be numeric", where=path)
    values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(f"row {row + 1}: '{name}' is {values[row]}, must be a finite number", where=path)
    return values

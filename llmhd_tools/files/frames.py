"""Interactions from what people hold in memory: data frames, sparse matrices, columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from llmhd_tools.errors import InputError
from llmhd_tools.files.schema import KINDS
from llmhd_tools.files.table import Table, from_columns


def interactions(
    data: Any, user: str = "user", item: str = "item", *, source: str = "interactions", **columns: str
) -> Table:
    """An interactions table of a pandas or polars frame, a mapping of columns, or a scipy.sparse matrix.

    ``user`` and ``item`` name its columns, ``columns`` those of the other fields (``rating="stars"``); a column that has
    a field's own name is taken as it is. The rows and columns of a matrix are the users and items, by their numbers, its
    stored values ratings unless all are 1. Raises InputError where a column is missing, or a value cannot be one.
    """
    if hasattr(data, "tocoo"):
        return _of_matrix(data.tocoo(), source)
    given = {name: _values(data[name], name) for name in _names(data)}
    wanted = {"user": user, "item": item, **columns}
    known = [spec.name for spec in KINDS["interactions"].fields]
    if unknown := sorted(columns.keys() - set(known)):
        raise InputError(f"interactions have no field '{unknown[0]}', only {', '.join(known)}", where=source)
    if missing := [name for name in wanted.values() if name not in given]:
        raise InputError(f"column '{missing[0]}' is not among {', '.join(given)}", where=source)
    fields = {name: name for name in known if name in given and name not in wanted.values()} | wanted
    return from_columns("interactions", {field: given[name] for field, name in fields.items()}, source)


def _names(data: Any) -> Iterable[str]:
    return list(data) if isinstance(data, Mapping) else [str(name) for name in data.columns]


def _values(column: Any, name: str) -> list[Any]:
    """Python values of a column; NaN and null as None, numbers that NumPy made as Python's."""
    if hasattr(column, "to_list"):
        values = column.to_list()
    else:  # a plain list stays as it is: NumPy would make text of all where one is text
        values = list(column) if isinstance(column, list | tuple) else np.asarray(column).tolist()
    return [None if value is None or value != value else value for value in values]


def _of_matrix(matrix: Any, source: str) -> Table:
    columns: dict[str, list[Any]] = {"user": matrix.row.tolist(), "item": matrix.col.tolist()}
    if not (matrix.data == 1).all():
        columns["rating"] = matrix.data.tolist()
    return from_columns("interactions", columns, source)

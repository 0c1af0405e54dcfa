"""Some rows of a table: of some ids, those that meet a condition, and in an order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.files.expressions import condition
from llmhd_tools.files.ids import Id
from llmhd_tools.files.schema import KINDS
from llmhd_tools.files.table import Table, to_records


def fields_of(table: Table) -> list[str]:
    """The fields that its rows have: those of its kind in the schema's order, then unknown ones as they come."""
    known = [spec.name for spec in KINDS[table.kind].fields if spec.name in table]
    return known + list(dict.fromkeys(name for record in table.extra or [] for name in record))


def check_fields(table: Table, names: Collection[str]) -> None:
    """Raise InputError where the rows have no field of some name, whatever their kind."""
    there = {*fields_of(table), *(spec.name for spec in KINDS[table.kind].fields)}
    if missing := sorted(set(names) - there):
        raise InputError(f"has no field '{missing[0]}', only {', '.join(fields_of(table))}", where=table.source)


def of_ids(table: Table, side: str, ids: Sequence[Id]) -> Table:
    """The rows of some users ("user") or items ("item"). Raises InputError for an id that no row has."""
    check_fields(table, [side])
    codes = table.ids(side).find(ids)
    there = np.isin(codes, table[side])
    if not there.all():
        raise InputError(f"has no row of {side} '{ids[int(np.argmin(there))]}'", where=table.source)
    return table.take(np.isin(table[side], codes))


def that_meet(table: Table, text: str) -> Table:
    """The rows that meet a condition (``expressions.py``), in their order."""
    test, fields = condition(text)
    check_fields(table, fields)
    return table.take(np.array([bool(test(record)) for record in to_records(table)], dtype=bool))


def in_order_of(table: Table, field: str) -> Table:
    """The rows by a field, the least first, or with ``-field`` the most; rows without a value last, equal ones as before."""
    name = field.removeprefix("-")
    check_fields(table, [name])
    values = [record.get(name) for record in to_records(table)]
    there = [row for row, value in enumerate(values) if value is not None]
    numbers = all(isinstance(values[row], int | float) for row in there)

    def key(row: int) -> Any:
        return values[row] if numbers else str(values[row])

    there.sort(key=key, reverse=field != name)
    without = [row for row, value in enumerate(values) if value is None]
    order: NDArray[np.int64] = np.array(there + without, dtype=np.int64)
    return table.take(order)

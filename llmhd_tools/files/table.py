"""Tables in memory: columns of one kind with their id tables, from records and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.files.columns import Column, blank, from_values, is_missing, to_values
from llmhd_tools.files.fitting import fitting
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.schema import KINDS

_AT_A_TIME = 1 << 16  # rows that stand in memory as Python values


@dataclass
class Table:
    """Columns of one kind, all of one length.

    Id columns hold int32 codes into ``users`` and ``items``; a missing value is -1, NaN or None by type. ``extra``
    holds the unknown fields of each record, ``lines`` where each was read; neither is looked at by any computation.
    """

    kind: str
    columns: dict[str, Column]
    users: Ids = field(default_factory=Ids)
    items: Ids = field(default_factory=Ids)
    meta: Record = field(default_factory=dict)
    extra: list[Record] | None = None
    source: str = ""
    lines: list[int] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> NDArray[Any]:
        return cast(NDArray[Any], self.columns[name])

    def ids(self, name: str) -> Ids:
        """The id table of an id column: ``users`` for user, ``items`` for item and negative."""
        return self.users if KINDS[self.kind][name].type == "user" else self.items

    def where(self, row: int) -> str:
        """``file:line`` of a row (from 0), for messages."""
        return f"{self.source}:{self.lines[row]}" if self.lines else f"{self.source}: row {row}"

    def take(self, rows: NDArray[Any]) -> Table:
        """The table of some rows, in the order given (indices or a mask)."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        picked: dict[str, Column] = {
            name: [column[i] for i in index] if isinstance(column, list) else column[index]
            for name, column in self.columns.items()
        }
        extra = None if self.extra is None else [self.extra[i] for i in index]
        return Table(self.kind, picked, self.users, self.items, dict(self.meta), extra, self.source)

    def to_columns(self) -> dict[str, list[Any]]:
        """Every column as Python values, None where missing; ids as they are spelt. Unknown fields are left out."""
        specs = KINDS[self.kind]
        return {
            name: to_values(specs[name], column, self.ids(name) if specs[name].type in ("user", "item") else self.users)
            for name, column in self.columns.items()
        }

    def to_pandas(self) -> Any:
        """A pandas data frame. Needs pandas."""
        import pandas

        return pandas.DataFrame(self.to_columns())

    def to_polars(self) -> Any:
        """A polars data frame. Needs polars."""
        import polars

        return polars.DataFrame(self.to_columns())

    def to_matrix(self) -> Any:
        """A scipy.sparse matrix (users, items) of 1 where there is a row; codes are those of ``users`` and ``items``."""
        from scipy.sparse import coo_matrix

        ones = np.ones(len(self), dtype=np.float32)
        found = coo_matrix((ones, (self["user"], self["item"])), shape=(len(self.users), len(self.items))).tocsr()
        found.data[:] = 1.0  # a repeated pair counts once
        return found

    def digest(self, *names: str) -> str:
        """SHA-256 of the content, or of the named columns: the same for text and binary, whatever file or pipe it came by."""
        digest = hashlib.sha256(self.kind.encode())
        for name in sorted(names or self.columns):
            column = self.columns[name]
            if is_missing(column).all():  # text drops such a column
                continue
            digest.update(f"\0{name}\0".encode())
            if isinstance(column, list):
                digest.update(json.dumps(column).encode())
            elif KINDS[self.kind][name].type in ("user", "item"):
                codes, given = column.copy(), column >= 0
                codes[given], ids = by_appearance(column[given], self.ids(name))
                texts = [str(n) for n in ids.names]
                digest.update(codes.tobytes() + json.dumps(texts).encode())
            else:
                digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()


def by_appearance(codes: NDArray[Any], ids: Ids) -> tuple[NDArray[np.int32], Ids]:
    """Codes renumbered in order of first appearance, and the ids in that order; ids that no row has fall away."""
    unique, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse].astype(np.int32), Ids(ids.take(unique[order]))


def from_records(
    kind: str,
    records: list[Record],
    source: str,
    lines: list[int] | None = None,
    users: Ids | None = None,
    items: Ids | None = None,
) -> Table:
    """A table of records (the dictionaries are emptied of the known fields). Raises InputError as ``read_table``."""
    table = Table(
        kind, {}, Ids() if users is None else users, Ids() if items is None else items, source=source, lines=lines
    )
    if not records and not KINDS[kind].may_be_empty:
        raise InputError("holds no records", where=source)
    if records:
        _check_first(kind, records[0].keys(), table)
    missing = object()
    for spec in KINDS[kind].fields:
        values = [record.pop(spec.name, missing) for record in records]
        if spec.required or any(value is not missing for value in values):
            ids = table.ids(spec.name) if spec.type in ("user", "item") else None
            table.columns[spec.name] = from_values(spec, values, missing, ids, table.where)
    if any(records):
        table.extra = records
    return table


def from_columns(kind: str, columns: dict[str, list[Any]], source: str) -> Table:
    """A table of columns of Python values. Raises InputError, with the row, for a value that a field cannot have."""
    table = Table(kind, {}, source=source)
    missing = object()
    if not columns or not len(next(iter(columns.values()))):
        raise InputError("holds no records", where=source)
    for name, values in columns.items():
        spec = KINDS[kind][name]
        ids = table.ids(name) if spec.type in ("user", "item") else None
        table.columns[name] = from_values(spec, values, missing, ids, table.where)
    return table


def _check_first(kind: str, keys: Collection[str], table: Table) -> None:
    """Raise InputError, with what it holds instead, where the first record of a table lacks a required field."""
    for spec in KINDS[kind].fields:
        if spec.required and spec.name not in keys:
            other = fitting(keys)
            there = f"these are {other}, but {kind} are wanted here" if other else f"there is {', '.join([*keys][:8])}"
            raise InputError(f"field '{spec.name}' is missing ({there})", where=table.where(0))


def to_records(table: Table) -> Iterator[Record]:
    """The records of the text form: known fields in the schema's order, missing ones left out, unknown ones behind."""
    kind = KINDS[table.kind]
    names = [spec.name for spec in kind.fields if spec.name in table]
    for start in range(0, len(table), _AT_A_TIME):
        rows = slice(start, start + _AT_A_TIME)
        columns = [to_values(kind[name], table.columns[name][rows], table.ids(name)) for name in names]
        for row, values in enumerate(zip(*columns, strict=True), start):
            record = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            if table.extra is not None:
                record.update(table.extra[row])
            yield record


def recode(table: Table, users: Ids | None, items: Ids | None) -> Table:
    """A table with its codes translated into given id tables. Raises InputError for an id that they lack."""
    table = replace(table, columns=dict(table.columns))
    for spec in KINDS[table.kind].fields:
        target = users if spec.type == "user" else items if spec.type == "item" else None
        if target is None or spec.name not in table:
            continue
        codes, given = table[spec.name].copy(), table[spec.name] >= 0
        codes[given] = table.ids(spec.name).translate(target)[codes[given]]
        lost = given & (codes < 0)
        if lost.any():
            row = int(np.argmax(lost))
            name = table.ids(spec.name).names[int(table[spec.name][row])]
            raise InputError(f"{spec.type} {json.dumps(name)} is unknown here", where=table.where(row))
        table.columns[spec.name] = codes
    table.users = table.users if users is None else users
    table.items = table.items if items is None else items
    return table


def concatenate(chunks: list[Table]) -> Table:
    """One table of pieces that share their id tables; a column that a piece lacks is missing in its rows."""
    first = chunks[0]
    joined = Table(first.kind, {}, first.users, first.items, first.meta, source=first.source)
    for spec in KINDS[first.kind].fields:
        if any(spec.name in chunk for chunk in chunks):
            parts = [
                chunk.columns[spec.name] if spec.name in chunk else blank(spec, len(chunk), first.source)
                for chunk in chunks
            ]
            joined.columns[spec.name] = (
                [v for part in parts for v in part] if isinstance(parts[0], list) else np.concatenate(parts)
            )
    if any(chunk.extra for chunk in chunks):
        joined.extra = [record for chunk in chunks for record in chunk.extra or [{}] * len(chunk)]
    return joined

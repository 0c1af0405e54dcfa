"""Tables and their twins: the same records as JSONL text or as an NPZ of columns."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.files.columns import Column, blank, from_stored, from_values, is_missing, to_stored, to_values
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.jsonl import Record, read_all, read_records, write_records
from llmhd_tools.files.npz import Arrays, pack_json, read_arrays, unpack_json, write_arrays
from llmhd_tools.files.schema import KINDS
from llmhd_tools.files.streams import suffix_of

Kinds = str | tuple[str, ...]  # what a file may hold: one kind, or one of several


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


def read_table(path: str, kind: Kinds, *, users: Ids | None = None, items: Ids | None = None) -> Table:
    """Read a table of ``kind`` in either form; of several kinds a binary names its own, a text shows it (``_kind_of``).

    Given ``users`` and ``items``, the codes are of those id tables and a new id is an error; else ids are numbered as
    they come. Raises InputError with file and line for what does not fit the schema.
    """
    if suffix_of(path) == ".npz":
        return recode(_from_arrays(path, kind, read_arrays(path)), users, items)
    lines, records = read_all(path)
    return recode(from_records(_kind_of(records, kind), records, path, lines), users, items)


def _several(kind: Kinds) -> tuple[str, ...]:
    return (kind,) if isinstance(kind, str) else kind


def _kind_of(records: list[Record], kind: Kinds) -> str:
    """Of some kinds the first whose required fields the first record has, or else the first."""
    kinds, keys = _several(kind), records[0].keys() if records else set()
    return next((k for k in kinds if keys >= {spec.name for spec in KINDS[k].fields if spec.required}), kinds[0])


def read_chunks(path: str, kind: Kinds, size: int = 4096) -> Iterator[Table]:
    """A table in pieces of ``size`` rows, in constant memory where it is text; all pieces share their id tables.

    There is at least one piece, so that an empty table stays a table.
    """
    if suffix_of(path) == ".npz":
        table = read_table(path, kind)
        for start in range(0, max(len(table), 1), size):
            yield table.take(np.arange(start, min(start + size, len(table))))
        return
    users, items = Ids(), Ids()
    numbered = read_records(path)
    empty = True
    while piece := list(itertools.islice(numbered, size)):
        lines, records = [number for number, _ in piece], [record for _, record in piece]
        empty, kind = False, _kind_of(records, kind)
        yield from_records(kind, records, path, lines, users, items)
    if empty:
        yield from_records(_kind_of([], kind), [], path, [], users, items)


def write_chunks(path: str, chunks: Iterable[Table]) -> None:
    """Write pieces of a table that share their id tables: JSONL as they come, NPZ joined."""
    if suffix_of(path) == ".npz":
        write_table(path, concatenate(list(chunks)))
    else:
        write_records(path, (record for chunk in chunks for record in to_records(chunk)))


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
                [v for part in parts for v in part] if spec.type == "text" else np.concatenate(parts)
            )
    if any(chunk.extra for chunk in chunks):
        joined.extra = [record for chunk in chunks for record in chunk.extra or [{}] * len(chunk)]
    return joined


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


def _check_first(kind: str, keys: Collection[str], table: Table) -> None:
    """Raise InputError, with what it holds instead, where the first record of a table lacks a required field."""
    for spec in KINDS[kind].fields:
        if spec.required and spec.name not in keys:
            other = fitting(keys)
            there = f"these are {other}, but {kind} are wanted here" if other else f"there is {', '.join([*keys][:8])}"
            raise InputError(f"field '{spec.name}' is missing ({there})", where=table.where(0))


def fitting(keys: Collection[str]) -> str | None:
    """The kind whose required fields are all among ``keys`` and that knows most of them; None where there is none."""
    fits = [
        kind
        for kind in KINDS.values()
        if "text" in kind.forms and all(spec.name in keys for spec in kind.fields if spec.required)
    ]
    best = max(fits, key=lambda kind: (sum(f.name in keys for f in kind.fields), -len(kind.fields)), default=None)
    return best.name if best else None


def check_kind(path: str, meta: object, kind: str) -> Record:
    """The meta record of an NPZ of ``kind``. Raises InputError for another kind or a newer schema."""
    if not isinstance(meta, dict) or "kind" not in meta:
        raise InputError("has no 'meta' record; is it an llmhd file?", where=path)
    if meta["kind"] != kind:
        raise InputError(f"holds {meta['kind']}, but {kind} is wanted here", where=path)
    for name in ("epoch", "step"):
        if name in meta and (type(meta[name]) is not int or meta[name] < 0):
            raise InputError(
                f"has {name} {json.dumps(meta[name])[:40]} in its 'meta' record, must be a number", where=path
            )
    if meta.get("schema") != KINDS[kind].schema:
        raise InputError(
            f"has schema {meta.get('schema')} of {kind}; this llmhd knows {KINDS[kind].schema}", where=path
        )
    return meta


def read_ids(path: str, arrays: Arrays, side: str) -> Ids:
    """The id table of one side ("user" or "item") of an NPZ. Raises InputError where it is not one."""
    name = f"{side}_ids"
    names = unpack_json(arrays.pop(name), path, name) if name in arrays else []
    ids = Ids(names if isinstance(names, list) else [])
    if (
        not all(type(n) in (str, int) and n != "" for n in ids.names)
        or len(ids.index) != len(ids.names)
        or not isinstance(names, list)
    ):
        raise InputError(f"array '{name}' is not a list of distinct ids", where=path)
    return ids


def _from_arrays(path: str, kinds: Kinds, arrays: Arrays) -> Table:
    meta = unpack_json(arrays.pop("meta"), path, "meta") if "meta" in arrays else None
    named = meta.get("kind") if isinstance(meta, dict) else None
    kind = next((kind for kind in _several(kinds) if kind == named), _several(kinds)[0])
    meta = check_kind(path, meta, kind)
    table = Table(kind, {}, read_ids(path, arrays, "user"), read_ids(path, arrays, "item"), meta, source=path)
    extra = unpack_json(arrays.pop("extra"), path, "extra") if "extra" in arrays else None
    for spec in KINDS[kind].fields:
        if spec.name in arrays:
            ids = table.ids(spec.name) if spec.type in ("user", "item") else None
            table.columns[spec.name] = from_stored(spec, arrays.pop(spec.name), ids, path)
        elif spec.required:
            raise InputError(f"column '{spec.name}' is missing", where=path)
    if not len(table) and not KINDS[kind].may_be_empty:
        raise InputError("holds no records", where=path)
    if arrays:
        raise InputError(f"holds an array '{next(iter(arrays))}' that {kind} do not have", where=path)
    if extra is not None:
        table.extra = _checked_extra(table, extra)
    if len({len(column) for column in table.columns.values()}) != 1:
        raise InputError("has columns of different lengths", where=path)
    return table


def _checked_extra(table: Table, extra: object) -> list[Record]:
    """The unknown fields of each record of an NPZ. Raises InputError where they are not that."""
    known = {spec.name for spec in KINDS[table.kind].fields}
    if not isinstance(extra, list) or not all(type(record) is dict and not known & record.keys() for record in extra):
        raise InputError("array 'extra' does not hold the unknown fields of records", where=table.source)
    if len(extra) != len(table):
        raise InputError("has columns of different lengths", where=table.source)
    return extra


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


def write_table(path: str, table: Table) -> None:
    """Write a table: NPZ where ``path`` says so, else JSONL. Raises InputError for a kind without a binary form."""
    if suffix_of(path) == ".npz":
        if "binary" not in KINDS[table.kind].forms:
            raise InputError(f"{table.kind} have only the text form; name a .jsonl file", where=path)
        write_arrays(path, to_arrays(table))
    else:
        write_records(path, to_records(table))


def to_arrays(table: Table) -> Arrays:
    """The arrays of the binary form."""
    kind = KINDS[table.kind]
    arrays: Arrays = {"meta": pack_json({"kind": kind.name, "schema": kind.schema, **table.meta})}
    for side, ids in (("user", table.users), ("item", table.items)):
        if any(spec.type == side for spec in kind.fields):
            arrays[f"{side}_ids"] = pack_json(ids.names)
    for name, column in table.columns.items():
        arrays[name] = to_stored(kind[name], column)
    if table.extra is not None:
        arrays["extra"] = pack_json(table.extra)
    return arrays


def to_records(table: Table) -> Iterator[Record]:
    """The records of the text form: known fields in the schema's order, missing ones left out, unknown ones behind."""
    kind = KINDS[table.kind]
    names = [spec.name for spec in kind.fields if spec.name in table]
    columns = [to_values(kind[name], table.columns[name], table.ids(name)) for name in names]
    for row, values in enumerate(zip(*columns, strict=True)):
        record = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        if table.extra is not None:
            record.update(table.extra[row])
        yield record

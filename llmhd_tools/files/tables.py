"""Tables in files, and their twins: the same records as JSONL text or as an NPZ of columns."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator

import numpy as np

from llmhd_tools.errors import InputError
from llmhd_tools.files.columns import from_stored, to_stored
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.jsonl import Record, read_all, read_records, write_records
from llmhd_tools.files.npz import Arrays, pack_json, read_arrays, unpack_json, write_arrays
from llmhd_tools.files.schema import KINDS
from llmhd_tools.files.streams import suffix_of
from llmhd_tools.files.table import Table, concatenate, from_records, recode, to_records

Kinds = str | tuple[str, ...]  # what a file may hold: one kind, or one of several


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
    names = unpack_json(arrays.pop(name), path, name, distinct=True) if name in arrays else []
    # types first: an index of what are no ids would spell out every one of them
    if isinstance(names, list) and all(type(n) in (str, int) and n != "" for n in names):
        ids = Ids(names)
        if len(ids.index) == len(ids.names):
            return ids
    raise InputError(f"array '{name}' is not a list of distinct ids", where=path)


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

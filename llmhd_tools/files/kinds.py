"""Reading a file of any kind: an NPZ says what it is, a JSONL shows it by its fields."""

from __future__ import annotations

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.jsonl import Record, read_all
from llmhd_tools.files.npz import read_arrays, unpack_json
from llmhd_tools.files.schema import KINDS
from llmhd_tools.files.streams import suffix_of
from llmhd_tools.files.tables import Table, fitting, from_records, read_table, write_table
from llmhd_tools.files.tensors import Tensors, read_tensors, write_tensors


def read_any(path: str, kind: str | None = None, *, verify: bool = False) -> Table | Tensors:
    """Read a file of any kind; ``verify`` checks an NPZ's seal too.

    Raises UsageError for an unknown ``kind``, InputError for a file that is damaged or does not tell its kind.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"--kind {kind} is unknown; known: {', '.join(KINDS)}")
    if suffix_of(path) == ".npz":
        arrays = read_arrays(path, verify=verify)
        meta = unpack_json(arrays["meta"], path, "meta") if "meta" in arrays else None
        named = meta.get("kind") if isinstance(meta, dict) else None
        if not isinstance(named, str) or named not in KINDS:
            raise InputError("has no 'meta' record that names a known kind; is it an llmhd file?", where=path)
        kind = kind or named
        return read_table(path, kind) if "text" in KINDS[kind].forms else read_tensors(path, kind)
    lines, records = read_all(path)
    return from_records(kind or guess_kind(path, records), records, path, lines)


def write_any(path: str, content: Table | Tensors) -> None:
    """Write a table (by the suffix as NPZ or JSONL) or tensors (NPZ); a file appears whole or not at all."""
    if isinstance(content, Table):
        write_table(path, content)
    else:
        write_tensors(path, content)


def guess_kind(path: str, records: list[Record]) -> str:
    """The kind that most of the records' fields belong to. Raises InputError where none fits."""
    if not records:
        raise InputError("holds no records", where=path)
    keys = set().union(*records)
    if not (kind := fitting(keys)):
        raise InputError(
            f"fits no known kind by its fields ({', '.join(sorted(keys)[:8])}); name it with --kind", where=path
        )
    return kind

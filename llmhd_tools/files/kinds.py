"""Reading a file of any kind: an NPZ says what it is, a JSONL shows it by its fields."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.fitting import fitting
from llmhd_tools.files.jsonl import Record, read_all, read_records
from llmhd_tools.files.npz import read_arrays, unpack_json
from llmhd_tools.files.schema import KINDS
from llmhd_tools.files.streams import TABLES, check_output, suffix_of
from llmhd_tools.files.table import Table, from_records
from llmhd_tools.files.tables import read_table, write_table
from llmhd_tools.files.tensors import Tensors, read_tensors, write_tensors


def read_any(path: str, kind: str | None = None, *, verify: bool = False) -> Table | Tensors:
    """Read a file of any kind; ``verify`` checks an NPZ's seal too.

    Raises UsageError for an unknown ``kind``, InputError for a file that is damaged or does not tell its kind.
    """
    check_kind_name(kind)
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
    """Write a table (by the suffix as NPZ or JSONL) or tensors (NPZ); a file appears whole or not at all.

    Raises InputError for a suffix that says another form, such as .csv.
    """
    check_output(path, forms=TABLES if isinstance(content, Table) else (".npz",))
    if isinstance(content, Table):
        write_table(path, content)
    else:
        write_tensors(path, content)


def check_kind_name(kind: str | None) -> None:
    """Raise UsageError for a kind that there is not."""
    if kind is not None and kind not in KINDS:
        raise UsageError(f"`kind` {kind} is unknown; known: {', '.join(KINDS)}")


def faults(path: str, kind: str | None = None, limit: int = 20) -> tuple[list[InputError], bool]:
    """What is wrong with the lines of a JSONL file, in their order, at most ``limit``; and whether there is more.

    Of a line the first fault only. None where no line alone is wrong, or where the file tells no kind.
    """
    found: list[tuple[float, InputError]] = []
    lines: list[int] = []
    records: list[Record] = []
    for number, record in read_records(path, lambda error: found.append((lines[-1] + 0.5 if lines else 0, error))):
        lines.append(number)
        records.append(record)
        if len(found) > limit:
            break
    keys = set().union(*records)
    kind = kind or fitting(keys)
    if kind and all(spec.name in keys for spec in KINDS[kind].fields if spec.required):
        found += itertools.islice(_wrong(kind, records, path, lines), limit + 1)
        found.sort(key=lambda one: one[0])
    return [error for _, error in found[:limit]], len(found) > limit


def _wrong(kind: str, records: list[Record], path: str, lines: list[int]) -> Iterator[tuple[float, InputError]]:
    """The records that are wrong by themselves, found by halving."""
    try:
        from_records(kind, [dict(record) for record in records], path, lines)
    except InputError as error:
        if len(records) == 1:
            yield lines[0], error
            return
        half = len(records) // 2
        yield from _wrong(kind, records[:half], path, lines[:half])
        yield from _wrong(kind, records[half:], path, lines[half:])


def guess_kind(path: str, records: list[Record]) -> str:
    """The kind that most of the records' fields belong to. Raises InputError where none fits."""
    if not records:
        raise InputError("holds no records", where=path)
    keys = set().union(*records)
    if not (kind := fitting(keys)):
        fields = ", ".join(sorted(keys)[:8])
        raise InputError(f"fits no known kind by its fields ({fields}); {_way_out(path, keys)}", where=path)
    return kind


_USERS = re.compile("user|reviewer|customer|visitor|member|account|listener|author", re.IGNORECASE)
_ITEMS = re.compile(
    "item|movie|film|book|product|asin|sku|business|track|song|artist|article|game|parent", re.IGNORECASE
)


def _way_out(path: str, keys: Collection[str]) -> str:
    """What to do with records that fit no kind: interactions under other names are imported."""
    user, item = (next(filter(wanted.search, sorted(keys)), None) for wanted in (_USERS, _ITEMS))
    if user and item and user != item:
        return f"`llmhd import jsonl {path} --user {user} --item {item} -o FOLDER` reads interactions under such names"
    return "name it with `kind`, or read interactions under other names with `llmhd import jsonl`"

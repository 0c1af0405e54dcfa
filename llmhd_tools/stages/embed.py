"""Texts of items and users as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from llmhd_tools import notes
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.kinds import read_any
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.llm.codec import Vector, unpack
from llmhd_tools.llm.reasons import Reasons
from llmhd_tools.llm.requests import TextProvider
from llmhd_tools.stages.texts import digest_of, texts_of


def embed(tables: Sequence[Table], provider: TextProvider, width: int | None = None) -> Tensors:
    """The vectors of the texts of one or two tables, profiles first; a text without a vector is left out.

    ``width`` is what the provider was told, for the record. Raises InputError where vectors differ in width.
    """
    rows = rows_of([text for table in tables for text in table.columns["profile"]], provider)
    return vectors_of(tables, rows, provider.name, width)


def rows_of(texts: Sequence[str], provider: TextProvider, reasons: Reasons | None = None) -> list[Vector | None]:
    """The vector of each text, None where it has none, for which there are ``reasons``."""
    rows: list[Vector | None] = []
    for answer in notes.progress(provider.answer(texts), "embedding", len(texts)):
        rows.append(None if answer.error is not None else unpack(str(answer.value)))
        if reasons is not None:
            reasons.add(answer.error)
    return rows


def read_named_texts(paths: Sequence[str]) -> list[Table]:
    """The tables, profiles first. Raises UsageError or InputError where they are not one or two of different kinds."""
    found: dict[str, Table] = {}
    for path in paths:
        table = read_any(path)
        if not isinstance(table, Table) or table.kind not in ("items", "profiles"):
            raise InputError(f"holds {table.kind}, but items or profiles are wanted here", where=path)
        if table.kind in found:
            raise UsageError(f"{found[table.kind].source} and {path} both hold {table.kind}; give one file of each")
        texts_of(table)  # refuses an id that stands twice
        found[table.kind] = table
    return [found[kind] for kind in ("profiles", "items") if kind in found]


def vectors_of(tables: Sequence[Table], rows: Sequence[Vector | None], name: str, width: int | None) -> Tensors:
    """The vectors file of tables and the vectors of their texts, one after the other; None leaves an id out.

    Raises InputError where the vectors differ in width.
    """
    arrays: dict[str, Any] = {}
    ids, left = {"user": Ids(), "item": Ids()}, iter(rows)
    for table in tables:
        side = "item" if table.kind == "items" else "user"
        names = table.ids(side).take(table[side])
        here = [(named, row) for named, row in zip(names, left, strict=False) if row is not None]
        if here:
            ids[side] = Ids([named for named, _ in here])
            arrays[side] = [row for _, row in here]
    if len(widths := {len(row) for side in arrays.values() for row in side}) > 1:
        what = f"vectors of different widths ({', '.join(map(str, sorted(widths)))}) come from the cache"
        raise InputError(f"{what}; name another `cache`", where=name)
    inputs: dict[str, str | list[str]] = {table.kind: digest_of(texts_of(table)) for table in tables}
    meta = {"made": made("embed", {"llm": name, "width": width}, inputs)}
    arrays = {side: np.stack(side_rows) for side, side_rows in arrays.items()}
    return Tensors("vectors", arrays, ids["user"], ids["item"], meta)

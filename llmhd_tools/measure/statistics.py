"""What a file holds, in figures: how many of what, how they are spread, what is missing."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import pair_keys
from llmhd_tools.files.columns import is_missing
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.schema import KINDS
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors

_QUANTILES = {"least": 0.0, "quarter": 0.25, "median": 0.5, "three_quarters": 0.75, "most": 1.0}
# A number that is a time since 1970 in one of these units lies in 1990..2100 in that one alone.
_UNITS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_YEARS = (631_152_000, 4_102_444_800)


def statistics(content: Table | Tensors, items: Table | None = None) -> Record:
    """Figures of a file's content by name; those that belong together are a record of their own.

    ``items`` are the texts of interactions' items: how many have one is told as well. Of a binary file it is also told how
    it was made.
    """
    found = _of_tensors(content) if isinstance(content, Tensors) else _of_table(content, items)
    return found | ({"made": content.meta["made"]} if "made" in content.meta else {})


def _of_table(content: Table, items: Table | None) -> Record:
    found: Record = {"kind": content.kind, "rows": len(content)}
    sides = [spec.name for spec in KINDS[content.kind].fields if spec.name in ("user", "item") and spec.name in content]
    for side in sides:
        found[f"{side}s"] = len(np.unique(content[side][content[side] >= 0]))
    if sides == ["user", "item"] and len(content):
        found |= _of_pairs(content, found["users"], found["items"])
    for spec in KINDS[content.kind].fields:
        if spec.name in content and spec.type not in ("user", "item"):
            found[spec.name] = _of_column(content, spec.name)
    if items is not None:
        found["texts"] = _of_texts(content, items)
    return found


def _of_pairs(table: Table, users: int, items: int) -> Record:
    pairs = len(np.unique(pair_keys(table["user"], table["item"], int(table["item"].max()) + 1)))
    found: Record = {"density": pairs / (users * items), "repeated": len(table) - pairs}
    for side in ("user", "item"):
        count = np.bincount(table[side])
        count = count[count > 0]
        found[f"rows_of_{'a_user' if side == 'user' else 'an_item'}"] = _spread(count)
        found[f"{side}s_with_one_row"] = int((count == 1).sum())
    return found


def _spread(values: NDArray[Any]) -> Record:
    cuts = np.quantile(values, list(_QUANTILES.values()), method="lower")
    return {name: cut.item() for name, cut in zip(_QUANTILES, cuts, strict=True)}


def _of_column(table: Table, name: str) -> Record:
    """How many rows have a value, and how the values are spread."""
    column, kind = table.columns[name], KINDS[table.kind][name].type
    there = ~is_missing(column)
    found: Record = {"rows": int(there.sum())}
    if isinstance(column, list):
        return found | ({} if kind == "list" else {"distinct": len(set(column) - {None})})
    values = column[there]
    if kind in ("bool", "label"):
        return found | {"true" if kind == "bool" else "1": int(values.sum())}
    if not len(values):
        return found
    if name == "timestamp" and (unit := _unit(values)):
        return found | {"first": _date(values.min() / unit), "last": _date(values.max() / unit)}
    return found | _spread(values) | {"mean": float(values.mean())}


def _unit(values: NDArray[Any]) -> float | None:
    """How many of the numbers' unit a second has, where they can be times since 1970."""
    return next((u for u in _UNITS.values() if _YEARS[0] * u <= values.min() <= values.max() < _YEARS[1] * u), None)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(float(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _of_texts(table: Table, items: Table) -> Record:
    """How many of a table's items have a text, and how long those are."""
    texts = {str(n): t for n, t in zip(items.items.take(items["item"]), items.columns["profile"], strict=True) if t}
    names: Collection[str] = [str(name) for name in table.items.take(np.unique(table["item"]))]
    words = np.array([len(texts[name].split()) for name in names if name in texts])
    found: Record = {"items_with_one": len(words), "items_without": len(names) - len(words)}
    return found | ({"words_of_a_text": _spread(words)} if len(words) else {})


def _of_tensors(content: Tensors) -> Record:
    found: Record = {"kind": content.kind, "users": len(content.users), "items": len(content.items)}
    found |= {name: content.meta[name] for name in ("epoch", "step") if name in content.meta}
    found["arrays"] = {name: f"{array.dtype} {array.shape}" for name, array in content.arrays.items()}
    return found

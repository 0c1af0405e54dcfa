"""Rows that look like noise: how many, how their scores lie, the worst of them, and what is known of the truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from llmhd_tools.core.auc import auc
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import Table, to_records

WORST, OTHERS, BINS = 12, 6, 10
_WORDS = ("error", "reason", "answer", "why", "text", "explanation")  # fields in which a model's words stand


@dataclass
class Known:
    """What the folder's other tables tell: titles, who touched what, which pairs are known noise."""

    titles: dict[str, str] = field(default_factory=dict)
    touched: dict[str, list[str]] = field(default_factory=dict)
    noise: dict[tuple[str, str], bool] = field(default_factory=dict)

    @classmethod
    def of(cls, tables: Iterable[Table]) -> Known:
        """What these tables tell together."""
        known = cls()
        for table in tables:
            if table.kind == "items":
                for r in to_records(table):
                    known.titles.setdefault(str(r["item"]), str(r.get("title") or r.get("profile") or r["item"]))
            elif table.kind == "interactions":
                known._add(table)
        return known

    def _add(self, table: Table) -> None:
        for r in to_records(table):
            user, item = str(r["user"]), str(r["item"])
            if item not in (its := self.touched.setdefault(user, [])):
                its.append(item)
            if r.get("noise") is not None:
                self.noise[user, item] = bool(r["noise"])


def issue(name: str, records: list[Record], kind: str, known: Known) -> Record:
    """One file's judged rows as facts; of a score from 1 to 10 the low, of ``noise_score`` the high look like noise."""
    column = next(
        (c for c in ("noise_score", "score", "suspicion", "prediction") if any(c in r for r in records)), None
    )
    sign = -1.0 if column in ("noise_score", "suspicion") else 1.0
    scored = [r for r in records if column and isinstance(r.get(column), int | float)]
    dropped = [r for r in records if _dropped(r)]
    order = sorted(range(len(records)), key=lambda n: (not _dropped(records[n]), _at(records[n], column, sign), n))
    values = [float(r[column]) for r in scored] if column else []
    marked = (
        [(sign * float(r[column]), known.noise[p]) for r in scored if (p := _pair(r)) in known.noise] if column else []
    )
    truth = [known.noise[p] for r in dropped if (p := _pair(r)) in known.noise]
    return {
        "file": name,
        "kind": kind,
        "rows": len(records),
        "score": column,
        "scored": len(scored),
        "dropped": len(dropped),
        "vouched": sum(v >= 5 for v in values) / len(values) if column == "score" and values else None,
        "precision": sum(truth) / len(truth) if truth else None,
        "auc": _auc(marked),
        "histogram": _histogram(values),
        "worst": [_row(records[n], column, known) for n in order[:WORST]],
    }


def _dropped(record: Record) -> bool:
    return bool(record.get("cut") or record.get("is_noise") or record.get("verdict") == "dropped")


def _at(record: Record, column: str | None, sign: float) -> float:
    value = record.get(column) if column else None
    return sign * value if isinstance(value, int | float) else float("inf")


def _pair(record: Record) -> tuple[str, str]:
    return str(record["user"]), str(record["item"])


def _row(record: Record, column: str | None, known: Known) -> dict[str, Any]:
    user, item = _pair(record)
    others = [known.titles.get(other, other) for other in known.touched.get(user, []) if other != item]
    words = [str(record[name]) for name in _WORDS if record.get(name)]
    return {
        "user": user,
        "item": item,
        "title": known.titles.get(item, item),
        "score": record.get(column) if column else None,
        "dropped": _dropped(record),
        "others": others[:OTHERS],
        "more": max(len(others) - OTHERS, 0),
        "words": " · ".join(words),
    }


def _auc(marked: list[tuple[float, bool]]) -> float | None:
    """How often known noise looks more like it than a clean pair, ties half; None without both."""
    noisy = np.array([mark for _, mark in marked], dtype=bool)
    return auc(-np.array([value for value, _ in marked]), noisy) if noisy.any() and not noisy.all() else None


def _histogram(values: list[float]) -> list[list[float]]:
    """Bins as (from, to, rows)."""
    if not values:
        return []
    counts, edges = np.histogram(values, BINS)
    return [[float(a), float(b), int(n)] for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)]

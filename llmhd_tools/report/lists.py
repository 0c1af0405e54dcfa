"""Lists of items on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.schema import KINDS
from llmhd_tools.files.streams import open_out
from llmhd_tools.files.table import Table, to_records
from llmhd_tools.report.terminal import table as drawn

_WORDS = ("item", "title", "because")  # columns that hold no numbers
_ROWS = 40  # that are shown of a longer table
_TITLE = 34  # characters of a title in a list


def draw(found: Table) -> None:
    """Write recommendations to stdout, a table of whose rows the first of each list names whom it is for."""
    whose = "like" if "like" in found else "user"
    names = [whose, "rank", "item", *(["title"] if "title" in found else []), "score"]
    if "because" in found:
        names.append("because")
    with open_out("-") as out:
        out.write(drawn(names, ([(cell, "") for cell in row] for row in _rows(found, whose, names)), _WORDS).encode())


def draw_doubts(found: Table) -> None:
    """Write the users or items that look oddest to stdout."""
    few = found.take(np.arange(min(_ROWS, len(found))))
    names = [spec for spec in KINDS["doubts"].fields if spec.name in few]
    order = [spec.name for spec in sorted(names, key=lambda spec: spec.type not in ("user", "item", "text"))]
    rows = ([(_short(_cell(record.get(name))), "") for name in order] for record in to_records(few))
    with open_out("-") as out:
        out.write(drawn(order, rows, _WORDS).encode())


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _rows(found: Table, whose: str, names: list[str]) -> Iterator[list[str]]:
    for record in to_records(found):
        cells = {name: str(record.get(name, "")) for name in names}
        cells[whose] = cells[whose] if record["rank"] == 1 else ""
        cells["title"], cells["score"] = _short(record.get("title", "")), f"{record['score']:.4g}"
        reasons = [_told(one) for one in record.get("because", [])]
        yield [(reasons[0] if reasons else "") if name == "because" else cells[name] for name in names]
        for reason in reasons[1:]:
            yield [reason if name == "because" else "" for name in names]


def _told(one: Record) -> str:
    """A reason: ``+0.31 Toy Story (1995)`` of an addend, ``~0.31`` of a likeness."""
    value = f"+{one['part']:.3g}".replace("+-", "-") if "part" in one else f"~{one['likeness']:.2f}"
    return f"{value} {_short(one.get('title', one['item']))}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _TITLE else f"{text[: _TITLE - 1]}…"

"""Scored pairs, whatever kind of table they stand in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Floats
from llmhd_tools.errors import InputError
from llmhd_tools.files.table import Table

SCORED = ("suspects", "judged", "interactions")  # kinds that a score may stand in; of the last as a field of one's own
HIGHEST = 10


class Scored(NamedTuple):
    """Pairs with a score, each once: user and item as text, the user's code in its table, and the row there; (n,)."""

    key: list[tuple[str, str]]
    user: NDArray[np.int64]
    row: NDArray[np.int64]
    score: Floats


def scored_pairs(table: Table) -> Scored:
    """The pairs of a table that have a score; of one that was scored more than once, in some epochs, the last counts.

    Scores of sampled negatives are left out. Raises InputError where there is none, or one that is no number from 1 to 10.
    """
    ours = table["label"] == 1 if "label" in table else np.ones(len(table), dtype=bool)
    every = _scores(table)
    rows = np.flatnonzero(ours & ~np.isnan(every))
    if not len(rows):
        raise InputError("has no pair with a score", where=table.source)
    names = table.users.take(table["user"][rows]), table.items.take(table["item"][rows])
    key = [(str(user), str(item)) for user, item in zip(*names, strict=True)]
    last = {pair: place for place, pair in enumerate(key)}
    kept = np.array(sorted(last.values()))
    rows = rows[kept]
    return Scored([key[place] for place in kept], table["user"][rows].astype(np.int64), rows, every[rows])


def _scores(table: Table) -> Floats:
    """The score of each row, NaN where it has none; of interactions a field that is unknown to them."""
    if "score" in table:
        return np.asarray(table["score"], dtype=np.float64)
    found = np.full(len(table), np.nan)
    for row, record in enumerate(table.extra or []):
        if (value := record.get("score")) is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= HIGHEST:
            raise InputError(f"row {row + 1} has score {str(value)[:40]!r}, must be 1..{HIGHEST}", where=table.source)
        found[row] = value
    return found

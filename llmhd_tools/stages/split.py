"""Interactions cleaned and split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core import split
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.table import Table

SPLITS = ("train", "valid", "test")
LEAVE_ONE_OUT = "leave-one-out"
Rows = NDArray[np.intp]


@dataclass
class Filtered:
    """What is left of a table, the low-rated rows where there is a floor, and why which rows (indices) were left out."""

    table: Table
    pool: Table | None = None
    left_out: dict[str, Rows] = field(default_factory=dict)


def filter_rows(table: Table, min_rating: float | None = None, core: int = 1, repeats: str = "last") -> Filtered:
    """Drop repeated pairs, then ratings below ``min_rating``, then what the ``core``-core leaves out.

    Of a pair's rows the last stays, or with ``repeats`` first the first, by time where there are times, else by order; with
    ``weight`` the last stays, with the sum of their weights, or their number where there are none, as its ``weight``.
    Raises UsageError for a floor without ratings, InputError where no row is left.
    """
    user, item = table["user"], table["item"]
    numbers = {name: table[name] if name in table else None for name in ("timestamp", "weight")}
    if repeats == "weight":
        table.columns["weight"] = split.pair_weights(user, item, numbers["weight"])
    rows = np.arange(len(table))
    left_out: dict[str, Rows] = {}

    def keep(reason: str, stays: NDArray[np.bool_]) -> None:
        nonlocal rows
        left_out[reason], rows = rows[~stays], rows[stays]

    keep("repeated", split.dedupe(user, item, numbers["timestamp"], first=repeats == "first"))
    pool = None
    if min_rating is not None:
        if "rating" not in table:
            raise UsageError("`min_rating` needs ratings; name their column with `rating`")
        keep("below the rating", split.rating_floor(table["rating"][rows], min_rating)[0])
        pool = table.take(left_out["below the rating"])
    if core > 1:
        keep(f"outside the {core}-core", split.k_core(user[rows], item[rows], core, core))
    if not len(rows):
        raise InputError("no row is left; lower `min_rating` or `k_core`")
    return Filtered(table.take(rows), pool, left_out)


def split_rows(table: Table, shares: str, by: str | None, seed: int, cuts: Sequence[float] = ()) -> dict[str, Table]:
    """The parts of a table by name; some may be empty.

    ``shares`` are three such as 3:1:1, ``leave-one-out``, or none. ``by`` says whose rows are cut in which order: global
    (drawn from all, every user and item with a train row), user (drawn from each user's), time (each user's newest held
    out) or global-time (the newest of all held out); None is global, and for leave-one-out time where there are times,
    else user. ``cuts`` are times, the first rows of valid and test (one: of test), in the place of both.

    Raises UsageError for other words, and where times are needed and missing.
    """
    if cuts:
        parts = split.split_at(_times(table, "`split_at`"), cuts)
        names = SPLITS if len(cuts) == 2 else ("train", "test")
        return {name: table.take(parts == number) for number, name in enumerate(names)}
    if shares == "none":
        return {"interactions": table}
    rng = generator(seed, 0, "split")
    parts = _one_out(table, by, rng) if shares == LEAVE_ONE_OUT else _parts(table, _ratios(shares), by or "global", rng)
    return {name: table.take(parts == number) for number, name in enumerate(SPLITS)}


def _ratios(shares: str) -> tuple[float, float, float]:
    try:
        train, valid, test = (float(share) for share in shares.split(":"))
        split.user_sizes(np.array([3]), (train, valid, test))
    except ValueError:
        way_out = f"three shares such as 3:1:1, nor {LEAVE_ONE_OUT}, nor none"
        raise UsageError(f"`split` '{shares}' is not {way_out}") from None
    return train, valid, test


def _times(table: Table, wanted_by: str) -> NDArray[np.float64]:
    if "timestamp" not in table:
        raise UsageError(f"{wanted_by} needs times; name their column with `timestamp`")
    return table["timestamp"]


def _one_out(table: Table, by: str | None, rng: np.random.Generator) -> split.Parts:
    by = by or ("time" if "timestamp" in table else "user")
    if by not in ("time", "user"):
        raise UsageError(f"`split` {LEAVE_ONE_OUT} is of each user; `split_by` is time or user then, not {by}")
    return split.leave_one_out(table["user"], _times(table, "`split_by` time") if by == "time" else None, rng=rng)


def _parts(table: Table, ratios: tuple[float, float, float], by: str, rng: np.random.Generator) -> split.Parts:
    if by == "global":
        return split.split_global(table["user"], table["item"], ratios, rng=rng)
    if by == "user":
        return split.split_per_user(table["user"], ratios, rng=rng)
    times = _times(table, f"`split_by` {by}")
    if by == "time":
        return split.split_by_time(table["user"], times, ratios)
    return split.split_at(times, split.time_cuts(times, ratios))


def overlaps(parts: dict[str, Table]) -> dict[tuple[str, str], int]:
    """How many pairs two parts, of the same id tables, have in common, where they have any; train first."""
    keys: dict[str, NDArray[Any]] = {
        name: np.unique(table["user"].astype(np.int64) * len(table.items) + table["item"])
        for name, table in parts.items()
    }
    names = [name for name in SPLITS if name in keys]
    found = {
        (one, other): len(np.intersect1d(keys[one], keys[other], assume_unique=True))
        for number, one in enumerate(names)
        for other in names[number + 1 :]
    }
    return {pair: count for pair, count in found.items() if count}


def strangers(train: Table, held_out: Table) -> int:
    """Rows of a held-out part whose user or item has no row in train, of the same id tables."""
    known = [np.isin(held_out[side], train[side]) for side in ("user", "item")]
    return int((~(known[0] & known[1])).sum())

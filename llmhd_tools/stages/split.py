"""Interactions cleaned and split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core import split
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.tables import Table

SPLITS = ("train", "valid", "test")


def filter_rows(table: Table, min_rating: float | None, core: int) -> tuple[Table, Table | None]:
    """The rows to use, and the low-rated ones where there is a floor."""
    table = table.take(split.dedupe(table["user"], table["item"], table["timestamp"] if "timestamp" in table else None))
    pool = None
    if min_rating is not None:
        if "rating" not in table:
            raise UsageError("`min_rating` needs ratings; name their column with `rating`")
        keep, low = split.rating_floor(table["rating"], min_rating)
        table, pool = table.take(keep), table.take(low)
    if core > 1:
        table = table.take(split.k_core(table["user"], table["item"], core, core))
    if not len(table):
        raise InputError("no row is left; lower `min_rating` or `k_core`")
    return table, pool


def split_rows(table: Table, shares: str, by: str, seed: int) -> dict[str, Table]:

    if shares == "none":
        return {"interactions": table}
    try:
        ratios = [float(share) for share in shares.split(":")]
        train, valid, test = ratios
        parts = _parts(table, (train, valid, test), by, generator(seed, 0, "split"))
    except ValueError:
        raise UsageError(f"`split` '{shares}' is not three shares such as 3:1:1, nor none") from None
    return {name: table.take(parts == number) for number, name in enumerate(SPLITS)}


def _parts(table: Table, ratios: tuple[float, float, float], by: str, rng: np.random.Generator) -> NDArray[np.int8]:

    if by == "global":
        return split.split_global(table["user"], table["item"], ratios, rng=rng)
    if by == "user":
        return split.split_per_user(table["user"], ratios, rng=rng)
    if by != "time":
        raise UsageError(f"`split_by` {by} is unknown; choose from global, user, time")
    if "timestamp" not in table:
        raise UsageError("`split_by` time needs times; name their column with `timestamp`")
    return split.split_by_time(table["user"], table["timestamp"], ratios)

"""How good the ranking is: recall, ndcg and their like over all items."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from llmhd_tools import notes
from llmhd_tools.core.arrays import Codes, pair_keys
from llmhd_tools.core.metrics import METRICS, ByUser, hits_at
from llmhd_tools.core.ties import Ties
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.notes import many
from llmhd_tools.stages.rankers import ranker_of

Ranking = Callable[..., tuple[Any, Any, Any]]  # as core.metrics.hits_at


def parse_at(text: str) -> list[int]:
    """List lengths, such as ``5,10``. Raises UsageError for what is not a whole number from 1."""
    try:
        lengths = sorted({int(part) for part in text.split(",")})
    except ValueError:
        lengths = [0]
    if lengths[0] < 1:
        raise UsageError(f"`at` '{text}' is not a list of whole numbers such as 5,10")
    return lengths


def parse_metrics(text: str, choice: str = "metrics") -> list[str]:
    """Names of metrics, as a choice gives them. Raises UsageError for an unknown one."""
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in METRICS]:
        raise UsageError(f"`{choice}` '{unknown[0]}' is unknown; choose from {', '.join(METRICS)}")
    return names


def rank_metrics(
    z: Tensors,
    test: Table,
    exclude: Sequence[ByUser],
    at: list[int],
    names: list[str],
    split: str,
    unknown: str = "error",
    per_user: bool = False,
    rank: Ranking | None = None,
    tell_ties: bool = False,
) -> list[Record]:
    """Metric records of a held-out table; ``exclude`` holds interactions by user in the embeddings' codes.

    ``rank`` does the ranking in the place of ``core.metrics.hits_at``. With ``tell_ties``, how many users' values depend on
    how equal scores are ranked (``core.ties``) is said where there are any.
    """
    user, item, strangers = check_known(test, z.users, z.items, unknown)
    known = (user >= 0) & ((item >= 0) | (unknown == "miss"))
    item = np.where(item < 0, len(z.items) + test["item"], item).astype(np.int32)
    wanted = ByUser.of(user[known], item[known], len(z.users))
    ties, ranker = Ties(z.users.names, z.items.names), ranker_of(z)
    users, hits, relevant = (rank or hits_at)(ranker, wanted, exclude, max(at), ties=ties)
    if tell_ties and ties.decided:
        notes.note(
            f"of {many(len(users), 'user')} {len(ties.decided):,} have held-out items that score as others in reach of the "
            "list do; a digest of the ids ranks those, as by chance"
        )
    head: Record = {"epoch": z.meta["epoch"]} if "epoch" in z.meta else {}
    head["split"] = split
    means, singles = [], []
    for k, name in itertools.product(at, names):
        values = METRICS[name](hits[:, :k], relevant)
        record = head | {"metric": name, "k": k}
        means.append(record | {"value": float(values.sum() / max(len(users) + strangers, 1))})
        if per_user:
            ids = z.users.take(users)
            singles += [record | {"value": float(v), "user": u} for u, v in zip(ids, values, strict=True)]
    return singles + means


def check_known(test: Table, users: Ids, items: Ids, unknown: str) -> tuple[Codes, Codes, int]:
    """The rows' codes among some ids (-1 unknown), and how many users without an embedding count as zero.

    Raises InputError at an unknown id, unless ``unknown`` says what to do.
    """
    user, item = test.users.translate(users)[test["user"]], test.items.translate(items)[test["item"]]
    lost = (user < 0) | (item < 0)
    if not lost.any():
        return user, item, 0
    row = int(np.argmax(lost))
    if unknown == "skip" and lost.all():
        raise InputError("no row has an embedding, so there is nothing to measure", where=test.source)
    if unknown == "error":
        side = "user" if user[row] < 0 else "item"
        name = test.ids(side).names[int(test[side][row])]
        way_out = "count such rows as misses with `unknown` miss or leave them out with `unknown` skip"
        raise InputError(f"{side} '{name}' has no embedding; {way_out}", where=test.where(row))
    return user, item, len(np.unique(test["user"][user < 0])) if unknown == "miss" else 0


def tell_unknown(test: Table, users: Ids, items: Ids, unknown: str) -> None:
    """Say how many rows have no embedding and what becomes of them. Raises InputError as ``check_known``."""
    user, item, _ = check_known(test, users, items, unknown)
    if lost := int(((user < 0) | (item < 0)).sum()):
        notes.note(f"{lost:,} rows of {test.source} name a user or item without embedding: {unknown}")


def tell_excluded(test: Table, z: Tensors, exclude: Sequence[ByUser]) -> None:
    """Warn of held-out pairs that are in ``exclude`` too: their ranks say little about new ones. Say where that is empty."""
    if not exclude:
        notes.note("without `exclude` the items that users have in training stand in their lists too")
        return
    user, item = test.users.translate(z.users)[test["user"]], test.items.translate(z.items)[test["item"]]
    keys = pair_keys(user, item, len(z.items))[(user >= 0) & (item >= 0)]
    hidden = [pairs.pairs(np.arange(len(z.users))) for pairs in exclude]
    known = np.concatenate([row * len(z.items) + codes for row, codes in hidden])
    if both := int(np.isin(keys, known).sum()):
        notes.warn(
            f"{both:,} of {len(test):,} pairs of {test.source} are in `exclude` too; they are ranked all the same"
        )

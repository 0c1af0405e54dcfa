"""How disliked items fare: the yardstick for denoising real noise, which recall of liked items does not show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmhd_tools import notes
from llmhd_tools.core.auc import auc_by_group
from llmhd_tools.core.metrics import ByUser, hits_at, precision
from llmhd_tools.core.ties import Ties
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.measure.ranking import Ranking, check_known
from llmhd_tools.stages.rankers import ranker_of


def disliked_metrics(
    z: Tensors,
    test: Table,
    disliked: Table,
    exclude: Sequence[ByUser],
    at: list[int],
    split: str,
    unknown: str = "error",
    per_user: bool = False,
    rank: Ranking | None = None,
) -> list[Record]:
    """Metric records of held-out disliked items beside the liked ones of ``test``; arguments as of ``rank_metrics``.

    ``disliked-share`` at k: disliked items among the first k of the list that ``test`` is measured on, over k; the mean
    over users with disliked items. ``liked-auc``: the chance that a liked item scores above a disliked one, ties half; a
    user's own, and the mean over users that have both. Pairs of ``exclude`` are not held out, and rows without embedding
    cannot be recommended: neither counts. Where no disliked pair is left there is nothing to tell but that.
    """
    bad, good = _held_out(disliked, z, unknown, exclude), _held_out(test, z, unknown)
    if not len(bad.items):
        notes.note(f"{disliked.source} holds no pair that could be recommended: no share, no AUC")
        return []
    ties, ranker = Ties(z.users.names, z.items.names), ranker_of(z)
    users, hits, relevant = (rank or hits_at)(ranker, bad, exclude, max(at), ties=ties)
    measured = [({"metric": "disliked-share", "k": k}, users, precision(hits[:, :k], relevant)) for k in at]
    sides = [side.pairs(np.arange(len(z.users))) for side in (good, bad)]
    user, item = np.concatenate([u for u, _ in sides]).astype(np.int32), np.concatenate([i for _, i in sides])
    scores = ranker.predictions(user, item)
    both, values = auc_by_group(scores, np.arange(len(user)) < len(good.items), user)
    if len(both):
        measured.append(({"metric": "liked-auc"}, both, values))
    head: Record = {"epoch": z.meta["epoch"]} if "epoch" in z.meta else {}
    head["split"] = split
    means = [head | what | {"value": float(values.mean())} for what, _, values in measured]
    if not per_user:
        return means
    return [
        head | what | {"value": float(value), "user": name}
        for what, users, values in measured
        for name, value in zip(z.users.take(users), values, strict=True)
    ] + means


def _held_out(table: Table, z: Tensors, unknown: str, exclude: Sequence[ByUser] = ()) -> ByUser:
    """A held-out table's pairs that have embeddings and stand in none of ``exclude``. Raises as ``check_known``."""
    user, item, _ = check_known(table, z.users, z.items, unknown)
    known = (user >= 0) & (item >= 0)
    keys = user[known].astype(np.int64) * len(z.items) + item[known]
    for pairs in exclude:
        hidden, behind = pairs.pairs(np.arange(len(z.users)))
        keys = np.setdiff1d(keys, hidden * len(z.items) + behind)
    return ByUser.of(keys // len(z.items), keys % len(z.items), len(z.users))

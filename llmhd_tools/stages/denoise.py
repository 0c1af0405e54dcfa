"""A user's own interactions back, each with how much it looks like noise, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from llmhd_tools.core import suspicion
from llmhd_tools.core.arrays import Floats
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table, recode
from llmhd_tools.settings import Denoising, pick
from llmhd_tools.stages.dataset import dataset_of
from llmhd_tools.stages.edges import places
from llmhd_tools.stages.fit import fit
from llmhd_tools.stages.rankers import ranker_of
from llmhd_tools.stages.texts import Texts

FIELDS = ("weight", "noise_score", "is_noise", "prediction")  # what a row gets, in this order


@dataclass(frozen=True)
class Evidence:
    """What is said of each row, (n,) each.

    ``prediction`` is the model's score of the pair. ``noise_score`` is the share of the other pairs that have a higher one
    (half of those with an equal one): 0 for what was expected most, 1 for what was expected least. It ranks, and is no
    probability. ``weight`` in 0 to 1 is how much the row is to count, ``is_noise`` marks the share that was asked for.
    """

    weight: Floats
    noise_score: Floats
    is_noise: NDArray[np.bool_]
    prediction: Floats
    model: str

    def record(self, row: int, names: Sequence[str] = FIELDS) -> dict[str, Any]:
        """What is said of one row, by name."""
        return {name: getattr(self, name)[row].item() for name in names}


def judge_rows(rows: Table, how: Denoising | None = None, *, items: Texts | None = None, **choices: Any) -> Evidence:
    """How much each row of an interactions table looks like noise, by a model fitted to all rows in closed form.

    The model is L3AE where texts of the ``items`` are given, else EASE: no item vouches for itself, so what a pair is
    given comes from the user's other items. Rows of one pair are judged alike. ``choices`` are those of ``Denoising``
    by name. Raises UsageError where model and texts do not fit.
    """
    how, dataset = pick(Denoising, how, choices), dataset_of(rows)
    model = how.model or ("ease" if items is None else "l3ae")
    fitted = fit(rows, model, items=items)
    expected = ranker_of(fitted).predictions(dataset.graph.user, dataset.graph.item)
    score = (rankdata(-expected) - 1) / max(len(expected) - 1, 1)
    coded = recode(rows, dataset.users, dataset.items)
    at = places(coded, dataset, np.ones(len(rows), dtype=bool))
    weight = suspicion.soft(suspicion.suspicion(expected), how.share)
    return Evidence(weight[at], score[at], suspicion.worst(score[at], how.share), expected[at], model)


def denoise(rows: Table, how: Denoising | None = None, *, items: Texts | None = None, **choices: Any) -> Table:
    """An interactions table, all rows in their order, each with ``FIELDS``; other fields as they were.

    A weight that a row had is multiplied. ``choices`` and errors as for ``judge_rows``.
    """
    how = pick(Denoising, how, choices)
    found = judge_rows(rows, how, items=items)
    given = np.where(np.isnan(rows["weight"]), 1.0, rows["weight"]) if "weight" in rows else 1.0
    extra = rows.extra or [{} for _ in range(len(rows))]
    told = [record | found.record(row, FIELDS[1:]) for row, record in enumerate(extra)]
    meta = rows.meta | {
        "made": made("denoise", asdict(how) | {"model": found.model}, {"train": rows.digest("user", "item")})
    }
    return replace(rows, columns=rows.columns | {"weight": found.weight * given}, extra=told, meta=meta)

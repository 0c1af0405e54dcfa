"""Several models as one: their scores standardised within each user, weighed and added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import scipy.sparse as sp

from llmhd_tools import notes
from llmhd_tools.core.blending import search
from llmhd_tools.core.metrics import ByUser
from llmhd_tools.core.rankers import Blend
from llmhd_tools.errors import UsageError
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.measure.ranking import tell_unknown
from llmhd_tools.measure.selection import Selection
from llmhd_tools.settings import Blending, pick
from llmhd_tools.stages.dataset import by_user
from llmhd_tools.stages.rankers import aligned, ranker_of, tensors_of


def blend(
    models: Sequence[Tensors],
    how: Blending | None = None,
    *,
    exclude: Sequence[Table] = (),
    valid: Table | None = None,
    **choices: Any,
) -> Tensors:
    """One ranker of several models (embeddings, rankers, blends), all of which it holds.

    Scores are standardised over the items that the user has not in ``exclude`` (training). Weights are the choice
    ``weights``, or those that rank ``valid`` best, or all 1. ``choices`` are those of ``Blending`` by name. Raises
    UsageError for fewer than two models and weights that do not fit, InputError where models know other ids.
    """
    how = pick(Blending, how, choices)
    weights = _weights(how.weights, len(models))
    if how.weights and valid is not None:
        raise UsageError("`weights` says what `valid` would choose; leave one out")
    first = models[0]
    parts = [ranker_of(first), *(aligned(model, first.users, first.items) for model in models[1:])]
    hidden = [by_user(table, first.users, first.items) for table in exclude]
    found = Blend(parts, weights, _known(hidden, parts[0].shape))
    inputs: dict[str, str | list[str]] = {
        "models": [model.digest() for model in models],
        "exclude": [table.digest("user", "item") for table in exclude],
    }
    if valid is not None:
        inputs["valid"] = valid.digest("user", "item")
        tell_unknown(valid, first.users, first.items, "skip")
        weights = _chosen(found, by_user(valid, first.users, first.items), hidden, how.select, models)
        found = Blend(parts, weights, found.known)
    params = asdict(how) | {"weights": weights}
    return tensors_of(found, first.users, first.items, {"made": made("blend", params, inputs)})


def _weights(text: str | None, count: int) -> list[float]:
    """The weights that a text spells, one a model; 1 each without a text."""
    if count < 2:
        raise UsageError("a blend is made of two models or more")
    try:
        found = [float(part) for part in text.split(",")] if text else [1.0] * count
    except ValueError:
        found = []
    if len(found) != count or not all(np.isfinite(found)) or min(found) < 0 or not any(found):
        raise UsageError(f"`weights` '{text}' must be a number from 0 for each of the {count} models, such as 1,2")
    return found


def _known(hidden: Sequence[ByUser], shape: tuple[int, int]) -> sp.csr_array:
    """What users have in any of some groups, as a matrix (users, items) of 1."""
    each = [pairs.pairs(np.arange(shape[0])) for pairs in hidden]
    user, item = (np.concatenate([np.zeros(0, np.int64), *(pair[side] for pair in each)]) for side in (0, 1))
    found = sp.csr_array((np.ones(len(user), np.float32), (user, item)), shape=shape)
    found.sum_duplicates()
    found.data[:] = 1.0
    return found


def _chosen(
    blend: Blend, valid: ByUser, hidden: Sequence[ByUser], select: str, models: Sequence[Tensors]
) -> list[float]:
    """The weights of the search, with a word on what they reach and what each part reaches alone."""
    by = Selection.parse(select)
    if by.k is None or by.trim is not None:
        raise UsageError(f"`select` '{select}': weights are chosen by a metric such as ndcg@10")
    alone, path = search(blend, valid, hidden, by.metric, by.k)
    told = ", ".join(f"{one.value:.4f} {model.source or model.kind}" for one, model in zip(alone, models, strict=True))
    best, weights = path[-1], ",".join(f"{weight:g}" for weight in path[-1].weights)
    notes.note(f"valid {select} {best.value:.4f} with weights {weights}; each alone: {told}")
    return list(best.weights)

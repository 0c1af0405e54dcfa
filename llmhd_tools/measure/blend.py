"""Several models as one: their scores standardised within each user, weighed and added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import scipy.sparse as sp

from llmhd_tools import notes
from llmhd_tools.core.arrays import Floats
from llmhd_tools.core.blending import search
from llmhd_tools.core.metrics import ByUser
from llmhd_tools.core.rankers import Blend, Ranker
from llmhd_tools.errors import UsageError
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.measure.prior import Yardstick, choose_weight, with_prior
from llmhd_tools.measure.ranking import tell_unknown
from llmhd_tools.measure.selection import Selection
from llmhd_tools.settings import Blending, pick
from llmhd_tools.stages.appraised import scores_of, standardised
from llmhd_tools.stages.dataset import by_user
from llmhd_tools.stages.rankers import aligned, ranker_of, tensors_of


def blend(
    models: Sequence[Tensors],
    how: Blending | None = None,
    *,
    exclude: Sequence[Table] = (),
    valid: Table | None = None,
    prior: Table | None = None,
    disliked: Table | None = None,
    **choices: Any,
) -> Tensors:
    """One ranker of several models (embeddings, rankers, blends), all of which it holds, or of one and a prior.

    Scores are standardised over the items that the user has not in ``exclude`` (training). Weights are the choice
    ``weights``, or those that rank ``valid`` best, or all 1. To that sum ``prior``, appraisals of the items, is added
    with ``prior_weight``, or with the largest weight that keeps ``valid`` (``measure.prior``), or where ``disliked`` are
    known held-out dislikes, with that of fewest. ``choices`` are those of ``Blending`` by name. Raises UsageError for
    fewer than two models without a prior and for weights that do not fit, InputError where models know other ids.
    """
    how = pick(Blending, how, choices)
    weights = _weights(how.weights, len(models), prior is not None)
    _check_files(how, valid, prior, disliked)
    first = models[0]
    if valid is not None:
        tell_unknown(valid, first.users, first.items, "skip")
    held_out = _HeldOut(first, exclude, valid, disliked)
    parts = [ranker_of(first), *(aligned(model, first.users, first.items) for model in models[1:])]
    found: Ranker = parts[0]
    known = _known(held_out.hidden, found.shape)
    params = {name: value for name, value in asdict(how).items() if "prior" not in name}
    if len(parts) > 1:
        found = Blend(parts, weights, known)
        if valid is not None and not how.weights:
            weights = _chosen(found, held_out, how.select, models)
            found = Blend(parts, weights, known)
    if prior is not None:
        found, more = _with_prior(found, scores_of(prior, first.items, how.shuffle_prior), known, how, held_out)
        params |= more
    inputs: dict[str, str | list[str]] = {
        "models": [model.digest() for model in models],
        "exclude": [table.digest("user", "item") for table in exclude],
    }
    for name, table in (("valid", valid), ("disliked", disliked), ("prior", prior)):
        if table is not None:
            inputs[name] = table.digest(*(("item", "score") if name == "prior" else ("user", "item")))
    meta = {"made": made("blend", params | {"weights": weights}, inputs)}
    return tensors_of(found, first.users, first.items, meta)


class _HeldOut:
    """What there is to choose by, by user in the codes of ``model``."""

    def __init__(self, model: Tensors, exclude: Sequence[Table], valid: Table | None, disliked: Table | None) -> None:
        self.hidden = [by_user(table, model.users, model.items) for table in exclude]
        self.valid = None if valid is None else by_user(valid, model.users, model.items)
        self.disliked = None if disliked is None else by_user(disliked, model.users, model.items)


def _check_files(how: Blending, valid: Table | None, prior: Table | None, disliked: Table | None) -> None:
    """Raise UsageError for what says the same thing twice, and for what has nothing to act on."""
    if valid is not None and how.weights and (prior is None or how.prior_weight is not None):
        raise UsageError("`weights` says what `valid` would choose; leave one out")
    if prior is not None and valid is None and how.prior_weight is None:
        raise UsageError("how much `prior` counts is not said: give `valid` to choose by, or `prior_weight`")
    if disliked is not None and (prior is None or valid is None or how.prior_weight is not None):
        raise UsageError("`disliked` chooses the weight of `prior` beside `valid`; without that it is not used")


def _with_prior(
    found: Ranker, appraisals: Floats, known: sp.csr_array, how: Blending, held_out: _HeldOut
) -> tuple[Blend, dict[str, Any]]:
    """A ranker with a prior of the weight that was given or is chosen, and what the record says of it."""
    signal, weight = standardised(appraisals), how.prior_weight
    params: dict[str, Any] = {"shuffle_prior": how.shuffle_prior}
    if weight is None:
        assert held_out.valid is not None
        metric, k = _metric(how.select)
        by = Yardstick(metric, k, how.prior_keep, held_out.valid, held_out.hidden, held_out.disliked)
        weight = choose_weight(found, signal, known, by)
        params["prior_keep"] = how.prior_keep
    return with_prior(found, signal, weight, known), params | {"prior_weight": weight}


def _weights(text: str | None, count: int, prior: bool) -> list[float]:
    """The weights that a text spells, one a model; 1 each without a text."""
    if count < 2 and not prior:
        raise UsageError("a blend is made of two models or more, or of one and a prior")
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


def _metric(select: str) -> tuple[str, int]:
    """The metric of the ranking and the list length that a choice spells."""
    by = Selection.parse(select)
    if by.k is None or by.trim is not None:
        raise UsageError(f"`select` '{select}': weights are chosen by a metric such as ndcg@10")
    return by.metric, by.k


def _chosen(blend: Blend, held_out: _HeldOut, select: str, models: Sequence[Tensors]) -> list[float]:
    """The weights of the search, with a word on what they reach and what each part reaches alone."""
    metric, k = _metric(select)
    assert held_out.valid is not None
    alone, path = search(blend, held_out.valid, held_out.hidden, metric, k)
    told = ", ".join(f"{one.value:.4f} {model.source or model.kind}" for one, model in zip(alone, models, strict=True))
    best, weights = path[-1], ",".join(f"{weight:g}" for weight in path[-1].weights)
    notes.note(f"valid {select} {best.value:.4f} with weights {weights}; each alone: {told}")
    return list(best.weights)

"""A user's own interactions back, each with how much it looks like noise, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from llmhd_tools.core import suspicion
from llmhd_tools.core.arrays import Floats
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table, recode
from llmhd_tools.settings import Denoising, pick
from llmhd_tools.stages.dataset import Dataset, dataset_of
from llmhd_tools.stages.edges import places
from llmhd_tools.stages.fit import fit
from llmhd_tools.stages.rankers import ranker_of
from llmhd_tools.stages.texts import Texts

FIELDS = ("weight", "noise_score", "is_noise")  # what every row gets, in this order; then what it follows from
_USUAL = 0.05  # the share to call noise, where nothing else says how many
_OF_SUSPECTS = ("prediction", "likeness", "score", "suspicion")


@dataclass(frozen=True)
class Evidence:
    """What is said of each row, (n,) each.

    ``noise_score`` is the share of the other pairs that look more like what was expected (half of those that look the
    same): 0 for what was expected most, 1 for what was expected least. It ranks, and is no probability. ``weight`` in 0 to
    1 is how much the row is to count, ``is_noise`` marks those called noise. ``evidence`` is what that follows from, by
    name: numbers, NaN where a row has none.
    """

    weight: Floats
    noise_score: Floats
    is_noise: NDArray[np.bool_]
    evidence: dict[str, Floats]
    model: str
    inputs: dict[str, str | list[str]] = field(default_factory=dict)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of all that is said of a row."""
        return FIELDS + tuple(self.evidence)

    def record(self, row: int) -> dict[str, Any]:
        """What is said of one row, by name; None where nothing is."""
        found: dict[str, Any] = {name: getattr(self, name)[row].item() for name in FIELDS}
        for name, values in self.evidence.items():
            value = values[row].item()
            found[name] = None if value != value else int(value) if values.dtype.kind == "i" else value
        return found


def judge_rows(
    rows: Table,
    how: Denoising | None = None,
    *,
    items: Texts | None = None,
    suspects: Table | None = None,
    evidence: Mapping[str, NDArray[Any]] | None = None,
    **choices: Any,
) -> Evidence:
    """How much each row of an interactions table looks like noise, by a model fitted to all rows in closed form, or by
    ``suspects``.

    The model is L3AE where texts of the ``items`` are given, else EASE: no item vouches for itself, so what a pair is
    given comes from the user's other items. Of suspects the suspicion counts, and those that are cut are called noise
    unless a share is chosen. Rows of one pair are judged alike. ``evidence`` is what else is to stand with the pairs of
    ``dataset_of(rows)``, by name. ``choices`` are those of ``Denoising`` by name. Raises UsageError where these do not fit,
    InputError where a row is none of the suspects.
    """
    how, dataset = pick(Denoising, how, choices), dataset_of(rows)
    if suspects is None:
        found = _by_model(rows, dataset, how, items)
    elif how.model or items is not None:
        raise UsageError(f"`suspects` have been judged already; leave out `{'model' if how.model else 'items'}`")
    else:
        found = _by_suspects(suspects, dataset, how.share)
    found = replace(found, evidence=found.evidence | dict(evidence or {}))
    at = places(recode(rows, dataset.users, dataset.items), dataset, np.ones(len(rows), dtype=bool))
    told = {name: values[at] for name, values in found.evidence.items()}
    return replace(
        found, weight=found.weight[at], noise_score=found.noise_score[at], is_noise=found.is_noise[at], evidence=told
    )


def _by_model(rows: Table, dataset: Dataset, how: Denoising, items: Texts | None) -> Evidence:
    """Of each pair of the dataset, by its score in a model fitted to all."""
    model = how.model or ("ease" if items is None else "l3ae")
    expected = ranker_of(fit(rows, model, items=items)).predictions(dataset.graph.user, dataset.graph.item)
    score, share = _rank(-expected), _USUAL if how.share is None else how.share
    weight = suspicion.soft(suspicion.suspicion(expected), share)
    return Evidence(weight, score, suspicion.worst(score, share), {"prediction": expected}, model)


def _by_suspects(table: Table, dataset: Dataset, share: float | None) -> Evidence:
    """Of each pair of the dataset, by its suspicion. Raises InputError for a pair that has none."""
    if "suspicion" not in table:
        raise InputError("has no suspicion to judge by; `llmhd suspect` writes it", where=table.source)
    table = recode(table, dataset.users, dataset.items)
    at = places(table, dataset, np.ones(len(table), dtype=bool))
    columns = {name: _placed(table[name], at, len(dataset.graph)) for name in _OF_SUSPECTS if name in table}
    doubt = columns["suspicion"]
    if (without := ~np.isfinite(doubt)).any():
        row = int(np.argmax(without))
        user, item = dataset.users.names[dataset.graph.user[row]], dataset.items.names[dataset.graph.item[row]]
        raise InputError(f"does not judge user '{user}' with item '{item}'", where=table.source)
    cut = _placed(table["cut"], at, len(dataset.graph)) == 1
    told = {name: values for name, values in columns.items() if np.isfinite(values).any()}
    score = _rank(doubt)
    if share is None and cut.any():
        noise, share = cut, float(cut.mean())
    else:
        share = _USUAL if share is None else share
        noise = suspicion.worst(score, share)
    weight = suspicion.soft(doubt, share)
    if "weight" in table:
        weight = np.where(np.isfinite(given := _placed(table["weight"], at, len(doubt))), given, 1.0)
    return Evidence(weight, score, noise, told, "suspects", {"suspects": table.digest()})


def _placed(values: NDArray[Any], at: NDArray[np.int64], count: int) -> Floats:
    """Values (n,) at the places of their pairs, (count,); NaN where a pair has none."""
    found = np.full(count, np.nan)
    found[at] = values
    return found


def _rank(doubt: Floats) -> Floats:
    """The share of the others that are less doubtful, half of those that are as doubtful, (n,)."""
    return np.asarray((rankdata(doubt) - 1) / max(len(doubt) - 1, 1))


def denoise(
    rows: Table,
    how: Denoising | None = None,
    *,
    items: Texts | None = None,
    suspects: Table | None = None,
    evidence: Mapping[str, NDArray[Any]] | None = None,
    **choices: Any,
) -> Table:
    """An interactions table, all rows in their order, each with ``FIELDS`` and what they follow from; other fields as they
    were.

    A weight that a row had is multiplied. ``choices``, the other arguments and errors as for ``judge_rows``.
    """
    how = pick(Denoising, how, choices)
    return with_evidence(rows, judge_rows(rows, how, items=items, suspects=suspects, evidence=evidence), how)


def with_evidence(rows: Table, found: Evidence, how: Denoising) -> Table:
    """The rows with what was found of them."""
    given = np.where(np.isnan(rows["weight"]), 1.0, rows["weight"]) if "weight" in rows else 1.0
    told = []
    for row, record in enumerate(rows.extra or [{} for _ in range(len(rows))]):
        said = {name: value for name, value in found.record(row).items() if name != "weight" and value is not None}
        told.append(record | said)
    meta = rows.meta | {
        "made": made(
            "denoise", asdict(how) | {"model": found.model}, {"train": rows.digest("user", "item")} | found.inputs
        )
    }
    return replace(rows, columns=rows.columns | {"weight": found.weight * given}, extra=told, meta=meta)


def doubts(rows: Table, found: Evidence, side: str) -> Table:
    """Users (``side`` "user") or items ("item") by how odd their rows look, the oddest first: bots, shared accounts, users
    who choose at random, items that disappoint.

    ``z`` says how far the mean of their noise scores lies above the 0.5 that rows at random would have, in standard
    deviations of such a mean (√(1/12n) of n rows), so that a single odd row says little. Rows of one user are not drawn
    at random, so it ranks; it is no test.
    """
    who, at, n = np.unique(rows[side], return_inverse=True, return_counts=True)
    mean, share = (np.bincount(at, values) / n for values in (found.noise_score, found.is_noise))
    z = (mean - 0.5) * np.sqrt(12.0 * n)
    columns: dict[str, Any] = {
        side: who.astype(np.int32),
        "rows": n.astype(np.int64),
        "noise_score": mean,
        "noise_share": share,
        "z": z,
    }
    if "noise" in rows:
        columns["known_noise"] = np.bincount(at, rows["noise"] == 1) / n
    table = Table("doubts", columns, rows.users, rows.items, source=rows.source)
    return table.take(np.argsort(-z, kind="stable"))

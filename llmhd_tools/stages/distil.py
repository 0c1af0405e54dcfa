"""A small linear scorer that imitates a language model's scores of some pairs, for all pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from llmhd_tools import notes
from llmhd_tools.core.arrays import Floats
from llmhd_tools.core.distilling import Imitation, imitate
from llmhd_tools.core.relevance import unit
from llmhd_tools.errors import InputError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.stages.appraised import scores_of, standardised
from llmhd_tools.stages.dataset import Dataset, align
from llmhd_tools.stages.scored import HIGHEST, Scored, scored_pairs

FEWEST = 50  # pairs; with fewer the folds tell nothing
WIDTH = 64  # directions of the texts' vectors that count by themselves


class _Feature(NamedTuple):
    """A part of a pair's features: the dot product of its user's and item's rows."""

    user: Floats
    item: Floats


def distil(
    scored: Table,
    dataset: Dataset,
    *,
    embeddings: Tensors | None = None,
    vectors: Tensors | None = None,
    appraisals: Table | None = None,
) -> Tensors:
    """Fit a linear model to the scores of some pairs; what it gives ranks and scores every pair of the dataset.

    Features are how many items the user and users the item has (log), the prediction of ``embeddings``, the directions of
    the item's text ``vectors`` and how alike they are to those of the user's items, and the item's ``appraisals``. All of
    them are dot products, so that the scorer is a file of embeddings: a dot product of its rows is a score. meta's
    ``distilled`` holds how many pairs of which model it imitates, and Pearson's r and the root mean squared error on pairs
    whose items were held out. Raises InputError for fewer than 50 pairs of the dataset, and items without a vector.
    """
    pairs = scored_pairs(scored)
    user, item = _codes(pairs, dataset)
    known = (user >= 0) & (item >= 0)
    if known.sum() < FEWEST:
        raise InputError(
            f"has {known.sum()} scored pairs of users and items of training, and {FEWEST} are the fewest to imitate; "
            "some hundred are better",
            where=scored.source,
        )
    features = _features(dataset, embeddings, vectors, appraisals)
    user, item, score = user[known], item[known], pairs.score[known]
    values = np.stack([np.einsum("nd,nd->n", part.user[user], part.item[item]) for part in features], axis=1)
    directions = _directions(vectors, dataset.items)
    scale = np.maximum(values.std(0), 1e-9)
    found = imitate(np.concatenate([values / scale, directions[item]], axis=1), score, item.astype(np.int64))
    told = _told(scored, pairs, score, found)
    notes.note(
        f"imitates {told['pairs']:,} scores: r {told['r']:.3f} on held-out items, error {told['error']:.2f} "
        f"where the scores' own deviation is {score.std():.2f}"
    )
    inputs: dict[str, str | list[str]] = {"scored": scored.digest(), "train": dataset.digest}
    given = {"embeddings": embeddings, "vectors": vectors, "appraisals": appraisals}
    inputs |= {name: table.digest() for name, table in given.items() if table is not None}
    arrays = _arrays(features, directions, scale, found)
    return Tensors(
        "embeddings", arrays, dataset.users, dataset.items, {"distilled": told, "made": made("distil", {}, inputs)}
    )


def _codes(pairs: Scored, dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    return dataset.users.find(user for user, _ in pairs.key), dataset.items.find(item for _, item in pairs.key)


def _features(
    dataset: Dataset, embeddings: Tensors | None, vectors: Tensors | None, appraisals: Table | None
) -> list[_Feature]:
    graph = dataset.graph
    ones = [np.ones((n, 1)) for n in (graph.n_users, graph.n_items)]
    users, items = (
        np.log1p(np.bincount(codes, minlength=n))[:, None]
        for codes, n in ((graph.user, graph.n_users), (graph.item, graph.n_items))
    )
    found = [_Feature(users, ones[1]), _Feature(ones[0], items)]
    if embeddings is not None:
        z = align([embeddings], dataset.users, dataset.items)[0]
        found.append(_Feature(z[0].astype(np.float64), z[1].astype(np.float64)))
    if vectors is not None:
        rows = unit(vectors.rows("item", dataset.items))
        liked = np.zeros((graph.n_users, rows.shape[1]), dtype=np.float32)
        np.add.at(liked, graph.user, rows[graph.item])
        found.append(_Feature(unit(liked).astype(np.float64), rows.astype(np.float64)))
    if appraisals is not None:
        found.append(_Feature(ones[0], standardised(scores_of(appraisals, dataset.items))[:, None]))
    return found


def _directions(vectors: Tensors | None, items: Ids) -> Floats:
    """Where an item's text lies along the first principal directions of all texts, each of deviation 1 at most, (n, k)."""
    if vectors is None:
        return np.zeros((len(items), 0))
    rows = unit(vectors.rows("item", items)).astype(np.float64)
    left, size, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    kept = left[:, :WIDTH] * size[:WIDTH]
    kept *= np.sign(kept[np.abs(kept).argmax(0), np.arange(kept.shape[1])])  # a direction's sign is the routine's whim
    return np.asarray(kept / max(float(kept.std()), 1e-9))


def _told(scored: Table, pairs: Scored, score: Floats, found: Imitation) -> dict[str, object]:
    models = scored.columns.get("model")
    names = sorted({str(models[row]) for row in pairs.row.tolist() if models[row] is not None}) if models else []
    r = float(np.corrcoef(found.held_out, score)[0, 1]) if np.ptp(score) and np.ptp(found.held_out) else 0.0
    error = float(np.sqrt(np.mean((found.held_out.clip(1, HIGHEST) - score) ** 2)))
    return {"model": ", ".join(names) or "unknown", "pairs": len(score), "r": r, "error": error}


def _arrays(features: list[_Feature], directions: Floats, scale: Floats, found: Imitation) -> dict[str, np.ndarray]:
    """User and item rows whose dot product is the score: the features side by side, weighed on the item's side."""
    parts = found.weights[: len(features)] / scale
    constant = found.bias + directions @ found.weights[len(features) :]
    user = [part.user for part in features] + [np.ones((len(features[0].user), 1))]
    item = [part.item * weight for part, weight in zip(features, parts, strict=True)] + [constant[:, None]]
    return {
        "user": np.concatenate(user, axis=1).astype(np.float32),
        "item": np.concatenate(item, axis=1).astype(np.float32),
    }

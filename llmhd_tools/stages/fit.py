"""Recommenders in closed form: popularity, itemknn, EASE, L3AE."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import scipy.sparse as sp

from llmhd_tools import notes
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.llm.local.tfidf import Tfidf
from llmhd_tools.settings import Fitting, pick
from llmhd_tools.stages.dataset import dataset_of, touched
from llmhd_tools.stages.edges import Drop, weights_of
from llmhd_tools.stages.rankers import tensors_of
from llmhd_tools.stages.texts import Texts, check_texts, digest_of, shuffled, texts_of
from llmhd_tools.train.methods import load, values_of

_MUCH = 4 << 30  # bytes of tables that are worth a word before they are made


def fit(
    train: Table,
    model: str = "ease",
    how: Fitting | None = None,
    *,
    items: Texts | None = None,
    vectors: Tensors | None = None,
    drop: Drop | None = None,
    shuffle_texts: int | None = None,
    **choices: Any,
) -> Tensors:
    """A recommender of interactions, by name: popularity, itemknn, ease, l3ae; for ``evaluate`` and ``suspect``.

    A ``weight`` of the rows counts, pairs of ``drop`` do not, or less where it has weights. l3ae reads texts of the
    ``items``, as TF-IDF of their
    words, or their ``vectors``; an item without is as if its text said nothing; ``shuffle_texts`` is the control's seed.
    ``choices`` are those of ``Fitting`` by name: ``set`` has the model's own options. Raises UsageError where these do
    not fit, InputError where the items' matrix has no inverse.
    """
    how, dataset = pick(Fitting, how, choices), dataset_of(train)
    method = load("model", model)
    options = check_fit(model, how, items is not None, vectors is not None, shuffle_texts)
    params, inputs = {"model": model} | asdict(options), {"train": dataset.digest}
    interactions = touched(dataset, weights_of(dataset, drop))
    if drop is not None:
        interactions = _without(interactions, drop)
        inputs["drop"], params = drop.digest, params | drop.params
    rows = None
    if vectors is not None:
        inputs["vectors"] = vectors.digest()
        rows = _rows(vectors, dataset.items)
    elif items is not None:
        texts = texts_of(items)
        inputs["items"] = digest_of(texts)
        check_texts("item", dataset.items, texts, items.source if isinstance(items, Table) else "items")
        rows = _words([texts.get(str(name), "") for name in dataset.items.names])
    if rows is not None and shuffle_texts is not None:
        params["shuffle_texts"] = shuffle_texts
        rows = rows[shuffled(rows.shape[0], shuffle_texts)]
    fitted = method(options)
    if (size := fitted.memory(len(dataset.items))) > _MUCH:
        notes.note(f"{model} of {len(dataset.items):,} items takes {size / 2**30:.0f} GiB; `set` items=N makes it less")
    ranker = fitted.fit(interactions, rows, how.device)
    return tensors_of(ranker, dataset.users, dataset.items, {"made": made("fit", params, inputs)})


def _without(interactions: sp.csr_array, drop: Drop) -> sp.csr_array:
    """Interactions (users, items) without the pairs of ``drop``."""
    pairs = drop.pairs
    ones = np.ones(len(pairs), dtype=np.float32)
    gone = sp.csr_array((ones, (pairs.user, pairs.item)), shape=interactions.shape)
    found = sp.csr_array(interactions - interactions.multiply(gone))
    found.eliminate_zeros()
    return found


def check_fit(model: str, how: Fitting, items: bool, vectors: bool, shuffle: int | None) -> Any:
    """The model's own options. Raises UsageError where it lacks texts, or has what it does not read or know."""
    method = load("model", model)
    options, reads = method.Options(**values_of({"model": model}, how.set)), method.texts
    if reads and not items and not vectors:
        raise UsageError(f"{model} reads texts of the items; give `items` or `vectors`")
    if items and vectors:
        raise UsageError("`items` and `vectors` both say what the items' texts are; leave one out")
    if not reads and (items or vectors or shuffle is not None):
        given = "items" if items else "vectors" if vectors else "shuffle_texts"
        raise UsageError(f"{model} reads no texts; leave out `{given}`")
    return options


def _rows(vectors: Tensors, items: Ids) -> sp.csr_array:
    """Vectors of items, (items, width), at length 1; 0 for one without. Raises InputError where none has one."""
    if "item" not in vectors.arrays:
        raise InputError("holds no vectors of items", where=vectors.source)
    at = items.translate(vectors.items)
    if (lost := int((at < 0).sum())) == len(at):
        raise InputError(
            "has no vector of any item of the training pairs; are their ids the same?", where=vectors.source
        )
    if lost:
        notes.note(f"{lost:,} of {len(at):,} items have no vector in {vectors.source}")
    found = np.where(at[:, None] >= 0, vectors.arrays["item"][at], np.float32(0))
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return sp.csr_array(found / np.where(length > 0, length, 1))


def _words(texts: list[str]) -> sp.csr_array:
    """TF-IDF of texts, (texts, words) float32, each of length 1."""
    weighed = Tfidf(texts)
    rows: sp.csr_array = sp.csr_array(weighed.matrix([weighed.vector(text) for text in texts]))
    rows.data = rows.data.astype(np.float32)
    return rows

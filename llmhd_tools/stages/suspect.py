"""Which training pairs look most like false positives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core import suspicion
from llmhd_tools.core.arrays import Floats
from llmhd_tools.core.graph import Graph
from llmhd_tools.errors import UsageError
from llmhd_tools.files.columns import Column
from llmhd_tools.files.provenance import made
from llmhd_tools.files.table import Table, recode
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.settings import Suspecting, pick
from llmhd_tools.stages.appraised import scores_of
from llmhd_tools.stages.dataset import Dataset, align
from llmhd_tools.stages.edges import Drop, places
from llmhd_tools.stages.rankers import predict
from llmhd_tools.stages.texts import shuffle_of


def suspect(
    dataset: Dataset,
    history: Sequence[Tensors],
    how: Suspecting | None = None,
    *,
    share: float = 0.08,
    scores: Table | None = None,
    vectors: Tensors | None = None,
    appraisals: Table | None = None,
    drop: Drop | None = None,
    weights: bool = False,
    **choices: Any,
) -> Table:
    """All training pairs, once each and in order, with their suspicion, the worst ``share`` marked as cut.

    ``history`` are the embeddings of some epochs, or models of ``fit``. ``scores`` are in suspects or judged rows,
    ``vectors`` those of the items' texts, ``appraisals`` how well each item pleases on the whole, ``drop`` is what
    the epochs of ``history`` were trained without. ``weights`` cuts none and writes soft weights
    (``core.suspicion.soft``). ``choices`` are those of ``Suspecting`` by name. Raises InputError for a scored pair
    that is not in training, and for an item without vector.
    """
    how, graph = pick(Suspecting, how, choices), dataset.graph
    params = {"share": share, "leave_one_out": how.leave_one_out}
    inputs: dict[str, str | list[str]] = {"train": dataset.digest, "history": [epoch.digest() for epoch in history]}
    edges = graph
    if drop is not None:
        edges, inputs["drop"] = drop.kept(graph), drop.digest
        params |= drop.params
    predicted = _mean_prediction(dataset, history, edges if how.leave_one_out else None)
    columns: dict[str, Column] = {"user": graph.user, "item": graph.item, "prediction": predicted}
    signals = {}
    if vectors is not None:
        inputs["vectors"], params = vectors.digest(), params | shuffle_of(vectors)
        signals["likeness"] = suspicion.likeness(vectors.rows("item", dataset.items), graph, edges)
    if scores is not None:
        inputs["scores"] = scores.digest()
        signals["score"] = _scores(scores, dataset)
    if appraisals is not None:
        inputs["appraisals"] = appraisals.digest("item", "score")
        signals["appraisal"] = scores_of(appraisals, dataset.items)[graph.item]
    if signals:
        params["text_weight"] = how.text_weight
    columns |= signals
    columns["suspicion"] = found = suspicion.suspicion(predicted, list(signals.values()), how.text_weight)
    columns["cut"] = suspicion.worst(found, 0.0 if weights else share).astype("int8")
    if weights:
        params["weights"] = True
        columns["weight"] = suspicion.soft(found, share)
    meta = {"made": made("suspect", params, inputs)}
    return Table("suspects", columns, dataset.users, dataset.items, meta)


def _mean_prediction(dataset: Dataset, history: Sequence[Tensors], edges: Graph | None) -> Floats:
    """ŷ of each training pair, as mean over ``history``. Raises UsageError for embeddings beside other models.

    Of item weights no pair vouches for itself as it is: their diagonal is 0.
    """
    if all(epoch.kind == "embeddings" for epoch in history):
        return suspicion.mean_prediction(align(history, dataset.users, dataset.items), dataset.graph, edges)
    if any(epoch.kind == "embeddings" for epoch in history):
        raise UsageError("`history` holds embeddings and fitted models, whose scores do not compare; give one sort")
    return np.asarray(np.mean([predict(epoch, dataset) for epoch in history], axis=0))


def _scores(table: Table, dataset: Dataset) -> NDArray[np.float64]:
    """The score of each training pair, (n,); NaN for one without. Negatives among judged rows do not count."""
    table = recode(table, dataset.users, dataset.items)
    ours = table["label"] == 1 if "label" in table else np.ones(len(table), dtype=bool)
    found, at = np.full(len(dataset.graph), np.nan), places(table, dataset, ours)
    if "score" in table:
        found[at] = table["score"][ours]
    return found

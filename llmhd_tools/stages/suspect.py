"""Which training pairs look most like false positives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core import suspicion
from llmhd_tools.files.columns import Column
from llmhd_tools.files.provenance import made
from llmhd_tools.files.tables import Table, recode
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.stages.dataset import Training, align
from llmhd_tools.stages.edges import Drop, places


@dataclass(frozen=True)
class Texts:
    """What texts say of the training pairs: ``scores`` in suspects or judged rows, ``vectors`` of the items."""

    scores: Table | None = None
    vectors: Tensors | None = None
    weight: float = 0.25


def suspects(
    training: Training,
    history: Sequence[Tensors],
    share: float,
    texts: Texts,
    *,
    leave_one_out: bool = True,
    drop: Drop | None = None,
) -> Table:
    """All training pairs, once each and in order, with their suspicion, the worst ``share`` marked as cut.

    ``drop``: what the epochs of ``history`` were trained without. Raises InputError for a scored pair that is not in
    training, and for an item without vector.
    """
    graph = training.graph
    params = {"share": share, "leave_one_out": leave_one_out}
    inputs: dict[str, str | list[str]] = {"train": training.digest, "history": [epoch.digest() for epoch in history]}
    edges = graph
    if drop is not None:
        edges, inputs["drop"] = drop.kept(graph), drop.digest
        params |= drop.params
    predicted = suspicion.mean_prediction(
        align(history, training.users, training.items), graph, edges if leave_one_out else None
    )
    columns: dict[str, Column] = {"user": graph.user, "item": graph.item, "prediction": predicted}
    signals = {}
    if texts.vectors is not None:
        inputs["vectors"] = texts.vectors.digest()
        signals["likeness"] = suspicion.likeness(texts.vectors.rows("item", training.items), graph, edges)
    if texts.scores is not None:
        inputs["scores"] = texts.scores.digest()
        signals["score"] = _scores(texts.scores, training)
    if signals:
        params["text_weight"] = texts.weight
    columns |= signals
    columns["suspicion"] = found = suspicion.suspicion(predicted, list(signals.values()), texts.weight)
    columns["cut"] = suspicion.worst(found, share).astype("int8")
    meta = {"made": made("suspect", params, inputs)}
    return Table("suspects", columns, training.users, training.items, meta)


def _scores(table: Table, training: Training) -> NDArray[np.float64]:
    """The score of each training pair, (n,); NaN for one without. Negatives among judged rows do not count.

    The table's codes are translated in place.
    """

    table = recode(table, training.users, training.items)
    ours = table["label"] == 1 if "label" in table else np.ones(len(table), dtype=bool)
    found, at = np.full(len(training.graph), np.nan), places(table, training, ours)
    if "score" in table:
        found[at] = table["score"][ours]
    return found

"""How well a high loss, what was dropped and what left the graph match the known noise of the training interactions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.core.auc import auc
from llmhd_tools.core.graph import Graph
from llmhd_tools.errors import InputError
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.stages.edges import Drop
from llmhd_tools.stages.rankers import predict
from llmhd_tools.train.state import Trust

Values = dict[str, float | None]


def noise_metrics(z: Tensors, train: Table, verdicts: Table | None) -> list[Record]:
    """Metric records against the ``noise`` marks, and the ``hard`` marks where there are any; None is left out.

    ``noise-auc``: chance that a noisy pair scores below a clean one. With verdicts, of an epoch's noisy positives:
    ``dropped-precision``, noisy share of the dropped; ``dropped-recall``, share of the noisy pairs that were dropped;
    ``dropped-auc``, chance that a noisy pair was dropped and a clean one was not, half where both were or neither;
    ``hard-clean``, clean share of the kept; ``hard-recall``, kept share of the truly hard. Raises InputError where no
    row is marked.
    """
    if "noise" not in train:
        raise InputError("has no 'noise' marks to measure against", where=train.source)
    values: Values = {"noise-auc": auc(-predict(z, train), train["noise"] == 1)}
    if verdicts is not None:
        values |= _verdict_metrics(train, verdicts)
    return _records(z, values)


def cut_metrics(z: Tensors, drop: Drop, dataset: Dataset, marked: Table | None) -> list[Record]:
    """Metric records of the pairs that left the graph: ``cut``, how many; and against the ``noise`` marks of interactions,
    where given, ``cut-precision``, noisy share of the cut pairs, and ``cut-recall``, cut share of the noisy pairs."""
    values: Values = {"cut": float(len(drop.pairs))}
    if marked is not None:
        known = _marked(marked, dataset)
        found = int(known.has(drop.pairs.user, drop.pairs.item).sum())
        values |= {"cut-precision": _share(found, len(drop.pairs)), "cut-recall": _share(found, len(known))}
    return _records(z, values)


def trust_metrics(z: Tensors, trust: Trust, dataset: Dataset, marked: Table) -> list[Record]:
    """Metric records of how a denoiser weighed the observed pairs in its steps, against the ``noise`` marks.

    ``weight-auc``: chance that a noisy pair weighs less than a clean one. Where some weigh
    nothing, ``dropped-precision`` and ``dropped-recall`` as for verdicts; of weights 0 and 1 ``dropped-auc`` is the same.
    """
    user, item, weight = trust
    noisy = _marked(marked, dataset).has(user, item)
    dropped = weight == 0
    values: Values = {"weight-auc": auc(-weight, noisy)}
    if dropped.any():
        found = int((dropped & noisy).sum())
        values["dropped-precision"] = _share(found, int(dropped.sum()))
        values["dropped-recall"] = _share(found, int(noisy.sum()))
        if (weight[~dropped] == 1).all():
            values["dropped-auc"] = values.pop("weight-auc")
    return _records(z, values)


def _marked(marked: Table, dataset: Dataset) -> Graph:
    """The pairs that are known to be noise, in the codes of ``training``."""
    noisy = marked.take(marked["noise"] == 1)
    user = noisy.users.translate(dataset.users)[noisy["user"]]
    item = noisy.items.translate(dataset.items)[noisy["item"]]
    return Graph.of(user, item, dataset.graph.n_users, dataset.graph.n_items)


def _records(z: Tensors, values: Values) -> list[Record]:
    """What of the training interactions was measured after an epoch; None is left out."""
    head: Record = {"epoch": z.meta["epoch"]} if "epoch" in z.meta else {}
    head["split"] = "train"
    return [head | {"metric": name, "value": value} for name, value in values.items() if value is not None]


def _verdict_metrics(train: Table, verdicts: Table) -> Values:

    pairs, judged = numbered(train, train), numbered(verdicts, train)
    positive = verdicts["label"] == 1 if "label" in verdicts else np.ones(len(verdicts), dtype=bool)
    was_dropped = np.array(verdicts.columns["verdict"], dtype=str) == "dropped"
    dropped, kept = judged[positive & was_dropped], judged[positive & ~was_dropped]
    noisy = np.unique(pairs[train["noise"] == 1])
    found, clean = int(np.isin(dropped, noisy).sum()), len(np.unique(pairs)) - len(noisy)
    values: Values = {
        "dropped-precision": _share(found, len(dropped)),
        "dropped-recall": _share(found, len(noisy)),
        "dropped-auc": None,
        "hard-clean": _share(int((~np.isin(kept, noisy)).sum()), len(kept)),
    }
    if len(noisy) and clean:
        values["dropped-auc"] = (1 + found / len(noisy) - (len(dropped) - found) / clean) / 2
    if "hard" in train:
        hard = pairs[train["hard"] == 1]
        values["hard-recall"] = _share(int(np.isin(kept, hard).sum()), int(np.isin(judged[positive], hard).sum()))
    return values


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def numbered(table: Table, train: Table | Dataset) -> NDArray[np.int64]:
    """One number a pair, in the codes of ``train``; negative for a pair that its ids do not know."""
    user = table.users.translate(train.users)[table["user"]].astype(np.int64)
    item = table.items.translate(train.items)[table["item"]]
    return np.where((user < 0) | (item < 0), -1, user * len(train.items) + item)

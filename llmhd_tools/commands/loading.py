"""Where files and computation meet: tables to graphs and samples, and back."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmhd_tools import console
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.metrics import ByUser
from llmhd_tools.core.pruning import Embeddings
from llmhd_tools.core.sampling import Samples
from llmhd_tools.errors import InputError
from llmhd_tools.files.columns import Column
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.tables import Table, by_appearance, read_table
from llmhd_tools.files.tensors import Tensors, read_tensors


@dataclass(frozen=True)
class Training:
    """The training interactions: their graph, the ids behind its codes, and a digest that tells it from any other."""

    graph: Graph
    users: Ids
    items: Ids
    digest: str


def training(table: Table) -> Training:
    """The graph of an interactions table. Only who touched what counts: not ratings, not known noise, not the form."""
    user, users = by_appearance(table["user"], table.users)
    item, items = by_appearance(table["item"], table.items)
    return Training(Graph.of(user, item, len(users), len(items)), users, items, table.digest("user", "item"))


def read_training(path: str) -> Training:
    """Read interactions for training."""
    return training(read_table(path, "interactions"))


def read_history(paths: Sequence[str]) -> list[Tensors]:
    """Embeddings of the last epochs.

    Raises InputError where files that know their epoch are not oldest first: the last one counts as the present.
    """
    history = [read_tensors(path, "embeddings") for path in paths]
    for older, newer in itertools.pairwise(history):
        then, now = older.meta.get("epoch"), newer.meta.get("epoch")
        if then is not None and now is not None and then >= now:
            raise InputError(
                f"holds epoch {now}, but {older.source} before it holds epoch {then}; give each epoch once, oldest first",
                where=newer.source,
            )
    return history


def align(history: Sequence[Tensors], users: Ids, items: Ids) -> list[Embeddings]:
    """The embeddings of some epochs, rows in the order of the given ids."""
    return [tensors.aligned(users, items) for tensors in history]


def samples_of(table: Table) -> Samples:
    """The arrays of a samples table. Raises InputError where it is neither pairwise nor pointwise, or out of order."""
    if ("negative" in table) == ("label" in table):
        raise InputError("samples need either 'negative' (pairwise) or 'label' (pointwise)", where=table.source)
    steps = np.diff(table["batch"], prepend=0)
    if ((steps < 0) | (steps > 1)).any():
        row = int(np.argmax((steps < 0) | (steps > 1)))
        raise InputError("batches are not numbered 0, 1, 2, … in order", where=table.where(row))
    return Samples(
        table["batch"],
        table["user"],
        table["item"],
        table["negative"] if "negative" in table else None,
        table["label"] if "label" in table else None,
    )


def table_of(samples: Samples, loss: NDArray[np.float32], training: Training) -> Table:
    """The samples table of arrays in the training codes, with the losses (n,)."""
    names = ("batch", "user", "item", "negative", "label")
    columns: dict[str, Column] = {n: column for n in names if (column := getattr(samples, n)) is not None}
    return Table("samples", columns | {"loss": loss}, training.users, training.items)


def read_texts(path: str, kind: str) -> dict[str, str]:
    """Texts of items or profiles by the id's text, in file order. Raises InputError for an id that stands twice."""
    return texts_of(read_table(path, kind))


def texts_of(table: Table) -> dict[str, str]:
    """Texts of an items or profiles table by the id's text. Raises InputError for an id that stands twice."""
    side = "item" if table.kind == "items" else "user"
    names = [str(name) for name in table.ids(side).take(table[side])]
    if len(set(names)) != len(names):
        _, first = np.unique(table[side], return_index=True)
        row = int(np.setdiff1d(np.arange(len(names)), first)[0])
        raise InputError(f"{side} '{names[row]}' stands twice", where=table.where(row))
    return dict(zip(names, table.columns["profile"], strict=True))


def check_texts(side: str, ids: Ids, texts: Mapping[str, str], source: str) -> None:
    """Say how many users or items of the training pairs have no text in ``source``. Raises InputError where none has one:
    the texts are of another dataset, and nothing could be judged by them."""
    without = sum(not texts.get(str(name), "").strip() for name in ids.names)
    if without == len(ids.names):
        raise InputError(f"has no text of any {side} of the training pairs; are their ids the same?", where=source)
    if without:
        console.note(f"run: {without:,} of {len(ids.names):,} {side}s have no text in {source}")


def digest_of(texts: Mapping[str, str]) -> str:
    """SHA-256 of texts by id."""
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()


def by_user(table: Table, users: Ids, items: Ids) -> ByUser:
    """Interactions grouped by user in the codes of the given id tables; pairs with an unknown id are left out."""
    user = table.users.translate(users)[table["user"]]
    item = table.items.translate(items)[table["item"]]
    known = (user >= 0) & (item >= 0)
    return ByUser.of(user[known], item[known], len(users))

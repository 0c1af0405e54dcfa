"""Where files and computation meet: tables to the training graph, and to embeddings in its order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from llmhd_tools.core.arrays import Embeddings, Floats
from llmhd_tools.core.graph import Graph
from llmhd_tools.core.metrics import ByUser
from llmhd_tools.errors import InputError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.table import Table, by_appearance
from llmhd_tools.files.tables import read_table
from llmhd_tools.files.tensors import Tensors, read_tensors


@dataclass(frozen=True)
class Dataset:
    """The training interactions: their graph, the ids behind its codes, and a digest that tells it from any other.

    ``weights`` (n,) say how much each pair counts; None: all the same.
    """

    graph: Graph
    users: Ids
    items: Ids
    digest: str
    weights: Floats | None = None


def dataset_of(table: Table) -> Dataset:
    """The graph of an interactions table. Only who touched what counts, and its ``weight``: not ratings, not known noise,
    not the form.

    The first row of a repeated pair counts; a row without weight has 1.
    """
    user, users = by_appearance(table["user"], table.users)
    item, items = by_appearance(table["item"], table.items)
    graph, digest = Graph.of(user, item, len(users), len(items)), table.digest(*counted(table))
    if "weight" not in table:
        return Dataset(graph, users, items, digest)
    weights, given = np.ones(len(graph)), table["weight"][::-1]  # the first row of a pair is written last
    weights[graph.find(user[::-1], item[::-1])] = np.where(np.isnan(given), 1.0, given)
    return Dataset(graph, users, items, digest, weights)


def counted(table: Table) -> tuple[str, ...]:
    """The columns of training interactions that count."""
    return ("user", "item", "weight") if "weight" in table else ("user", "item")


def read_dataset(path: str) -> Dataset:
    """Read interactions for training."""
    return dataset_of(read_table(path, "interactions"))


def read_history(paths: Sequence[str], kinds: str | tuple[str, ...] = "embeddings") -> list[Tensors]:
    """Embeddings of the last epochs, or what else of some ``kinds`` ranks.

    Raises InputError where files that know their epoch are not oldest first: the last one counts as the present.
    """
    history = [read_tensors(path, kinds) for path in paths]
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


def touched(dataset: Dataset, weights: Floats | None) -> sp.csr_array:
    """Interactions of a dataset as a matrix (users, items) of 1, or of ``weights`` (n,)."""
    found = np.ones(len(dataset.graph), np.float32) if weights is None else weights.astype(np.float32)
    shape = (dataset.graph.n_users, dataset.graph.n_items)
    return sp.csr_array((found, (dataset.graph.user, dataset.graph.item)), shape=shape)


def by_user(table: Table, users: Ids, items: Ids) -> ByUser:
    """Interactions grouped by user in the codes of the given id tables; pairs with an unknown id are left out."""
    user = table.users.translate(users)[table["user"]]
    item = table.items.translate(items)[table["item"]]
    known = (user >= 0) & (item >= 0)
    return ByUser.of(user[known], item[known], len(users))

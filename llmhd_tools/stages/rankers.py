"""Files that rank: embeddings, fitted item weights, and blends; as what they do and back."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from llmhd_tools.core.arrays import Codes, Floats
from llmhd_tools.core.rankers import Blend, Dot, Linear, Ranker
from llmhd_tools.errors import InputError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.matrices import PARTS
from llmhd_tools.files.npz import Arrays
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import Tensors, read_tensors
from llmhd_tools.stages.dataset import Dataset

RANKERS = ("embeddings", "ranker")  # the kinds of file that rank


def read_ranker(path: str) -> Tensors:
    """Read a file that ranks. Raises InputError for another kind, and where its arrays make no ranker."""
    return read_tensors(path, RANKERS)


def ranker_of(tensors: Tensors) -> Ranker:
    """What a file of embeddings or a ``ranker`` does."""
    return _part(tensors.arrays, "", (len(tensors.users), len(tensors.items)))


def _part(arrays: Arrays, part: str, shape: tuple[int, int]) -> Ranker:
    """The ranker whose arrays' names begin with ``part``."""
    if f"{part}user" in arrays:
        return Dot(arrays[f"{part}user"], arrays[f"{part}item"])
    if f"{part}blend" in arrays:
        weights = arrays[f"{part}blend"].tolist()
        parts = [_part(arrays, f"{part}{number}.", shape) for number in range(len(weights))]
        return Blend(parts, weights, _rows(arrays, f"{part}known", shape))
    weights = _rows(arrays, f"{part}weights", (shape[1], shape[1]))
    return Linear(_rows(arrays, f"{part}interactions", shape), weights)


def _rows(arrays: Arrays, name: str, shape: tuple[int, int]) -> sp.csr_array:
    start, item, value = (arrays[f"{name}.{part}"] for part in PARTS)
    return sp.csr_array((value, item, start), shape=shape)


def _packed(name: str, matrix: sp.csr_array) -> Arrays:
    """The three arrays of a matrix by rows, columns ascending."""
    matrix = sp.csr_array(matrix)
    matrix.sort_indices()
    found: list[NDArray[Any]] = [
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data.astype(np.float32, copy=False),
    ]
    return {f"{name}.{part}": array for part, array in zip(PARTS, found, strict=True)}


def arrays_of(ranker: Ranker) -> Arrays:
    """The arrays of a ranker's file. Raises TypeError for a ranker that has no form as a file."""
    if isinstance(ranker, Dot):
        return {"user": ranker.users, "item": ranker.items}
    if isinstance(ranker, Linear):
        return _packed("interactions", ranker.interactions) | _packed("weights", ranker.weights)
    if isinstance(ranker, Blend):
        found: Arrays = {"blend": np.array(ranker.weights, dtype=np.float64)} | _packed("known", ranker.known)
        for number, part in enumerate(ranker.parts):
            found |= {f"{number}.{name}": array for name, array in arrays_of(part).items()}
        return found
    raise TypeError(f"{type(ranker).__name__} has no form as a file")


def tensors_of(ranker: Ranker, users: Ids, items: Ids, meta: Record) -> Tensors:
    """The file of a ranker: embeddings where it is made of them, else a ``ranker``."""
    return Tensors("embeddings" if isinstance(ranker, Dot) else "ranker", arrays_of(ranker), users, items, meta)


def aligned(tensors: Tensors, users: Ids, items: Ids) -> Ranker:
    """What a file does, for users and items in the order of other id tables that hold the same ids.

    Raises InputError where an id is in one of them only.
    """
    rows, columns = codes(tensors, "user", users), codes(tensors, "item", items)
    for side, ours, theirs in (("user", tensors.users, users), ("item", tensors.items, items)):
        if len(ours) != len(theirs):
            name = ours.names[int(np.argmin(np.isin(np.arange(len(ours)), rows if side == "user" else columns)))]
            raise InputError(
                f"ranks {side} {json.dumps(name)}, which the first model does not know", where=tensors.source
            )
    return _moved(ranker_of(tensors), rows, columns)


def _moved(ranker: Ranker, rows: Codes, columns: Codes) -> Ranker:
    if isinstance(ranker, Dot):
        return Dot(ranker.users[rows], ranker.items[columns])
    if isinstance(ranker, Blend):
        parts = [_moved(part, rows, columns) for part in ranker.parts]
        return Blend(parts, ranker.weights, sp.csr_array(ranker.known[rows][:, columns]))
    assert isinstance(ranker, Linear)
    weights = sp.csr_array(ranker.weights[columns][:, columns])
    return Linear(sp.csr_array(ranker.interactions[rows][:, columns]), weights)


def codes(tensors: Tensors, side: str, wanted: Ids) -> Codes:
    """The places of some ids among a ranker's, (n,). Raises InputError for one that it lacks."""
    ours = tensors.users if side == "user" else tensors.items
    found = wanted.translate(ours)
    if (found < 0).any():
        what = "embedding" if tensors.kind == "embeddings" else "score"
        name = wanted.names[int(np.argmax(found < 0))]
        raise InputError(f"has no {what} of {side} {json.dumps(name)}", where=tensors.source)
    return found


def predict(tensors: Tensors, table: Table | Dataset) -> Floats:
    """The prediction of each pair, (n,) float64. Raises InputError for an id that the ranker lacks."""
    user, item = codes(tensors, "user", table.users), codes(tensors, "item", table.items)
    pairs = (table.graph.user, table.graph.item) if isinstance(table, Dataset) else (table["user"], table["item"])
    return ranker_of(tensors).predictions(user[pairs[0]], item[pairs[1]])

"""Texts of items and users by id."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmhd_tools import notes
from llmhd_tools.core.seeds import generator
from llmhd_tools.errors import InputError
from llmhd_tools.files.columns import Column
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.table import Table
from llmhd_tools.files.tables import read_table
from llmhd_tools.files.tensors import Tensors

_SHUFFLED = "shuffle_texts"  # in the meta of vectors

Texts = Table | Mapping[str, str]  # of kind items or profiles, or by the id's text


def read_texts(path: str, kind: str) -> Mapping[str, str]:
    """Texts of items or profiles by the id's text, in file order. Raises InputError for an id that stands twice."""
    return texts_of(read_table(path, kind))


def texts_of(table: Texts) -> Mapping[str, str]:
    """Texts of an items or profiles table by the id's text. Raises InputError for an id that stands twice."""
    if not isinstance(table, Table):
        return table
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
        notes.note(f"{without:,} of {len(ids.names):,} {side}s have no text in {source}")


def digest_of(texts: Mapping[str, str]) -> str:
    """SHA-256 of texts by id."""
    return hashlib.sha256(json.dumps(dict(texts), sort_keys=True).encode()).hexdigest()


def shuffled(count: int, seed: int) -> NDArray[np.int64]:
    """Whose text each of ``count`` items gets instead of its own, (count,): an order at random."""
    return generator(seed, 0, "shuffle-texts").permutation(count)


def shuffle_vectors(vectors: Tensors, seed: int | None) -> Tensors:
    """Vectors handed to other users and other items at random, each side by itself; None leaves them as they are.

    The seed stands in their meta, so that records of what is made of them can name it.
    """
    if seed is None:
        return vectors
    arrays = {side: array[shuffled(len(array), seed)] for side, array in vectors.arrays.items()}
    meta = {**vectors.meta, _SHUFFLED: seed}
    return Tensors(vectors.kind, arrays, vectors.users, vectors.items, meta, vectors.source)


def shuffle_texts(items: Table, seed: int | None) -> Table:
    """Items with each text in another's row; None leaves them as they are."""
    if seed is None:
        return items
    order = shuffled(len(items), seed).tolist()
    told = [name for name in ("profile", "title") if name in items]
    texts: dict[str, Column] = {name: [items.columns[name][row] for row in order] for name in told}
    return replace(items, columns=items.columns | texts)


def shuffle_of(*vectors: Tensors | None) -> dict[str, int]:
    """By which seed vectors were shuffled, for the record of how a file was made; {} where they were not."""
    seeds = [one.meta[_SHUFFLED] for one in vectors if one is not None and _SHUFFLED in one.meta]
    return {_SHUFFLED: seeds[0]} if seeds else {}

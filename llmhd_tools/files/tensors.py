"""Model and embedding files: named float arrays with the id tables and a meta record, binary only."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.matrices import check_ranker
from llmhd_tools.files.npz import Arrays, pack_json, read_arrays, unpack_json, write_arrays
from llmhd_tools.files.schema import KINDS
from llmhd_tools.files.tables import check_kind, read_ids


@dataclass
class Tensors:
    """Named arrays of kind ``model``, ``embeddings``, ``ranker`` or ``vectors``, for the users and items whose ids are
    given in code order."""

    kind: str
    arrays: Arrays
    users: Ids
    items: Ids
    meta: Record = field(default_factory=dict)
    source: str = ""
    _digest: str | None = field(default=None, init=False, repr=False, compare=False)

    def digest(self) -> str:
        """SHA-256 of names, shapes and bytes, taken once; the meta record does not count."""
        if self._digest is not None:
            return self._digest
        digest = hashlib.sha256(self.kind.encode())
        for name in sorted(self.arrays):
            array = np.ascontiguousarray(self.arrays[name])
            digest.update(f"\0{name}\0{array.dtype.str}{array.shape}\0".encode())
            digest.update(array.data if array.size else b"")
        self._digest = digest.hexdigest()
        return self._digest

    def aligned(self, users: Ids, items: Ids) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The rows of embeddings or vectors in the order of other id tables: ((len(users), dim), (len(items), dim)).

        Raises InputError for an id that they lack.
        """
        return self.rows("user", users), self.rows("item", items)

    def rows(self, side: str, wanted: Ids) -> NDArray[np.float32]:
        """As ``aligned``, of one side ("user" or "item")."""
        ours = self.users if side == "user" else self.items
        if ours.names == wanted.names:
            return self.arrays[side]
        codes = wanted.translate(ours)
        if (codes < 0).any():
            name = wanted.names[int(np.argmax(codes < 0))]
            raise InputError(f"has no {self.kind.removesuffix('s')} of {side} {json.dumps(name)}", where=self.source)
        return np.asarray(self.arrays[side][codes])


def write_tensors(path: str, tensors: Tensors) -> None:
    """Write tensors as one sealed NPZ."""
    head = {
        "meta": pack_json({"kind": tensors.kind, "schema": KINDS[tensors.kind].schema, **tensors.meta}),
        "user_ids": pack_json(tensors.users.names),
        "item_ids": pack_json(tensors.items.names),
    }
    write_arrays(path, head | tensors.arrays)


def read_tensors(path: str, kind: str | tuple[str, ...]) -> Tensors:
    """Read tensors of ``kind``, or of one of several, which a file names.

    Raises InputError for another kind, or numbers (or scores by them) that are not finite.
    """
    arrays = read_arrays(path)
    meta = unpack_json(arrays.pop("meta"), path, "meta") if "meta" in arrays else None
    kinds = (kind,) if isinstance(kind, str) else kind
    kind = next((one for one in kinds if isinstance(meta, dict) and meta.get("kind") == one), kinds[0])
    meta = check_kind(path, meta, kind)
    users, items = read_ids(path, arrays, "user"), read_ids(path, arrays, "item")
    if kind in ("embeddings", "vectors"):
        _check_rows(path, kind, arrays, users, items)
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(f"array '{name}' holds NaN or infinity", where=path)
    if kind == "ranker":
        check_ranker(path, arrays, len(users), len(items))
    if kind == "embeddings":
        _check_products(path, arrays["user"], arrays["item"])
    return Tensors(kind, arrays, users, items, meta, path)


def _check_products(path: str, user: NDArray[np.float32], item: NDArray[np.float32]) -> None:
    """Refuse embeddings whose dot products may not be finite in float32."""
    largest = [float(np.abs(array).max(initial=0)) for array in (user, item)]
    if largest[0] * largest[1] * user.shape[1] > float(np.finfo(np.float32).max):
        raise InputError(
            f"holds numbers up to {max(largest):.0e}, whose products are more than a float32 holds; scale them down",
            where=path,
        )


def _check_rows(path: str, kind: str, arrays: Arrays, users: Ids, items: Ids) -> None:
    """A row for each id, all of one length; vectors may be of one side only."""
    for side, ids in (("user", users), ("item", items)):
        if kind == "vectors" and side not in arrays and not len(ids) and {"user", "item"} & set(arrays):
            continue
        if side not in arrays:
            raise InputError(f"array '{side}' is missing", where=path)
        if arrays[side].ndim != 2 or len(arrays[side]) != len(ids) or arrays[side].dtype.kind != "f":
            raise InputError(
                f"array '{side}' is {arrays[side].dtype} {arrays[side].shape}, must be float ({len(ids)}, dim)",
                where=path,
            )
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite, and refused as such
            arrays[side] = arrays[side].astype(np.float32, copy=False)
    if len({arrays[side].shape[1] for side in ("user", "item") if side in arrays}) > 1:
        raise InputError(f"user and item {kind} differ in dimension", where=path)

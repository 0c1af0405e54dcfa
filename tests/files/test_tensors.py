"""Embeddings and models: binary only, aligned by id, refused where a number is not one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmhd_tools.errors import InputError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.npz import pack_json, read_arrays, write_arrays
from llmhd_tools.files.tensors import Tensors, read_tensors, write_tensors


def embeddings() -> Tensors:
    arrays: dict[str, Any] = {
        "user": np.eye(2, 3, dtype=np.float32),
        "item": np.arange(9, dtype=np.float32).reshape(3, 3),
    }
    return Tensors("embeddings", arrays, Ids(["a", 5]), Ids(["x", "y", "z"]), {"epoch": 3})


def test_round_trip(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_tensors(str(tmp_path / f"{name}.npz"), embeddings())
    back = read_tensors(str(tmp_path / "a.npz"), "embeddings")
    assert back.meta["epoch"] == 3 and back.users.names == ["a", 5] and back.digest() == embeddings().digest()
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_alignment_by_id() -> None:
    user, item = embeddings().aligned(Ids(["5", "a", 5]), Ids(["z"]))
    assert user.tolist() == [[0, 1, 0], [1, 0, 0], [0, 1, 0]] and item.tolist() == [[6, 7, 8]]
    with pytest.raises(InputError, match='has no embedding of item "w"'):
        embeddings().aligned(Ids(["a"]), Ids(["w"]))


def test_digest_tells_names_shapes_and_bytes_apart() -> None:
    base = embeddings()
    others = [
        {"user": base.arrays["user"].reshape(3, 2), "item": base.arrays["item"]},
        {"user": base.arrays["user"], "thing": base.arrays["item"]},
        {"user": base.arrays["user"], "item": base.arrays["item"] + 1},
        {"user": base.arrays["user"].view(np.int32), "item": base.arrays["item"]},
    ]
    digests = {Tensors("embeddings", arrays, base.users, base.items).digest() for arrays in [base.arrays, *others]}
    assert len(digests) == 5


@pytest.mark.parametrize("kind", ["embeddings", "vectors"])
def test_anyones_recommender_can_make_embeddings(kind: str, tmp_path: Path) -> None:
    """NumPy alone suffices, in any float type and byte order, packed or not."""
    for save in (np.savez, np.savez_compressed):
        for dtype in ("<f8", ">f4", "<f2"):
            save(
                tmp_path / "a.npz",
                meta=pack_json({"kind": kind, "schema": 1}),
                user_ids=pack_json(["a"]), item_ids=pack_json(["x"]),
                user=np.ones((1, 2), dtype), item=np.ones((1, 2), dtype, order="F"),
            )  # fmt: skip
            back = read_tensors(str(tmp_path / "a.npz"), kind)
            assert back.arrays["user"].dtype == np.float32 and back.arrays["user"].tolist() == [[1, 1]]


@pytest.mark.parametrize("side", ["user", "item"])
def test_vectors_may_be_of_one_side(side: str, tmp_path: Path) -> None:
    path = str(tmp_path / "v.npz")
    both = embeddings()
    ids = {"user": both.users, "item": both.items}
    alone = [ids[name] if name == side else Ids() for name in ("user", "item")]
    write_tensors(path, Tensors("vectors", {side: both.arrays[side]}, *alone))
    back = read_tensors(path, "vectors")
    assert list(back.arrays) == [side] and (back.users.names, back.items.names) == tuple(i.names for i in alone)
    with pytest.raises(InputError, match="has no vector of"):
        back.aligned(both.users, both.items)
    write_tensors(path, Tensors("vectors", {side: both.arrays[side]}, both.users, both.items))
    with pytest.raises(InputError, match="is missing"):  # ids without rows
        read_tensors(path, "vectors")
    write_tensors(path, Tensors("vectors", {}, Ids(), Ids()))
    with pytest.raises(InputError, match="is missing"):
        read_tensors(path, "vectors")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user": None}, "array 'user' is missing"),
        ({"user": np.zeros((3, 3), np.float32)}, "must be float (2, dim)"),
        ({"user": np.zeros(2, np.float32)}, "must be float (2, dim)"),
        ({"user": np.zeros((2, 3), np.int64)}, "must be float (2, dim)"),
        ({"user": np.zeros((2, 3), np.complex64)}, "must be float (2, dim)"),
        ({"user": np.zeros((2, 4), np.float32)}, "differ in dimension"),
        ({"user": np.full((2, 3), np.nan, np.float32)}, "array 'user' holds NaN or infinity"),
        ({"item": np.full((3, 3), -np.inf, np.float32)}, "array 'item' holds NaN or infinity"),
        ({"item": np.full((3, 3), 1e300)}, "array 'item' holds NaN or infinity"),
        ({"item_ids": None}, "must be float (0, dim)"),
        ({"meta": pack_json({"kind": "model", "schema": 1})}, "holds model, but embeddings is wanted here"),
        ({"meta": pack_json({"kind": "embeddings", "schema": 9})}, "has schema 9 of embeddings"),
        ({"meta": pack_json({"kind": "embeddings", "schema": 1, "epoch": "3"})}, 'has epoch "3"'),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = str(tmp_path / "a.npz")
    write_tensors(path, embeddings())
    write_arrays(path, {name: array for name, array in (read_arrays(path) | change).items() if array is not None})
    with pytest.raises(InputError) as caught:
        read_tensors(path, "embeddings")
    assert str(caught.value).startswith(f"{path}: ") and message in str(caught.value)


def test_embeddings_whose_scores_would_overflow_are_refused(tmp_path: Path) -> None:
    ids = Ids(["a"])
    path = str(tmp_path / "z.npz")
    for size, good in ((1e30, False), (1e19, False), (1e18, True)):
        z = np.full((1, 4), size, np.float32)
        write_tensors(path, Tensors("embeddings", {"user": z, "item": z}, ids, ids))
        if good:
            assert np.isfinite(read_tensors(path, "embeddings").arrays["user"] @ z.T).all()
        else:
            with pytest.raises(InputError, match="more than a float32 holds; scale them down"):
                read_tensors(path, "embeddings")

"""RLMRec folders: matrices as .npz and as pickles, texts, and every way in which they can be wrong."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from llmhd_tools.errors import InputError
from llmhd_tools.importers import read_source, sparse

PARTS = ("train", "valid", "test")
PICKLES = ("trn_mat.pkl", "val_mat.pkl", "tst_mat.pkl")


def matrices() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    part = rng.integers(0, 6, (7, 5))
    return {name: sp.csr_matrix((part == k).astype(np.float32)) for k, name in enumerate(PARTS)}


def folder(path: Path, *, npz: bool = True, pickles: bool = True) -> Path:
    for (name, matrix), pkl in zip(matrices().items(), PICKLES, strict=True):
        if npz:
            sp.save_npz(path / f"{name}.npz", matrix)
        if pickles:
            (path / pkl).write_bytes(pickle.dumps(matrix.tocoo()))
    return path


def pairs(rows: Any) -> list[tuple[str, str]]:
    return [(rows.users[u], rows.items[i]) for u, i in zip(rows.user, rows.item, strict=True)]


@pytest.mark.parametrize("options", [{}, {"prefer_pickle": True}])
def test_matrices(tmp_path: Path, options: Any) -> None:
    source = read_source("rlmrec", folder(tmp_path), **options)
    assert source.shape == (7, 5)
    assert list(source.splits) == list(PARTS)
    for name, matrix in matrices().items():
        assert pairs(source.splits[name]) == [(str(u), str(i)) for u, i in zip(*matrix.nonzero(), strict=True)]
    assert pairs(source.interactions) == [p for name in PARTS for p in pairs(source.splits[name])]
    assert source.interactions.numbers == {}
    assert source.items == source.profiles == []


def test_either_family_alone(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    npz = read_source("rlmrec", folder(tmp_path / "a", pickles=False), prefer_pickle=True)
    pkl = read_source("rlmrec", folder(tmp_path / "b", npz=False))
    assert (npz.shape, npz.items) == (pkl.shape, pkl.items)
    assert {k: pairs(v) for k, v in npz.splits.items()} == {k: pairs(v) for k, v in pkl.splits.items()}
    (tmp_path / "b" / "tst_mat.pkl").unlink()
    with pytest.raises(InputError, match=r"needs train\.npz, .* or trn_mat\.pkl"):
        read_source("rlmrec", tmp_path / "b")


def test_npz_wins_and_the_pickle_is_not_opened(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "trn_mat.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert read_source("rlmrec", tmp_path).shape == (7, 5)
    with pytest.raises(InputError, match=r"trn_mat\.pkl: refused: the pickle names 'os\.system'"):
        read_source("rlmrec", tmp_path, prefer_pickle=True)


def test_zeros_and_repeats(tmp_path: Path) -> None:
    folder(tmp_path, npz=False)
    coo = sp.coo_matrix(([1.0, 1.0, 0.0, 2.0], ([1, 1, 2, 0], [3, 3, 0, 4])), shape=(7, 5))
    (tmp_path / "trn_mat.pkl").write_bytes(pickle.dumps(coo))
    assert pairs(read_source("rlmrec", tmp_path).splits["train"]) == [("0", "4"), ("1", "3")]


def test_shapes_must_agree(tmp_path: Path) -> None:
    sp.save_npz(folder(tmp_path) / "test.npz", sp.csr_matrix((7, 6)))
    with pytest.raises(InputError, match=r"test\.npz: 7 users × 6 items, but train\.npz has 7 × 5"):
        read_source("rlmrec", tmp_path)


def test_texts(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "items.jsonl").write_bytes(
        b'\xef\xbb\xbf{"item": "0", "profile": "caf\xc3\xa9 \\u2028", "x": 1}\r\n\n{"item": 4, "profile": "b"}'
    )
    (tmp_path / "itm_prf.pkl").write_bytes(pickle.dumps({1: {"profile": "p1", "reasoning": "r"}, 0: {"profile": "p0"}}))
    (tmp_path / "usr_prf.pkl").write_bytes(pickle.dumps({np.int64(6): {"profile": "u6", "user": "evil"}}))
    source = read_source("rlmrec", tmp_path)
    assert source.items == [{"item": "0", "profile": "café \u2028", "x": 1}, {"item": "4", "profile": "b"}]
    assert source.profiles == [{"user": "6", "profile": "u6"}]
    source = read_source("rlmrec", tmp_path, prefer_pickle=True)
    assert source.items == [{"item": "0", "profile": "p0"}, {"item": "1", "profile": "p1", "reasoning": "r"}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"item": "1", "profile": "x"', "not a JSON record"),
        (b'{"item": "1", "profile": "x"} {}', "not a JSON record: Extra data"),
        (b'{"item": "1", "profile": NaN}', "NaN is not JSON"),
        (b'{"item": "1", "w": 1e999}', "1e999 is out of range"),
        (b'{"item": "1", "item": "2"}', "a field is there twice"),
        (b'{"item": "1", "profile": "\\ud800"}', "surrogates"),
        (b'{"item": "1", "profile": "\xff"}', "byte 27 of the line is not UTF-8"),
        (b'{"item": "1", "profile": "\0"}', "NUL at byte 27"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"item": [[]]}', "must be a whole number in 0..4"),
        (b'{"item": 1.0}', "must be a whole number"),
        (b'{"item": true}', "must be a whole number"),
        (b'{"item": "5"}', "'5', must be a whole number in 0..4"),
        (b'{"item": "01"}', "must be a whole number"),
        (b'{"item": "-1"}', "must be a whole number"),
        (b'{"item": ' + b"9" * 5000 + b"}", "not a JSON record"),
        (b'{"item": 0}', "'item' 0 is there twice"),
        (b'{"item": 1, "profile": 3}', "'profile' is not a string"),
        (b'{"user": "1"}', "not a record with 'item'"),
        (b'["item"]', "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'{"item": 1, "profile": "x", "title": 1984}', "'title' is not a string"),
    ],
)
def test_bad_texts(tmp_path: Path, line: bytes, message: str) -> None:
    (folder(tmp_path) / "items.jsonl").write_bytes(b'{"item": "0", "profile": ""}\n' + line + b"\n")
    with pytest.raises(InputError) as caught:
        read_source("rlmrec", tmp_path)
    assert "items.jsonl:2: " in str(caught.value) and message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


BAD_TABLES = [{9: {"profile": "x"}}, {-1: {"profile": "x"}}, {0: "x"}, {0: {}}, {0: {"profile": 1}}, {10**5000: {}}]


@pytest.mark.parametrize("table", [[1], *BAD_TABLES, {0: {"profile": "x"}, "0": {"profile": "y"}}])
def test_bad_pickled_texts(tmp_path: Path, table: Any) -> None:
    (folder(tmp_path) / "itm_prf.pkl").write_bytes(pickle.dumps(table))
    with pytest.raises(InputError, match=r"itm_prf\.pkl: "):
        read_source("rlmrec", tmp_path)


def npz(path: Path, **changes: Any) -> Path:
    """A 2 × 3 CSR file with three cells, some members changed (None: left out)."""
    parts = {
        "indices": np.array([0, 2, 1], np.int32),
        "indptr": np.array([0, 2, 3], np.int32),
        "format": np.array(b"csr"),
        "shape": np.array([2, 3]),
        "data": np.ones(3, np.float32),
    } | changes
    np.savez_compressed(path, **{name: part for name, part in parts.items() if part is not None})
    return path


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
@pytest.mark.parametrize("compressed", [True, False])
def test_npz_as_scipy_writes_it(tmp_path: Path, kind: str, compressed: bool) -> None:
    dense = np.arange(12).reshape(4, 3) % 3
    for make in (sp.csr_matrix, sp.csr_array):
        sp.save_npz(tmp_path / "m.npz", make(dense).asformat(kind), compressed=compressed)
        cells = sparse.read_npz(tmp_path / "m.npz")
        np.testing.assert_array_equal(np.stack([cells.row, cells.col]), np.nonzero(dense))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"indices": np.array([0, 3, 1])}, "'indices' holds 0..3, must be within 0..2"),
        ({"indices": np.array([0, -1, 1])}, "'indices' holds -1..1"),
        ({"indices": np.array([0, 2**63, 1], np.uint64)}, "'indices' holds"),
        ({"indices": np.array([0.0, 2, 1])}, "'indices' is missing or not"),
        ({"indices": None}, "'indices' is missing"),
        ({"indptr": np.array([0, 4, 3])}, "'indptr' does not rise"),
        ({"indptr": np.array([0, 2, 4])}, "'indptr' does not rise"),
        ({"indptr": np.array([1, 2, 3])}, "'indptr' does not rise"),
        ({"indptr": np.array([0, 3])}, "'indptr' does not rise"),
        ({"indptr": np.array([], int)}, "'indptr' does not rise"),
        ({"indptr": np.array([0, 2**63, 3], np.uint64)}, "'indptr' does not rise"),
        ({"data": np.ones(2)}, "must be as many"),
        ({"data": np.array([1, np.nan, 1])}, "not finite"),
        ({"data": np.array(1.0)}, "'data' is missing or not a vector"),
        ({"data": np.ones((3, 1))}, "2 dimensions"),
        ({"data": np.array([1, 1j, 1])}, "type complex128"),
        ({"shape": np.array([2, 2**40])}, "'shape' is not two numbers"),
        ({"shape": np.array([-2, 3])}, "'shape' is not two numbers"),
        ({"shape": np.array([2, 3, 1])}, "'shape' is not two numbers"),
        ({"shape": np.array(["2", "x"])}, "'shape' is not two numbers"),
        ({"shape": None}, "'shape' is not two numbers"),
        ({"format": np.array(b"bsr")}, "sparse format is 'bsr'"),
        ({"format": np.array(b"")}, "sparse format is ''"),
        ({"format": np.array(b"\xff")}, "not a whole .npz"),
        ({"format": np.array([], "S3")}, "sparse format is ''"),
        ({"format": None}, "sparse format is ''"),
        ({"extra": np.ones(1)}, "not those of a sparse matrix"),
        ({"data": np.array([1, {}, 1], dtype=object)}, "holds Python objects"),
    ],
)
def test_bad_npz(tmp_path: Path, changes: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        sparse.read_npz(npz(tmp_path / "m.npz", **changes))
    assert message in str(caught.value) and "m.npz: " in str(caught.value)


def test_npz_bombs_and_lies(tmp_path: Path) -> None:
    path = npz(tmp_path / "m.npz", data=np.zeros(2_000_000))
    with pytest.raises(InputError, match="more than the 1,000,000 allowed"):
        sparse.read_npz(path, max_bytes=1_000_000)
    lie = f"{{'descr': '<i4', 'fortran_order': False, 'shape': ({10**15},), }}"
    for header in (lie, "(" * 300, "{'descr': 1L", "[0", "0"):
        stream = io.BytesIO()
        stream.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(12))
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.npy", stream.getvalue())
        with pytest.raises(InputError, match=r"not a whole \.npz"):
            sparse.read_npz(path)
    with zipfile.ZipFile(npz(path), "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("data.npy", b"")
    with pytest.raises(InputError, match="there twice"):
        sparse.read_npz(path)
    for blob in (b"", b"PK", pickle.dumps({}), b"\x93NUMPY\x01\x00"):
        path.write_bytes(blob)
        with pytest.raises(InputError, match=r"not a whole \.npz"):
            sparse.read_npz(path)
    with pytest.raises(InputError, match="is a folder"):
        sparse.read_npz(tmp_path)


def test_npz_cut_or_flipped_anywhere(tmp_path: Path) -> None:
    path = npz(tmp_path / "m.npz")
    blob, want = path.read_bytes(), sparse.read_npz(path)
    for end in range(0, len(blob), 3):
        path.write_bytes(blob[:end])
        with pytest.raises(InputError):
            sparse.read_npz(path)
    rng = np.random.default_rng(3)
    for at, bit in zip(range(len(blob)), rng.integers(0, 8, len(blob)), strict=True):
        altered = bytearray(blob)
        altered[at] ^= 1 << bit
        path.write_bytes(altered)
        try:
            got = sparse.read_npz(path)
        except InputError:
            continue
        assert got.shape == want.shape and (got.row == want.row).all() and (got.col == want.col).all()


def test_amazon_book(amazon_book: Path) -> None:
    source = read_source("rlmrec", amazon_book)
    assert source.shape == (11000, 9332)
    assert [len(part) for part in source.splits.values()] == [120464, 40290, 40106]
    assert len(source.interactions.users) == 11000 and len(source.interactions.items) == 9332
    assert [r["item"] for r in source.items] == [str(k) for k in range(9332)]
    assert [r["user"] for r in source.profiles] == [str(k) for k in range(11000)]
    assert all(r["profile"] for r in source.items + source.profiles)
    other = read_source("rlmrec", amazon_book, prefer_pickle=True)
    assert (other.items, other.profiles) == (source.items, source.profiles)
    assert all(pairs(other.splits[name]) == pairs(source.splits[name]) for name in PARTS)
    json.dumps(source.items[:3])

"""The pickle reader: what scipy and RLMRec write is read, everything else is refused and nothing runs."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from llmhd_tools.errors import InputError
from llmhd_tools.importers import pickled, sparse

DENSE = np.array([[1, 0, 1], [0, 0, 1], [1, 1, 0], [0, 0, 1]])


def load(blob: bytes, folder: Path, **options: Any) -> Any:
    path = folder / "x.pkl"
    path.write_bytes(blob)
    return pickled.load(path, **options)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8", "?"])
@pytest.mark.parametrize("kind", ["coo_matrix", "csr_matrix", "csc_matrix", "coo_array", "csr_array", "csc_array"])
def test_reads_what_scipy_pickles(tmp_path: Path, kind: str, dtype: str, protocol: int) -> None:
    matrix = getattr(sp, kind)(DENSE.astype(dtype))
    got = load(pickle.dumps(matrix, protocol), tmp_path)
    cells = sparse.cells(got.kind, got.state, tmp_path)
    assert cells.shape == (4, 3)
    np.testing.assert_array_equal(np.stack([cells.row, cells.col]), np.nonzero(DENSE))


def test_reads_names_of_other_versions(tmp_path: Path) -> None:
    blob = pickle.dumps(sp.coo_matrix(DENSE), 2)
    old = blob.replace(b"scipy.sparse._coo", b"scipy.sparse.coo").replace(b"numpy._core.", b"numpy.core.")
    assert old != blob
    assert load(old, tmp_path).kind == "coo"


def test_reads_the_other_byte_order(tmp_path: Path) -> None:
    matrix = sp.coo_matrix(DENSE)
    matrix.coords = tuple(c.astype(">i4") for c in matrix.coords)
    for protocol in (2, 4, 5):
        got = load(pickle.dumps(matrix, protocol), tmp_path)
        np.testing.assert_array_equal(np.stack(got.state["coords"]), np.nonzero(DENSE))


def test_reads_plain_data(tmp_path: Path) -> None:
    data = {0: {"profile": "a — b", "n": 1.5}, "x": [1, None, True, (2, 3), b"\x00"], 7: {"profile": "same" * 90}}
    for protocol in (2, 3, 4, 5):
        assert load(pickle.dumps(data, protocol), tmp_path) == data
    assert load(pickle.dumps({np.int64(3): 1, np.int32(4): 2}, 4), tmp_path) == {3: 1, 4: 2}


class Call:
    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


def state_with(value: Any) -> Any:
    matrix = sp.coo_matrix(DENSE)
    matrix.extra = value
    return matrix


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    "wrap", [lambda x: x, lambda x: {0: {"profile": x}}, state_with], ids=["bare", "dict", "matrix"]
)
@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "builtins.exec", "subprocess.Popen", "os.putenv"])
def test_runs_nothing(tmp_path: Path, name: str, wrap: Any, protocol: int) -> None:
    marker = tmp_path / "marker"
    evil = {
        "os.system": Call(os.system, f"touch {marker}"),
        "builtins.eval": Call(eval, f"open({str(marker)!r}, 'w')"),
        "builtins.exec": Call(exec, f"open({str(marker)!r}, 'w')"),
        "subprocess.Popen": Call(__import__("subprocess").Popen, ["touch", str(marker)]),
        "os.putenv": Call(os.putenv, "LLMHD_EVIL", "1"),
    }[name]
    with pytest.raises(InputError, match=r"x\.pkl: refused: the pickle names '[\w.]+'; only"):
        load(pickle.dumps(wrap(evil), protocol), tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "blob",
    [
        b"cos\nsystem\n(S'touch marker'\ntR.",
        b"(ios\nsystem\nS'touch marker'\n.",
        b"(S'touch marker'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch marker'\no.",
        b"\x80\x02cnumpy\nload\n.",
        b"\x80\x02cnumpy\ndtype.newbyteorder\n.",
        b"\x80\x02cscipy.sparse._coo\ncoo_matrix.__init__\n.",
        b"\x80\x02cnumpy.core.multiarray\nfromfile\n.",
        b"\x80\x02cbuiltins\ngetattr\n.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
        b"\x80\x04K\x01K\x02\x93.",
        b"\x80\x02\x82\x01.",  # EXT1
        b"P1\n.",  # PERSID
        b"\x80\x05\x97.",  # NEXT_BUFFER
        b"\x80\x04\x8f.",  # EMPTY_SET
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00xX\x03\x00\x00\x00rot\x86R.",
        b"\x80\x02cnumpy\ndtype\nX\x01\x00\x00\x00O\x89\x88\x87R.",  # object arrays
        b"\x80\x02cnumpy\nndarray\n)R.",
        b"\x80\x02cnumpy\nndarray\n)\x81.",
        b"\x80\x02cscipy.sparse._coo\ncoo_matrix\n)R.",
        b"\x80\x02cscipy.sparse._coo\ncoo_matrix\nK\x01\x85\x81.",
        b"\x80\x02cnumpy.core.multiarray\nscalar\n)R.",
        b"\x80\x02}(K\x01t.",
        b"\x80\x02tt.",
        b"\x80\x02}K\x01.",
        b"\x80\x02(.",
        b".",
        b"",
        b"PK\x03\x04 not a pickle",
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # BINBYTES8 of 2^63
        b"\x80\x05\x96\xff\xff\xff\xff\x00\x00\x00\x00.",  # BYTEARRAY8 of 4 GiB
        b"\x80\x04h\x05.",  # memo that is not there
        b"L" + b"9" * 10000 + b"L\n.",
        b"\x80\x02K\x01b.",
    ],
)
def test_refuses(tmp_path: Path, blob: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError):
        load(blob, tmp_path)
    assert not (tmp_path / "marker").exists()


def test_bombs_do_not_go_off(tmp_path: Path) -> None:
    memo = b"\x80\x02Nr" + struct.pack("<I", (1 << 32) - 1) + b"."  # CPython's unpickler would reserve 64 GiB
    assert load(memo, tmp_path) is None
    doubling = b"\x80\x04N" + b"\x942\x86" * 80  # not even DUP is known
    with pytest.raises(InputError, match="uses DUP"):
        load(doubling + b".", tmp_path)
    nested = b"".join(b"\x94h" + bytes([k]) + b"\x86" for k in range(100))  # a tuple that takes 2^100 steps to hash
    with pytest.raises(InputError, match="neither a string nor an integer"):
        load(b"\x80\x04}N" + nested + b"Ns.", tmp_path)
    with pytest.raises(InputError):
        load(b"\x80\x04" + b"(" * 300_000 + b".", tmp_path)
    deep = b"\x80\x04N" + b"\x85" * 300_000
    assert isinstance(load(deep + b".", tmp_path), tuple)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="larger than 10 bytes"):
        load(pickle.dumps(sp.coo_matrix(DENSE)), tmp_path, max_bytes=10)
    monkeypatch.setattr(pickled, "MAX_STEPS", 10)
    with pytest.raises(InputError, match="takes more than 10 steps"):
        load(pickle.dumps(list(range(100))), tmp_path)
    with pytest.raises(InputError, match="no such file"):
        pickled.load(tmp_path / "none.pkl")


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_cut_or_altered_anywhere(tmp_path: Path, protocol: int) -> None:
    blob = pickle.dumps(sp.coo_matrix(DENSE), protocol)
    for end in range(len(blob)):
        with pytest.raises(InputError):
            load(blob[:end], tmp_path)
    rng = np.random.default_rng(1)
    for at, bit in zip(range(len(blob)), rng.integers(0, 8, len(blob)), strict=True):
        altered = bytearray(blob)
        altered[at] ^= 1 << bit
        try:  # a pickle has no checksum: a flipped cell goes unseen, but nothing else may happen
            got = load(bytes(altered), tmp_path)
            if isinstance(got, pickled.Matrix):
                sparse.cells(got.kind, got.state, tmp_path)
        except InputError:
            pass


def test_random_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    known = np.frombuffer(b"\x80\x02\x04()}]NK\x01\x85\x86\x87tRbs.u\x94h\x00q\x00ae\x81\x93\x88\x89C\x01x", np.uint8)
    refused = 0
    for _ in range(1000):
        try:
            load(b"\x80\x04" + rng.choice(known, rng.integers(1, 40)).tobytes() + b".", tmp_path)
        except InputError:
            refused += 1
    assert 900 < refused < 1000  # some are pickles by chance

"""NPZ under attack: cut, flipped, bombed, lying. It is refused with the file named, or the values are the same."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmhd_tools.errors import InputError
from llmhd_tools.files.kinds import read_any
from llmhd_tools.files.npz import is_sealed, pack_json, read_arrays, unpack_json, write_arrays
from llmhd_tools.files.table import Table
from llmhd_tools.files.tables import read_table, write_table

ARRAYS: dict[str, Any] = {
    "meta": pack_json({"kind": "interactions", "schema": 1}),
    "floats": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "nothing": np.zeros((0, 4), np.float64),
    "scalar": np.array(3),
}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    table = Table("interactions", {})
    table.columns = {"user": table.users.add(["a", "b"]), "item": table.items.add([1, 2])}
    table.columns["rating"] = np.array([3.0, 4.5])
    write_table(str(tmp_path / "small.npz"), table)
    return tmp_path / "small.npz"


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for a, b in ((one[name], other[name]) for name in one)
    )


def refused(path: Path, message: str, **options: bool) -> None:
    with pytest.raises(InputError) as caught:
        read_arrays(str(path), **options)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and message in text and len(text.splitlines()) == 1


# ---- what it is


@pytest.mark.parametrize("end", ["", ".gz", ".zst"])
def test_round_trip_with_the_same_bytes_each_time(tmp_path: Path, end: str) -> None:
    for name in ("a", "b"):
        write_arrays(str(tmp_path / f"{name}.npz{end}"), ARRAYS)
    assert same(read_arrays(str(tmp_path / f"a.npz{end}"), verify=True), ARRAYS)
    assert (tmp_path / f"a.npz{end}").read_bytes() == (tmp_path / f"b.npz{end}").read_bytes()


def test_numpy_reads_ours_and_we_read_numpys(tmp_path: Path) -> None:
    write_arrays(str(tmp_path / "a.npz"), ARRAYS)
    with np.load(tmp_path / "a.npz") as loaded:
        assert same(dict(loaded), ARRAYS)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "b.npz", **ARRAYS)
        assert same(read_arrays(str(tmp_path / "b.npz")), ARRAYS)
        assert same(read_arrays(str(tmp_path / "b.npz"), verify=True), ARRAYS)
        assert is_sealed(str(tmp_path / "a.npz")) and not is_sealed(str(tmp_path / "b.npz"))


def test_no_clock_no_host_no_name_in_the_bytes(small: Path) -> None:
    with zipfile.ZipFile(small) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert b"small" not in small.read_bytes() and b"/tmp" not in small.read_bytes()


def test_json_in_an_array() -> None:
    for value in ({"a": [1, "ü🙂", None]}, [], "x", 10**30):
        assert unpack_json(pack_json(value), "f", "n") == value


# ---- damage


def check_damaged(path: Path, damaged: bytes, good: dict[str, Any]) -> bool:
    """Whether reading refuses, which it must unless the values are the same; validate must refuse in any case."""
    path.write_bytes(damaged)
    with pytest.raises(InputError) as caught:
        read_any(str(path), verify=True)
    assert str(caught.value).startswith(f"{path}: ") and len(str(caught.value).splitlines()) == 1
    try:
        assert same(read_arrays(str(path)), good)
    except InputError:
        return True
    return False


def test_truncated_anywhere(small: Path) -> None:
    whole, good = small.read_bytes(), read_arrays(str(small))
    sizes = [*range(0, len(whole) - 90, 7), *range(len(whole) - 90, len(whole))]
    kept = sum(not check_damaged(small, whole[:size], good) for size in sizes)
    assert kept <= len("sha256:")  # cut in the word that marks the seal: all arrays are there


def test_one_flipped_bit_anywhere(small: Path) -> None:
    """Reading finds it too, but in the word that marks the seal and in the length of the comment that holds it."""
    whole, good = small.read_bytes(), read_arrays(str(small))
    bits = [*range(0, 8 * (len(whole) - 120), 13), *range(8 * (len(whole) - 120), 8 * len(whole))]
    kept = 0
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        kept += not check_damaged(small, bytes(damaged), good)
    assert kept <= 8 * (len("sha256:") + 2)


def test_flipped_bits_in_somebody_elses_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, user=np.arange(300, dtype=np.float32))
    whole, good = path.read_bytes(), read_arrays(str(path))
    for bit in range(0, 8 * len(whole), 11):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert same(read_arrays(str(path)), good), bit
        except InputError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b + b"x", lambda b: b"x" + b, lambda b: b + b, lambda b: b[:-64] + b"0" * 64,
        lambda b: b.replace(b"sha256:", b"SHA256:"),
    ],
    ids=["appended", "prepended", "doubled", "another seal", "no seal"],
)  # fmt: skip
def test_the_seal_covers_the_whole_file(small: Path, change: Callable[[bytes], bytes]) -> None:
    small.write_bytes(change(small.read_bytes()))
    with pytest.raises(InputError):
        read_any(str(small), verify=True)


# ---- malice


def npy(header: str | bytes, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    raw = header if isinstance(header, bytes) else header.encode()
    return b"\x93NUMPY" + bytes(version) + struct.pack("<H" if version == (1, 0) else "<I", len(raw)) + raw + data


def archive(path: Path, members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


class Payload:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.trace), "w"))


def test_a_bomb_is_refused_by_what_it_declares(tmp_path: Path) -> None:
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (314572800,), }"
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as file, file.open("a.npy", "w") as member:
        member.write(npy(header))
        for _ in range(300):
            member.write(bytes(1 << 20))
    assert (tmp_path / "a.npz").stat().st_size < 1 << 20
    refused(tmp_path / "a.npz", "bytes of arrays in a file of")


def test_a_packed_bomb_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import zstandard

    monkeypatch.setattr("llmhd_tools.files.npz._FREE_SIZE", 1 << 20)
    (tmp_path / "a.npz.zst").write_bytes(zstandard.compress(bytes(64 << 20)))
    refused(tmp_path / "a.npz.zst", "unpacks to more than 16 MiB")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }", "not of the size that its header"),
        (f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**70},), }}", "not of the size that its header"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1), }", ""),
        (f"{{'descr': '<f8', 'fortran_order': False, 'shape': (0, {10**30}), }}", "is not a NumPy array"),
        ("{'descr': '|S0', 'fortran_order': False, 'shape': (5,), }", "is not a NumPy array"),
        ("{'descr': '|V8', 'fortran_order': False, 'shape': 'x', }", "is not a NumPy array"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "holds Python objects"),
        ("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }", "holds Python objects"),
        ("{'descr': '<f8', 'fortran_order': False}", "is not a NumPy array"),
        ("__import__('os').system('true')", "is not a NumPy array"),
        ("[" * 5000, "is not a NumPy array"),
        ("(" * 200 + ")" * 200, "is not a NumPy array"),
        ("x" * 60_000, "is not a NumPy array"),
        (b"\xff\xfe", "is not a NumPy array"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_lying_header(tmp_path: Path, header: str | bytes, message: str) -> None:
    refused(archive(tmp_path / "a.npz", [("a.npy", npy(header))]), message)


@pytest.mark.parametrize(
    "member", [b"", b"\x93NUMPY", b"hello", npy("{}", version=(9, 9)), b"\x93NUMPY\x01\x00\xff\xff"]
)
def test_a_member_that_is_no_array(tmp_path: Path, member: bytes) -> None:
    refused(archive(tmp_path / "a.npz", [("a.npy", member)]), "is not a NumPy array")


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hostile = np.array([Payload(trace)], dtype=object)
    np.savez(tmp_path / "a.npz", user=hostile)
    refused(tmp_path / "a.npz", "holds Python objects")
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Payload(trace)))
    refused(tmp_path / "b.npz", "is not an NPZ file")
    refused(archive(tmp_path / "c.npz", [("data.pkl", pickle.dumps(Payload(trace)))]), "is not a NumPy array")
    assert not trace.exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_members(tmp_path: Path) -> None:
    data = io.BytesIO()
    np.save(data, np.arange(3))
    refused(archive(tmp_path / "a.npz", [("a.npy", data.getvalue())] * 2), "two arrays of one name")
    refused(archive(tmp_path / "b.npz", [("a.npy", data.getvalue()), ("a", data.getvalue())]), "two arrays of one name")


def test_names_never_become_paths(tmp_path: Path) -> None:
    data = io.BytesIO()
    np.save(data, np.arange(3))
    (tmp_path / "in").mkdir()
    path = archive(tmp_path / "in" / "a.npz", [("../../evil.npy", data.getvalue())])
    assert list(read_arrays(str(path))) == ["../../evil"]
    assert [p.name for p in tmp_path.iterdir()] == ["in"]


def test_an_encrypted_or_strangely_packed_member(tmp_path: Path) -> None:
    data = io.BytesIO()
    np.save(data, np.arange(300))
    for compression in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        refused(archive(tmp_path / "a.npz", [("a.npy", data.getvalue())], compression), "is packed in a way")
    whole = bytearray(archive(tmp_path / "a.npz", [("a.npy", data.getvalue())]).read_bytes())
    whole[6] |= 1
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "a.npz").write_bytes(whole)
    refused(tmp_path / "a.npz", "is encrypted")


# ---- any kind


def test_a_file_tells_its_kind(tmp_path: Path, small: Path) -> None:
    assert read_any(str(small), verify=True).kind == "interactions"
    with pytest.raises(InputError, match="holds interactions, but samples is wanted here"):
        read_any(str(small), "samples")
    write_arrays(str(tmp_path / "a.npz"), {"meta": pack_json({"kind": "spells"})})
    with pytest.raises(InputError, match="no 'meta' record that names a known kind"):
        read_any(str(tmp_path / "a.npz"))
    write_arrays(str(tmp_path / "a.npz"), {"meta": pack_json({"kind": ["interactions"]})})
    with pytest.raises(InputError, match="no 'meta' record that names a known kind"):
        read_any(str(tmp_path / "a.npz"))


def test_ids_are_stored_compactly(tmp_path: Path, small: Path) -> None:
    assert json.loads(read_arrays(str(small))["item_ids"].tobytes()) == [1, 2]
    assert read_table(str(small), "interactions")["user"].dtype == np.int32

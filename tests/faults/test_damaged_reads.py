"""Damaged and hostile bytes: refused in one line that names the file, or read to the same values; never a crash."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from how_wide import WIDE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmhd_tools.cli.app import main
from llmhd_tools.errors import LlmhdError
from llmhd_tools.files.kinds import read_any
from llmhd_tools.files.npz import read_arrays, write_arrays
from llmhd_tools.files.schema import KINDS
from llmhd_tools.importers import FORMATS

FLIPS = 10_000 if WIDE else 600
TRIES = 2_000 if WIDE else 60


def check_told(text: str, path: Path) -> None:
    """One line that names the file, and nothing that a terminal would obey."""
    assert text.startswith(str(path)) and text.isprintable(), text


def refused_or_same(path: Path, whole: dict[str, np.ndarray]) -> bool:
    """Whether an NPZ is refused as it should be; else its arrays must be as they were."""
    try:
        found = read_arrays(str(path))
    except LlmhdError as error:
        check_told(str(error), path)
        return True
    assert found.keys() == whole.keys()
    assert all(found[name].dtype == whole[name].dtype and np.array_equal(found[name], whole[name]) for name in whole)
    return False


@pytest.mark.parametrize("name", ["model-3", "emb-3", "samples-3", "flags", "vectors", "drop"])
def test_a_flipped_bit_never_changes_a_value(name: str, shared: Path, tmp_path: Path) -> None:
    data, draw = (shared / f"{name}.npz").read_bytes(), random.Random(name)
    whole, bad = read_arrays(str(shared / f"{name}.npz")), tmp_path / "bad.npz"
    refused = 0
    for _ in range(FLIPS // 6):
        changed = bytearray(data)
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        bad.write_bytes(changed)
        refused += refused_or_same(bad, whole)
    assert refused > 0.95 * (FLIPS // 6)


@pytest.mark.parametrize("packing", ["", ".gz"])
def test_a_file_that_is_cut_is_refused_unless_all_values_are_left(packing: str, shared: Path, tmp_path: Path) -> None:
    data, draw = (shared / "emb-3.npz").read_bytes(), random.Random(1)
    values = read_arrays(str(shared / "emb-3.npz"))
    whole = gzip.compress(data) if packing else data
    for _ in range(TRIES):
        cut = tmp_path / f"cut.npz{packing}"
        cut.write_bytes(whole[: draw.randrange(len(whole))])
        refused = refused_or_same(cut, values)
        assert refused or cut.stat().st_size > len(whole) - 71  # a cut seal; `validate` refuses that too
        assert main(["validate", str(cut), "-q"]) == 1


def test_flipped_bits_of_text_are_read_or_refused_with_their_line(shared: Path, tmp_path: Path) -> None:
    names = ["train", "items", "profiles", "noisy-3", "judged-3", "suspects", "relations", "verdicts-3"]
    for name in names:
        data, draw = (shared / f"{name}.jsonl").read_bytes(), random.Random(name)
        for _ in range(TRIES):
            changed, bad = bytearray(data), tmp_path / "bad.jsonl"
            changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            bad.write_bytes(changed)
            try:
                read_any(str(bad))
            except LlmhdError as error:
                check_told(str(error), bad)


# Bytes that look enough like a file of ours to get somewhere.
PIECES = [
    *(b"{", b"}", b"[", b"]", b'"user"', b'"item"', b'"profile"', b":", b",", b"1", b'"a"', b"null", b"\n", b"\r\n"),
    *(
        b"1e999",
        b"NaN",
        b"-0",
        b"18446744073709551616",
        b"\xff",
        b"\x00",
        b"\xef\xbb\xbf",
        b'"\\ud800"',
        b"\xe2\x80\xa8",
    ),
    *(
        b"PK\x03\x04",
        b"\x93NUMPY\x01\x00",
        b"\x1f\x8b\x08",
        b"\x28\xb5\x2f\xfd",
        b"user_id:token\titem_id:token",
        b"\t",
        b"::",
    ),
]
JUNK = st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=30).map(b"".join)


@settings(max_examples=TRIES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JUNK, st.sampled_from([".jsonl", ".npz", ".jsonl.gz", ".jsonl.zst", ".npz.gz"]), st.sampled_from([None, *KINDS]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, junk: bytes, suffix: str, kind: str | None) -> None:
    path = tmp_path / f"junk{suffix}"
    path.write_bytes(gzip.compress(junk) if suffix.endswith(".gz") and len(junk) % 2 else junk)
    try:
        read_any(str(path), kind)
    except LlmhdError as error:
        check_told(str(error), path)


@settings(max_examples=TRIES // 2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JUNK, st.sampled_from(sorted(FORMATS)))
def test_any_bytes_are_imported_or_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], junk: bytes, form: str
) -> None:
    source = tmp_path / {"recbole": "x.inter"}.get(form, f"x.{form}")
    source.write_bytes(junk)
    words = ["--user", "user", "--item", "item"] if form in ("csv", "tsv", "jsonl", "parquet", "npz") else []
    code = main(["import", form, str(source), *words, "-o", str(tmp_path / "out"), "-q"])
    assert code in (0, 1, 2) and capsys.readouterr().err.count("\n") <= (code > 0) + 2


def test_an_id_table_of_many_short_numbers_is_refused_unread(tmp_path: Path) -> None:
    """60 MB of [1,1,1,...] would be 30 million Python objects."""
    ids = np.frombuffer(b"[" + b"1," * 30_000_000 + b"1]", dtype=np.uint8)
    path = tmp_path / "many.npz"
    none = np.zeros(0, dtype=np.int32)
    meta = np.frombuffer(b'{"kind":"interactions","schema":1}', dtype=np.uint8)
    write_arrays(str(path), {"meta": meta, "user_ids": ids, "item_ids": ids[:0], "user": none, "item": none})
    tracemalloc.start()
    try:
        with pytest.raises(LlmhdError, match="more ids than so few bytes can tell apart"):
            read_any(str(path))
        assert tracemalloc.get_traced_memory()[1] < 400 << 20
    finally:
        tracemalloc.stop()

"""Bytes in and out: packed files, ``-``, and outputs that are whole or not there."""

from __future__ import annotations

import gzip
import io
import os
import stat
from pathlib import Path

import pytest
import zstandard

from llmhd_tools.errors import InputError
from llmhd_tools.files.jsonl import read_records, write_records
from llmhd_tools.files.streams import check_binary, check_output, open_in, open_out, suffix_of

ROWS = [{"user": f"u{n}", "item": n} for n in range(500)]
TEXT = "".join(f'{{"user": "u{n}", "item": {n}}}\n' for n in range(500)).encode()


def rows_of(path: Path) -> list[dict[str, object]]:
    return [record for _, record in read_records(str(path))]


def in_folder(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# ---- packed files


def test_suffix_below_compression() -> None:
    given = ["a.npz", "a.npz.gz", "b/a.jsonl.zst", "a", "-", "a.b/c"]
    assert [suffix_of(path) for path in given] == [".npz", ".npz", ".jsonl", "", "", ""]


@pytest.mark.parametrize("end", ["", ".gz", ".zst"])
def test_round_trip_with_the_same_bytes_each_time(tmp_path: Path, end: str) -> None:
    for name in ("a", "b"):
        write_records(str(tmp_path / f"{name}.jsonl{end}"), ROWS)
    assert rows_of(tmp_path / f"a.jsonl{end}") == ROWS
    assert (tmp_path / f"a.jsonl{end}").read_bytes() == (tmp_path / f"b.jsonl{end}").read_bytes()


def test_other_tools_read_and_write_the_packed_forms(tmp_path: Path) -> None:
    write_records(str(tmp_path / "a.jsonl.gz"), ROWS)
    write_records(str(tmp_path / "a.jsonl.zst"), ROWS)
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == TEXT
    packed = io.BytesIO((tmp_path / "a.jsonl.zst").read_bytes())
    assert zstandard.ZstdDecompressor().stream_reader(packed).read() == TEXT
    for end, pack in ((".gz", gzip.compress), (".zst", zstandard.compress)):  # several members, as cat leaves them
        (tmp_path / f"b.jsonl{end}").write_bytes(pack(TEXT[:5000]) + pack(b"") + pack(TEXT[5000:]))
        assert rows_of(tmp_path / f"b.jsonl{end}") == ROWS


@pytest.mark.parametrize("end", [".gz", ".zst"])
def test_packed_files_cut_anywhere_are_refused(tmp_path: Path, end: str) -> None:
    write_records(str(tmp_path / f"a.jsonl{end}"), ROWS)
    whole = (tmp_path / f"a.jsonl{end}").read_bytes()
    cut = tmp_path / f"cut.jsonl{end}"
    for size in [*range(1, 30), *range(30, len(whole) - 12, 97), *range(len(whole) - 12, len(whole))]:
        cut.write_bytes(whole[:size])
        with pytest.raises(InputError, match=f"cut.jsonl{end}: the compressed data is damaged or cut off"):
            rows_of(cut)


@pytest.mark.parametrize("end", [".gz", ".zst"])
def test_flipped_bits_in_packed_files(tmp_path: Path, end: str) -> None:
    """Refused with the file named, or the very same records; gzip's header holds bits that mean nothing."""
    write_records(str(tmp_path / f"a.jsonl{end}"), ROWS)
    whole = (tmp_path / f"a.jsonl{end}").read_bytes()
    flipped = tmp_path / f"flip.jsonl{end}"
    for at in range(10 if end == ".gz" else 5, len(whole), 53):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        flipped.write_bytes(damaged)
        try:
            rows = rows_of(flipped)
        except InputError as error:
            assert str(error).startswith(str(flipped))  # noqa: PT017
        else:
            assert rows == ROWS


def test_not_packed_at_all(tmp_path: Path) -> None:
    for end in (".gz", ".zst"):
        (tmp_path / f"a.jsonl{end}").write_bytes(TEXT)
        with pytest.raises(InputError, match="damaged or cut off"):
            rows_of(tmp_path / f"a.jsonl{end}")


def test_a_bomb_is_unpacked_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmhd_tools.files.streams.MAX_LINE", 1 << 20)
    for end, pack in ((".gz", gzip.compress), (".zst", zstandard.compress)):
        (tmp_path / f"a.jsonl{end}").write_bytes(pack(b" " * (64 << 20)))
        with pytest.raises(InputError, match="the line is longer than 1 MiB"):
            rows_of(tmp_path / f"a.jsonl{end}")


def test_a_zstd_window_that_is_too_wide_is_told_with_the_way_out(tmp_path: Path) -> None:
    """As ``zstd --long=30`` packs: the file is whole, only its window is larger than what is unpacked here."""
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=28, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    path = tmp_path / "a.jsonl.zst"
    path.write_bytes(packer.compress(TEXT) + packer.flush())
    with pytest.raises(InputError, match=r"a window of more than 128 MiB .*zstd -d --long=31 a\.jsonl\.zst") as caught:
        rows_of(path)
    assert "damaged" not in str(caught.value)
    wide = zstandard.ZstdCompressionParameters.from_level(3, window_log=27, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    path.write_bytes(packer.compress(TEXT) + packer.flush())
    assert rows_of(path) == ROWS


# ---- what cannot be read


@pytest.mark.parametrize(
    ("name", "reason"), [("none.jsonl", "no such file"), ("folder", "is a directory"), ("a.jsonl/b", "not a directory")]
)
def test_unreadable(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.jsonl").touch()
    with pytest.raises(InputError, match=f"{name}: {reason}"), open_in(str(tmp_path / name)):
        pass


def test_a_read_error_in_the_middle_names_the_file() -> None:
    with pytest.raises(InputError, match=r"^/proc/self/mem:? ?.*cannot be read: input/output error"):
        list(read_records("/proc/self/mem"))


# ---- whole or not there


def write_and_fail(path: Path, error: BaseException | None) -> None:
    with open_out(str(path)) as out:
        out.write(b"half" * 100_000)
        if error is not None:
            raise error


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize("end", ["", ".gz", ".zst"])
@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), InputError("x"), FULL], ids=repr)
def test_an_error_in_the_middle_leaves_the_old_file(tmp_path: Path, end: str, error: BaseException) -> None:
    path = tmp_path / f"a.jsonl{end}"
    path.write_bytes(b"old")
    with pytest.raises(InputError if error is FULL else type(error)):
        write_and_fail(path, error)
    assert path.read_bytes() == b"old" and in_folder(tmp_path) == {path.name}


@pytest.mark.parametrize("call", ["fsync", "fchmod", "replace"])
def test_every_step_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*_: object) -> None:
        raise FULL

    path = tmp_path / "a.jsonl"
    path.write_bytes(b"old")
    monkeypatch.setattr(f"os.{call}", fail)
    with pytest.raises(InputError, match=r"a\.jsonl: cannot be written: no space left on device"):
        write_and_fail(path, None)
    assert path.read_bytes() == b"old" and in_folder(tmp_path) == {"a.jsonl"}


def test_nothing_is_at_the_final_name_before_the_end(tmp_path: Path) -> None:
    with open_out(str(tmp_path / "a.jsonl")) as out:
        out.write(b"x")
        out.flush()
        assert not (tmp_path / "a.jsonl").exists()
    assert (tmp_path / "a.jsonl").read_bytes() == b"x" and in_folder(tmp_path) == {"a.jsonl"}


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_mode_follows_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_records(str(tmp_path / "a.jsonl"), ROWS)
    finally:
        assert os.umask(before) == mask
    assert stat.S_IMODE((tmp_path / "a.jsonl").stat().st_mode) == 0o666 & ~mask


def test_a_link_is_replaced_and_its_target_untouched(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "target")
    write_records(str(tmp_path / "link.jsonl"), ROWS)
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert not (tmp_path / "link.jsonl").is_symlink() and rows_of(tmp_path / "link.jsonl") == ROWS


def test_devices_are_written_in_place() -> None:
    write_records("/dev/null", ROWS)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(InputError, match=r"^/dev/full: cannot be written: no space left on device"):
        write_records("/dev/full", ROWS)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_outputs_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").touch()
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "in.jsonl")
    for path, inputs, message in (
        (tmp_path, [], "is a folder; name a file"),
        (tmp_path / "no" / "a.jsonl", [], "does not exist; create it first"),
        (tmp_path / "in.jsonl" / "a.jsonl", [], "does not exist"),
        (tmp_path / "in.jsonl", ["-", None, str(tmp_path / "in.jsonl")], "is named twice"),
        (tmp_path / "link.jsonl", [str(tmp_path / "in.jsonl")], "is named twice"),
        (tmp_path / "new.jsonl", [str(tmp_path / ".." / tmp_path.name / "new.jsonl")], "is named twice"),
    ):
        with pytest.raises(InputError, match=message):
            check_output(str(path), inputs)
    for good in ("-", None, "/dev/null", str(tmp_path / "new.jsonl")):
        check_output(good, ["-", "/dev/null", str(tmp_path / "in.jsonl")])


def test_a_folder_that_takes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To root every folder is writable but those of the kernel, so permission is played here."""
    with pytest.raises(InputError, match=r"^/proc/a\.jsonl: cannot be written: "):
        write_records("/proc/a.jsonl", ROWS)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(InputError, match="cannot be written to"):
        check_output(str(tmp_path / "a.jsonl"))


@pytest.mark.parametrize(
    "name", ["a.csv", "a.parquet", "a.tsv", "a.txt", "a.csv.gz", "a.xlsx", "a.pkl", "a.jsnol", "a.NPZ", "a.feather"]
)
def test_a_suffix_that_says_another_form_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"is no form that this is written in; name it \.jsonl .* or \.npz"):
        check_output(str(tmp_path / name))
    with pytest.raises(InputError, match=r"only the binary form; name it \.npz"):
        check_binary(str(tmp_path / name))


def test_suffixes_of_ours_and_names_without_one() -> None:
    for name in ("a.jsonl", "a.json", "a.ndjson", "a.npz", "a.jsonl.gz", "a.npz.zst", "a", "run-0.05", "a.2", "-"):
        check_output(name)
    for name in ("/dev/null", "/dev/stdout"):
        check_output(name)
        check_binary(name)
    check_binary("a.npz")
    with pytest.raises(InputError, match=r"a\.jsonl: \.jsonl is no form that this is written in; .* only the binary"):
        check_binary("a.jsonl")
    check_output("a.svg", forms=(".svg",))

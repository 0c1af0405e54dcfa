"""Text in other encodings than UTF-8, and files that are no text at all."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from tables import items, pairs, refused, skipping, users, write

from llmhd_tools.errors import UsageError
from llmhd_tools.importers import read_source, text
from llmhd_tools.importers.text import BadRows

TABLE = "user,item\nzoé,Ünïcode\nb,“q”\nc,€\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "UTF8"]
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_encodings(tmp_path: Path, encoding: str, ends: str) -> None:
    path = write(tmp_path / "a.csv", TABLE.replace("\n", ends).encode(encoding))
    assert items(read_source("csv", path, encoding=encoding).interactions) == ["Ünïcode", "“q”", "€"]
    path = write(tmp_path / "a.jsonl", ('{"user": "é", "item": "€"}' + ends).encode(encoding))
    assert pairs(read_source("jsonl", path, encoding=encoding).interactions) == [("é", "€")]


def test_long_files_in_utf_16_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_CHUNK", 7)  # cuts characters and line ends
    rows = [(f"ü{n}\U0001f642", f"i{n}") for n in range(50)]
    path = write(tmp_path / "a.csv", ("user,item\n" + "".join(f"{u},{i}\n" for u, i in rows)).encode("utf-16"))
    assert pairs(read_source("csv", path, encoding="utf-16").interactions) == rows
    monkeypatch.setattr(text, "MAX_LINE", 100)
    path = write(tmp_path / "b.csv", ("user,item\n" + "x" * 500).encode("utf-16"))
    refused("line is longer than", "csv", path, encoding="utf-16")


def test_a_wrong_encoding_is_told_with_the_way_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TABLE.encode("cp1252"))
    refused("a.csv:2: byte 3 of the line is not UTF-8; `encoding` names another (cp1252, latin-1)", "csv", path)
    refused("holds no interactions; 3 bad rows were skipped, the first: ", "csv", path, bad=BadRows(skip=True))
    refused("`encoding` utf-17 is unknown; common ones are", "csv", path, UsageError, encoding="utf-17")
    refused("`encoding` hex is unknown", "csv", path, UsageError, encoding="hex")
    path = write(tmp_path / "b.csv", b"user,item\na,b\x81\nc,d\n")
    refused("b.csv:2: byte 4 of the line is not CP1252", "csv", path, encoding="cp1252")
    source, bad = skipping("csv", path, encoding="cp1252")
    assert pairs(source.interactions) == [("c", "d")] and bad[0]["line"] == 2 and bad[0]["text"] == "a,b\\x81"
    path = write(tmp_path / "c.csv", "user,item\na,b\n".encode("utf-16")[:-1])
    refused("c.csv:2: what follows is not UTF-16", "csv", path, encoding="utf-16")


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (b"PK\x03\x04", "an Excel workbook); unpack it, or save the sheet as CSV"),
        (b"\x1f\x8b", "name it .gz"),
        (b"\x28\xb5\x2f\xfd", "name it .zst"),
        (b"PAR1", "`llmhd import parquet`"),
        (b"\xfe\xff", "`encoding` utf-16"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, start: bytes, told: str) -> None:
    for format in ("csv", "tsv", "jsonl"):
        refused(told, format, write(tmp_path / "a.csv", start + b"\0\1\2\nx"))


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding in ("utf-8", "utf-16"):
        stdin = io.TextIOWrapper(io.BytesIO(TABLE.encode(encoding)))
        monkeypatch.setattr("sys.stdin", stdin)
        rows = read_source("csv", Path("-"), encoding=encoding).interactions
        assert users(rows) == ["zoé", "b", "c"] and rows.file == "stdin" and not stdin.closed
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"user,item\na\n")))
    refused("stdin:2: row has 1 columns", "csv", Path("-"))

"""What is read is what was written, or is refused with its place: numbers that would change, archives pieced together."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from llmhd_tools.errors import InputError
from llmhd_tools.files.npz import pack_json, read_arrays, write_arrays
from llmhd_tools.files.tables import read_table, write_table


def items(tmp_path: Path, value: str) -> Path:
    path = tmp_path / "items.jsonl"
    path.write_text(f'{{"item": "a", "profile": "text", "x": {value}}}\n')
    return path


@pytest.mark.parametrize("value", ["1e999", "-1E+999", '{"deep": [1e400]}', "1" * 310 + ".0"])
def test_an_endless_number_of_an_unknown_field_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputError, match=r"items\.jsonl:1: .*beyond what a number holds"):
        read_table(str(items(tmp_path, value)), "items")


@pytest.mark.parametrize("value", ["9007199254740993", str(2**70), "1e99", "[1e-999, 5E3]"])
def test_a_number_of_an_unknown_field_is_kept(tmp_path: Path, value: str) -> None:
    path, out = items(tmp_path, value), tmp_path / "out.jsonl"
    write_table(str(out), read_table(str(path), "items"))
    assert json.loads(out.read_text())["x"] == json.loads(value)


@pytest.mark.parametrize("field", ["weight", "rating"])
def test_an_integer_that_no_double_holds_is_refused_in_a_column_of_doubles(tmp_path: Path, field: str) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"user": "u", "item": "i", field: 0.5}, {"user": "u", "item": "j", field: 2**53 + 1}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=rf"a\.jsonl:2: '{field}' is 9007199254740993, an integer that"):
        read_table(str(path), "interactions")


def test_a_spliced_or_flipped_archive_is_refused_in_one_line(tmp_path: Path) -> None:
    path, draw = tmp_path / "a.npz", random.Random(3)
    write_arrays(str(path), {"meta": pack_json({"kind": "x"}), "ids": pack_json(list(range(50)))})
    whole = path.read_bytes()
    for _ in range(400):
        data = bytearray(whole)
        if draw.random() < 0.5:
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        else:  # bytes of one place over another
            size, start, end = draw.randrange(1, 60), draw.randrange(len(data)), draw.randrange(len(data))
            data[start : start + size] = data[end : end + size]
        path.write_bytes(data)
        if bytes(data) == whole:
            continue
        with pytest.raises(InputError) as told:
            read_arrays(str(path), verify=True)
        assert str(told.value).startswith(f"{path}: ") and str(told.value).isprintable()

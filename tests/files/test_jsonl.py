"""JSON Lines: what is accepted, what is refused and where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmhd_tools.errors import InputError
from llmhd_tools.files import streams
from llmhd_tools.files.jsonl import read_records, write_records

GOOD = b'{"user": "a", "item": "b"}\n'


def read(path: Path, content: bytes) -> list[tuple[int, dict[str, object]]]:
    path.write_bytes(content)
    return list(read_records(str(path)))


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n', [1, 2]),
        (b'{"a": 1}\r\n{"a": 2}\r\n', [1, 2]),
        (b'{"a": 1}\n{"a": 2}', [1, 2]),
        (b'\n \t\r\n{"a": 1}\n\n{"a": 2}\n\n', [3, 5]),
        (b'\xef\xbb\xbf\n{"a": 1}\n{"a": 2}\n', [2, 3]),
        (b' {"a" : 1 } \n\t{"a":2}\n', [1, 2]),
    ],
    ids=["byte-order mark", "CRLF", "no final newline", "blank lines", "mark alone", "spaces"],
)
def test_accepted(tmp_path: Path, content: bytes, where: list[int]) -> None:
    assert read(tmp_path / "a.jsonl", content) == [(where[0], {"a": 1}), (where[1], {"a": 2})]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"], ids=["nothing", "newlines", "byte-order mark"])
def test_no_records_at_all(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path / "a.jsonl", content) == []


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_only_newlines_end_a_line(tmp_path: Path, separator: str) -> None:
    record = {"text": f"a{separator}b"}
    write_records(str(tmp_path / "a.jsonl"), [record])
    assert list(read_records(str(tmp_path / "a.jsonl"))) == [(1, record)]
    if separator >= " ":  # JSON itself wants control characters escaped
        assert read(tmp_path / "b.jsonl", f'{{"text": "a{separator}b"}}\n'.encode()) == [(1, record)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"user": "a", "it', "is not a JSON record"),
        (b'{"user": "a"} {"user": "b"}', "is not a JSON record (Extra data"),
        (b'{"user": "a"},', "is not a JSON record"),
        (b"{'user': 'a'}", "is not a JSON record"),
        (b'{"user": "a", "user": "b"}', "a key stands twice"),
        (b'{"x": {"y": 1, "y": 1}}', "a key stands twice"),
        (b'{"rating": NaN}', "NaN is not JSON"),
        (b'{"rating": Infinity}', "Infinity is not JSON"),
        (b'{"rating": -Infinity}', "-Infinity is not JSON"),
        (b"3", "is not a JSON object"),
        (b'"text"', "is not a JSON object"),
        (b"[1]", "is not a JSON object"),
        (b"null", "is not a JSON record"),
        (b'{"user": "\xff"}', "is not UTF-8 (byte 11)"),
        (b'{"user": "\xed\xa0\x80"}', "is not UTF-8 (byte 11)"),
        (b'{"user": "a"}\x00', "is not a JSON record"),
        (b'{"user": "\\ud800"}', "holds half of a surrogate pair"),
        (b'{"\\uDfff": 1}', "holds half of a surrogate pair"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a":' * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "is not a JSON record"),
        ('{"user": "a"}'.encode("utf-16"), "is not UTF-8 (byte 1)"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_refused_with_file_and_line(tmp_path: Path, line: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path / "a.jsonl", GOOD + b"\n" + line)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path}/a.jsonl:3: ") and message in text and len(text.splitlines()) == 1


def test_an_endless_number_is_refused_where_it_stands(tmp_path: Path) -> None:
    from llmhd_tools.files.tables import read_table

    (tmp_path / "a.jsonl").write_bytes(GOOD + b'{"user": "a", "item": "b", "rating": 1e999}\n')
    with pytest.raises(InputError, match=r"a\.jsonl:2: .*1e999 is beyond what a number holds"):
        read_table(str(tmp_path / "a.jsonl"), "interactions")


def test_a_line_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_LINE", 1 << 20)
    assert read(tmp_path / "a.jsonl", b'{"a": "%s"}\n' % (b"x" * 1_000_000))[0][0] == 1
    with pytest.raises(InputError, match=r"a\.jsonl:2: the line is longer than 1 MiB"):
        read(tmp_path / "a.jsonl", GOOD + b'{"a": "%s"}\n' % (b"x" * (1 << 20)))


def test_a_whole_surrogate_pair_is_one_character(tmp_path: Path) -> None:
    assert read(tmp_path / "a.jsonl", b'{"user": "\\ud83d\\ude42", "x": "\\\\ud800"}\n') == [
        (1, {"user": "🙂", "x": "\\ud800"})
    ]


def test_numbers_are_kept_as_given(tmp_path: Path) -> None:
    text = '{"a": 123456789012345678901234567890, "b": 1.0, "c": -0.0, "d": 1e-300}\n'
    read(tmp_path / "a.jsonl", text.encode())
    write_records(str(tmp_path / "b.jsonl"), (record for _, record in read_records(str(tmp_path / "a.jsonl"))))
    assert (tmp_path / "b.jsonl").read_text() == text


def test_records_come_one_at_a_time(tmp_path: Path) -> None:
    """A bad line does not keep the good ones before it from a reader who streams."""
    (tmp_path / "a.jsonl").write_bytes(GOOD + b"{")
    rows = read_records(str(tmp_path / "a.jsonl"))
    assert next(rows) == (1, {"user": "a", "item": "b"})
    with pytest.raises(InputError, match=r":2: "):
        next(rows)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {1, 2}.__class__], ids=repr)
def test_what_is_not_json_is_never_written(tmp_path: Path, value: object) -> None:
    with pytest.raises((InputError, TypeError)):
        write_records(str(tmp_path / "a.jsonl"), [{"a": 1}, {"a": value}])
    assert not list(tmp_path.iterdir())


def test_what_can_be_read_can_be_written(tmp_path: Path) -> None:
    """Or is refused as an input; the decoder and the encoder stop at different depths of nesting."""
    for depth in (10, 200, 900, 990, 1010, 3000, 50_000):
        path = tmp_path / f"{depth}.jsonl"
        path.write_text(json.dumps({"x": 0})[:-2] + "[" * depth + "]" * depth + "}\n")
        try:
            write_records(str(tmp_path / "out.jsonl"), [record for _, record in read_records(str(path))])
        except InputError:
            continue
        assert json.loads((tmp_path / "out.jsonl").read_text()) == json.loads(path.read_text())

"""Text tables with quotes, escapes and cells over several lines: no row vanishes, and none is read otherwise than told."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import items, pairs, refused, skipping, users, write

from llmhd_tools.errors import UsageError
from llmhd_tools.importers import cells, read_source

COLUMNS = {"user": "1", "item": "2", "header": False}
PLAYS = 'u1\ta1\t"Heroes\t5\nu2\ta2\tPlain\t1\nu3\ta3\tBest of"\t4\nu4\ta4\t"Dusty" Example\t2\nu5\ta5\t"\t3\n'


@pytest.mark.parametrize("name", ["plays.tsv", "plays.tsv.gz", "plays.tab", "plays.txt"])
def test_a_quote_in_a_tsv_is_a_character(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, gzip.compress(PLAYS.encode()) if name.endswith("gz") else PLAYS)
    for format, more in (("tsv", {}), ("columns", {}), ("csv", {"delimiter": "\t"}), ("csv", {"delimiter": "\\t"})):
        rows = read_source(format, path, rating="4", **COLUMNS, **more).interactions
        assert pairs(rows) == [(f"u{n}", f"a{n}") for n in range(1, 6)]
        assert rows.numbers["rating"].tolist() == [5, 1, 4, 2, 3] and rows.line.tolist() == [1, 2, 3, 4, 5]


def test_quotes_of_a_tsv_are_read_where_asked_and_never_over_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", '"u 1"\t"a\t1"\nu2\ta2\nu3\t"never closed\nu4\t"x" y\nu5\ta5\n')
    refused("a.tsv:3: not a table separated by '\\t'", "tsv", path, **COLUMNS, quote='"')
    source, bad = skipping("tsv", path, **COLUMNS, quote='"')
    assert pairs(source.interactions) == [("u 1", "a\t1"), ("u2", "a2"), ("u5", "a5")]
    assert [(row["line"], row["text"]) for row in bad] == [(3, 'u3\t"never closed'), (4, 'u4\t"x" y')]
    assert all("`quote` none" in row["reason"] and row["file"] == "a.tsv" for row in bad)
    path = write(tmp_path / "b.tsv", '"user"\t"item"\n"u"\t"i"\n')
    refused("they stand in quotes: `quote` '\"'", "tsv", path)
    assert pairs(read_source("tsv", path, quote='"').interactions) == [("u", "i")]


def test_a_csv_says_how_many_lines_went_on_in_quotes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'user,item,text\nu1,a1,"two\nlines"\n\nu2,a2,one\nu3,a3,"three\n\nlines"\n')
    source = read_source("csv", path)
    assert pairs(source.interactions) == [("u1", "a1"), ("u2", "a2"), ("u3", "a3")]
    assert source.interactions.line.tolist() == [2, 5, 6]
    assert source.told[0] == "a.csv: 1 blank line"
    assert source.told[1].startswith("a.csv: 3 lines taken into the row before") and "`quote` none" in source.told[1]


def test_a_stray_quote_in_a_csv_costs_no_more_than_its_own_line(tmp_path: Path) -> None:
    lines = ["user,item,title"] + [f"u{n},a{n},t{n}" for n in range(1, 9)]
    lines[3], lines[6], lines[8] = 'u3,a3,"Heroes', 'u6,a6,Best "of"', 'u8,a8,"unclosed'
    path = write(tmp_path / "a.csv", "\n".join(lines))
    refused("a.csv:4: not a table separated by ','", "csv", path)
    source, bad = skipping("csv", path)
    assert users(source.interactions) == ["u1", "u2", "u4", "u5", "u6", "u7"]
    assert source.interactions.line.tolist() == [2, 3, 5, 6, 7, 8]
    assert [(row["line"], row["text"]) for row in bad] == [(4, lines[3]), (9, lines[8])]
    rows = read_source("csv", path, quote="none").interactions
    assert users(rows) == [f"u{n}" for n in range(1, 9)]


def test_a_quote_that_swallows_a_row_of_another_width_gives_the_others_back(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'user,item,title\nu1,a1,"x\nu2,a2,y\nu3,a3,z",5\nu4,a4,w\n')
    source, bad = skipping("csv", path)
    assert users(source.interactions) == ["u2", "u4"]
    assert [row["line"] for row in bad] == [2, 4]


def test_text_full_of_quotes_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "_UNREAD", 5)
    path = write(tmp_path / "a.csv", "user,item\n" + 'u,"i\n' * 20 + "u,i\n" * 3)
    from llmhd_tools.importers.text import BadRows

    refused("more than 5 rows have quotes that do not close", "csv", path, bad=BadRows(skip=True))


def test_escapes(tmp_path: Path) -> None:
    """As Book-Crossing is written: Latin-1, semicolons, quotes escaped by a backslash."""
    text = 'user;item;title\n"1";"a";"Classical \\"Mythology\\""\n"2";"b";"Jos\xe9; and \\\\"\n'
    path = write(tmp_path / "a.csv", text.encode("latin-1"))
    form = {"delimiter": ";", "encoding": "latin-1"}
    refused("a.csv:2: not a table", "csv", path, **form)
    rows = read_source("csv", path, **form, escape="\\", item="title").interactions
    assert items(rows) == ['Classical "Mythology"', "José; and \\"]
    path = write(tmp_path / "b.tsv", "user\titem\na\tx\\\ty\n")
    assert items(read_source("tsv", path, escape="\\").interactions) == ["x\ty"]


def test_columns_between_several_characters(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dat", '1::2::"x::4\n2::3::y"::5\n')
    rows = read_source("csv", path, delimiter="::", rating="4", **COLUMNS).interactions
    assert pairs(rows) == [("1", "2"), ("2", "3")] and rows.numbers["rating"].tolist() == [4, 5]
    refused("`delimiter` is '\\n'", "csv", path, UsageError, delimiter="\n")


def test_an_error_in_the_header_is_never_skipped(tmp_path: Path) -> None:
    for text, told in (
        ('"user" x,item\nu,i\n', "a.csv:1: not a table"),
        ("use,item\nu,i\n", "column 'user' is not among"),
    ):
        from llmhd_tools.importers.text import BadRows

        refused(told, "csv", write(tmp_path / "a.csv", text), bad=BadRows(skip=True))


CELL = st.text(st.sampled_from('ab"\\,;\t \n1é'), min_size=0, max_size=5)


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=8))
def test_what_csv_writes_is_read_back_line_by_line(tmp_path_factory: Any, rows: list[list[str]]) -> None:
    import csv
    import io

    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([["user", "item", "x"], *rows])
    path = write(tmp_path_factory.mktemp("csv") / "a.csv", out.getvalue())
    good = [(u, i) for u, i, _ in rows if u.strip() and i.strip()]
    if not good:
        return
    source, bad = skipping("csv", path)
    assert pairs(source.interactions) == good and len(bad) == len(rows) - len(good)


@settings(max_examples=200, deadline=None)
@given(lines=st.lists(st.text(st.sampled_from('ab"\\\t,é '), max_size=8), min_size=1, max_size=12))
def test_every_line_of_a_tsv_is_a_row_a_bad_row_or_blank(tmp_path_factory: Any, lines: list[str]) -> None:
    path = write(tmp_path_factory.mktemp("tsv") / "a.tsv", "u\ti\n" + "\n".join(lines) + "\n")
    source, bad = skipping("tsv", path, **COLUMNS)
    blank = sum(not line for line in lines)
    assert len(source.interactions) + len(bad) + blank == len(lines) + 1
    assert (any("blank" in told for told in source.told)) == bool(blank)

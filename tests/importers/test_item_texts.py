"""Item texts of a table of their own: other names, other forms, several columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tables import refused, skipping, write

from llmhd_tools.errors import UsageError
from llmhd_tools.importers import read_source

ROWS = [
    {"id": "16", "name": "Dusty", "about": "A road film", "tags": "old"},
    {"id": "266", "name": '"Heroes"', "about": "", "tags": "war, sea"},
    {"id": "9", "name": "", "about": " ", "tags": ""},
]


@pytest.fixture
def plays(tmp_path: Path) -> Path:
    return write(tmp_path / "plays.tsv", "userID\tartistID\n1\t16\n1\t266\n2\t9\n")


def table(folder: Path, form: str) -> Path:
    path = folder / f"texts.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif form == "jsonl":
        write(path, "".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        mark = {"csv": ",", "tsv": "\t"}[form]
        quoted = [
            {k: f'"{v.replace(chr(34), chr(34) * 2)}"' if form == "csv" else v for k, v in row.items()} for row in ROWS
        ]
        write(path, "\n".join(mark.join(row) for row in [ROWS[0].keys(), *(row.values() for row in quoted)]))
    return path


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet"])
def test_texts_under_other_names_in_any_form(plays: Path, tmp_path: Path, form: str) -> None:
    options: dict[str, Any] = {
        "user": "userID",
        "item": "artistID",
        "texts": str(table(tmp_path, form)),
        "texts_item": "id",
    }
    for text in (["name", "about", "tags"], ["name,about,tags"]):
        source = read_source("tsv", plays, **options, text=text, title="name")
        assert source.items == [
            {"item": "16", "profile": "Dusty. A road film. old", "title": "Dusty"},
            {"item": "266", "profile": '"Heroes". war, sea', "title": '"Heroes"'},
        ]
        assert source.told == [f"texts.{form}: left out 1 item without text"]
    source = read_source("tsv", plays, **options, text=["about"])
    assert source.items == [{"item": "16", "profile": "A road film"}]
    assert source.told == [f"texts.{form}: left out 2 items without text"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_column_that_is_not_there(plays: Path, tmp_path: Path, form: str) -> None:
    options = {"user": "userID", "item": "artistID", "texts": str(table(tmp_path, form))}
    refused("artistID", "tsv", plays, **options)
    for more in ({"text": ["abuot"]}, {"text": ["name", "abuot"]}, {"text": ["name"], "title": "abuot"}):
        refused("'abuot'", "tsv", plays, **options, texts_item="id", **more)


def test_a_form_of_its_own(tmp_path: Path) -> None:
    clicks = write(tmp_path / "clicks.csv", "user;item\nu;1\n")
    skus = write(tmp_path / "skus.csv", "item,profile\n1,caf\xe9".encode("latin-1"))
    options = {"delimiter": ";", "texts": str(skus)}
    told = "skus.csv:1: column 'item' is not among the columns item,profile; ',' seems to separate them"
    refused(f"{told}: `texts_delimiter` ','", "csv", clicks, **options)
    refused("skus.csv:2: byte 6 of the line is not UTF-8", "csv", clicks, **options, texts_delimiter=",")
    source = read_source("csv", clicks, **options, texts_delimiter=",", texts_encoding="latin-1")
    assert source.items == [{"item": "1", "profile": "café"}]
    both = write(tmp_path / "both.csv", "item;profile\n1;x\n")
    assert read_source("csv", clicks, delimiter=";", texts=str(both)).items == [{"item": "1", "profile": "x"}]
    lines = write(tmp_path / "t.jsonl", '{"item": 1, "profile": "y"}\n')
    assert read_source("csv", clicks, delimiter=";", texts=str(lines)).items == [{"item": "1", "profile": "y"}]
    refused("cannot tell the kind of table", "csv", clicks, UsageError, delimiter=";", texts=str(tmp_path / "t.xls"))
    refused("not NPZ", "csv", clicks, UsageError, delimiter=";", texts=str(tmp_path / "t.npz"))


def test_amazon_s_metadata(tmp_path: Path) -> None:
    clicks = write(tmp_path / "clicks.csv", "user,item\nu,B1\n")
    meta = [
        {
            "asin": "B1",
            "title": "Lamp",
            "description": ["Bright.", "For rooms"],
            "categories": [["Home", "Light"]],
            "price": 3.5,
        },
        {"asin": "B2", "title": "Chair", "description": [], "rank": None},
    ]
    path = write(tmp_path / "meta.jsonl", "".join(json.dumps(row) + "\n" for row in meta))
    text = ["title", "description", "categories", "price"]
    source = read_source("csv", clicks, texts=str(path), texts_item="asin", text=text, title="title")
    assert source.items == [
        {"item": "B1", "profile": "Lamp. Bright. For rooms. Home Light. 3.5", "title": "Lamp"},
        {"item": "B2", "profile": "Chair", "title": "Chair"},
    ]


def test_ids_that_stand_twice(tmp_path: Path) -> None:
    clicks = write(tmp_path / "clicks.csv", "user,item\nu,1\n")
    for name, text in (
        ("t.csv", "item,profile\n1,a\n1,b\n,c\n"),
        ("t.jsonl", '{"item":1,"profile":"a"}\n{"item":"1","profile":"b"}\n'),
    ):
        path = write(tmp_path / name, text)
        refused("item '1' stands twice; `skip_bad` leaves such rows out", "csv", clicks, texts=str(path))
        source, bad = skipping("csv", clicks, texts=str(path))
        assert source.items == [{"item": "1", "profile": "a"}]
        assert [row["reason"] for row in bad] == [
            "item '1' stands twice",
            *(["empty item id"] if name == "t.csv" else []),
        ]
    pq.write_table(pa.table({"item": [1, 1], "profile": ["a", "b"]}), tmp_path / "t.parquet")
    refused("row 2: item '1' stands twice", "csv", clicks, texts=str(tmp_path / "t.parquet"))


def test_one_text_stays_as_it_stands(tmp_path: Path) -> None:
    clicks = write(tmp_path / "clicks.csv", "user,item\nu,1\n")
    lines = write(
        tmp_path / "t.jsonl", '{"item": 1, "profile": " Two\\n lines ", "more": " x "}\n{"item": 2, "profile": " "}\n'
    )
    for text, profile in ((["profile"], " Two\n lines "), (["profile", "more"], "Two\n lines. x")):
        assert read_source("csv", clicks, texts=str(lines), text=text).items == [{"item": "1", "profile": profile}]

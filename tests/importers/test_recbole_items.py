"""RecBole's item files: what cannot be used is left out with a count, and what is written every command can read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tables import refused, skipping, users, write

from llmhd_tools.files.kinds import read_any
from llmhd_tools.files.schema import KINDS
from llmhd_tools.importers import read_source

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t10\t5\t1\n2\t11\t4\t2\n1\t11\t3\t3\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write(tmp_path / "shop.inter", INTER)


def test_items_without_text_are_left_out_and_counted(shop: Path, tmp_path: Path) -> None:
    write(
        tmp_path / "shop.item",
        "item_id:token\ttitle:token\tcategories:token_seq\tprice:float\n10\tLamp\tHome Light\t3\n11\t\t \t4\n",
    )
    source = read_source("recbole", tmp_path)
    assert [record["item"] for record in source.items] == ["10"]
    assert source.told == ["shop.item: left out 1 item without text"]
    write(tmp_path / "shop.item", "item_id:token\tprice:float\n10\t3\n11\t4\n")  # numbers only
    source = read_source("recbole", tmp_path)
    assert source.items == [] and source.told == ["shop.item: left out 2 items without text"]


def test_junk_in_a_number_is_left_out_and_counted(shop: Path, tmp_path: Path) -> None:
    rows = "10\tLamp\t3\t1 x 2\n11\tChair\t—\tx\n12\tTable\tnan\t\n"
    write(tmp_path / "shop.item", f"item_id:token\ttitle:token\tprice:float\tvec:float_seq\n{rows}")
    source = read_source("recbole", tmp_path)
    assert source.items == [
        {"item": "10", "title": "Lamp", "price": 3, "vec": [1, 2], "profile": "Lamp."},
        {"item": "11", "title": "Chair", "profile": "Chair."},
        {"item": "12", "title": "Table", "profile": "Table."},
    ]
    assert source.told == [
        "shop.item: left out 2 cells of 'vec', no number (line 2: 'x')",
        "shop.item: left out 2 cells of 'price', no number (line 3: '\\u2014')",
    ]


def test_a_number_that_is_used_is_not_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.inter", INTER.replace("\t2\n", "\t\n"))
    refused("a.inter:3: 'timestamp' is '', must be a finite number; `skip_bad`", "recbole", path)
    source, bad = skipping("recbole", path)
    assert users(source.interactions) == ["1", "1"] and bad[0]["line"] == 3
    assert "timestamp" not in read_source("recbole", path, timestamp="none").interactions.numbers


def test_a_numeric_title_is_a_text(shop: Path, tmp_path: Path) -> None:
    write(tmp_path / "shop.item", "item_id:token\ttitle:float\tmodel:token\n10\t1984\tx\n11\t2001\ty\n")
    assert read_source("recbole", tmp_path).items[0] == {
        "item": "10",
        "title": "1984",
        "model": "x",
        "profile": "1984. model: x.",
    }


def test_bad_rows_of_items(shop: Path, tmp_path: Path) -> None:
    write(tmp_path / "shop.item", "item_id:token\ttitle:token\n10\tA\n10\tB\n\tC\n11\n12\tD\n")
    source, bad = skipping("recbole", tmp_path)
    assert [record["item"] for record in source.items] == ["10", "12"]
    assert [(row["file"], row["line"]) for row in bad] == [("shop.item", 3), ("shop.item", 4), ("shop.item", 5)]


NAMES = [
    *sorted({spec.name for kind in KINDS.values() for spec in kind.fields} - {"item"}),
    "name",
    "shop_id",
    "genres",
]
TYPES = st.sampled_from(["token", "token_seq", "float", "float_seq"])
CELLS = st.sampled_from(["", "x", "a b", "3", "1984", "-", "1e999", "true", "7 8", "nan"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True))
def test_whatever_fields_are_called_the_items_validate(
    shop: Path, tmp_path: Path, data: st.DataObject, names: list[str]
) -> None:
    head = "\t".join(["item_id:token", *(f"{name}:{data.draw(TYPES)}" for name in names)])
    rows = ["\t".join([str(10 + n), *(data.draw(CELLS) for _ in names)]) for n in range(3)]
    write(tmp_path / "shop.item", "\n".join([head, *rows]) + "\n")
    records = read_source("recbole", tmp_path).items
    if records:
        path = write(tmp_path / "items.jsonl", "".join(json.dumps(record) + "\n" for record in records))
        table = read_any(str(path))
        assert table.kind == "items" and len(table) == len(records)

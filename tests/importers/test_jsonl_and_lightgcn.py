"""Reviews as JSON Lines, and the files of LightGCN, NGCF and KGAT."""

from __future__ import annotations

from pathlib import Path

import pytest
from tables import items, pairs, refused, skipping, users, write

from llmhd_tools.errors import UsageError
from llmhd_tools.importers import read_source

AMAZON = """{"reviewerID": "A2", "asin": "0001", "overall": 5.0, "reviewText": "a\\nb", "unixReviewTime": 1252800000}
{"reviewerID": "A3", "asin": 42, "overall": "3", "unixReviewTime": 1252800001, "verified": null}

{"reviewerID": "A2", "asin": "ü\\u00e9", "overall": 1, "unixReviewTime": 1.5}
"""
NAMES = {"user": "reviewerID", "item": "asin", "rating": "overall", "timestamp": "unixReviewTime"}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.ndjson"])
def test_reviews(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, AMAZON)
    for format in ("jsonl", "columns"):
        source = read_source(format, path, **NAMES)
        rows = source.interactions
        assert pairs(rows) == [("A2", "0001"), ("A3", "42"), ("A2", "üé")] and rows.line.tolist() == [1, 2, 4]
        assert rows.numbers["rating"].tolist() == [5, 3, 1]
        assert rows.numbers["timestamp"].tolist() == [1252800000, 1252800001, 1.5]
        assert source.told == [f"{name}: 1 blank line"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"user": "a"}', "field 'item' is not among 'user'"),
        ('{"user": null, "item": 1}', "field 'user' is null"),
        ('{"user": 1.0, "item": 1}', "'user' is 1.0, ids must be strings or integers"),
        ('{"user": true, "item": 1}', "'user' is True, ids must be strings or integers"),
        ('{"user": "", "item": 1}', "empty user id"),
        ('{"user": "a", "item": ["b"]}', "'item' is ['b'], ids must be strings or integers"),
        ('{"user": "a", "item": "b", "user": "c"}', "not a JSON record: a field is there twice"),
        ('{"user": "a", "item": "b", "stars": "good"}', "'stars' is 'good', must be a finite number"),
        ('{"user": "a", "item": "b", "stars": true}', "'stars' is True, must be a finite number"),
        ('{"user": "a", "item": "b", "stars": 1e999}', "not a JSON record: 1e999 is out of range"),
        ("a,b", "not a JSON record"),
        ('["a", "b"]', "not a JSON object"),
        ('{"user": "a", "item"', "not a JSON record"),
    ],
)
def test_bad_records(tmp_path: Path, line: str, told: str) -> None:
    stars = {"rating": "stars"} if "stars" in line else {}
    good = '{"user": "u", "item": "i", "stars": 1}'
    path = write(tmp_path / "a.jsonl", f"{good}\n{line}\n{good}\n")
    refused(f"a.jsonl:2: {told}", "jsonl", path, **stars)
    source, bad = skipping("jsonl", path, **stars)
    assert source.interactions.line.tolist() == [1, 3]
    assert (
        bad == [{"file": "a.jsonl", "line": 2, "reason": bad[0]["reason"], "text": line}] and told in bad[0]["reason"]
    )


def test_json_that_is_not_lines(tmp_path: Path) -> None:
    for text, way in (('[{"user": 1,\n"item": 2}]', "`jq -c '.[]'`"), ('{\n"user": 1,\n"item": 2}', "`jq -c .`")):
        refused(
            f"a.json:1: is not one JSON object a line; {way} makes it so", "jsonl", write(tmp_path / "a.json", text)
        )
    refused("`delimiter` is for csv, tsv, not for jsonl", "jsonl", tmp_path / "a.json", UsageError, delimiter=";")


def test_lightgcn(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "0 0 1 2\n1 1 \n2 \n3\n\n")
    write(tmp_path / "test.txt", "0 3\r\n2 0 4\r\n")
    write(tmp_path / "item_list.txt", "org_id remap_id\nx 0\n")
    source = read_source("lightgcn", tmp_path)
    assert list(source.splits) == ["train", "test"]
    assert pairs(source.splits["train"]) == [("0", "0"), ("0", "1"), ("0", "2"), ("1", "1")]
    assert pairs(source.splits["test"]) == [("0", "3"), ("2", "0"), ("2", "4")]
    assert source.splits["test"].line.tolist() == [1, 2, 2] and source.splits["test"].file == "test.txt"
    assert pairs(source.interactions) == pairs(source.splits["train"]) + pairs(source.splits["test"])
    assert source.told == ["train.txt: 2 users without items", "train.txt: 1 blank line"]
    write(tmp_path / "valid.txt", "1\t0\n")
    assert list(read_source("lightgcn", tmp_path).splits) == ["train", "valid", "test"]
    alone = read_source("lightgcn", tmp_path / "train.txt")
    assert alone.splits == {} and len(alone.interactions) == 4


def test_lightgcn_refuses_what_is_something_else(tmp_path: Path) -> None:
    refused("holds no train.txt", "lightgcn", tmp_path)
    refused("no such file or folder", "lightgcn", tmp_path / "none")
    path = write(tmp_path / "train.txt", "0 1 5\n0 2 3\n1 1 4\n")  # user, item, rating, as SELFRec has it
    refused("train.txt:2: user '0' has two lines", "lightgcn", path)
    refused("train.txt:1: '1,2,5' is not a user and items", "lightgcn", write(tmp_path / "train.txt", "1,2,5\n"))
    refused("train.txt: holds no interactions", "lightgcn", write(tmp_path / "train.txt", "0\n1\n"))
    refused("has no option `rating`; it has `texts`, `texts_item`", "lightgcn", path, UsageError, rating="x")


def test_lightgcn_with_texts(tmp_path: Path) -> None:
    write(tmp_path / "train.txt", "7 1 2\n")
    texts = write(tmp_path / "t.csv", "id,about\n1,a sea story\n")
    source = read_source("lightgcn", tmp_path, texts=str(texts), texts_item="id", text=["about"])
    assert source.items == [{"item": "1", "profile": "a sea story"}]
    assert users(source.interactions) == ["7", "7"] and items(source.interactions) == ["1", "2"]

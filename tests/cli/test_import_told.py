"""What ``import`` says: every row is accounted for, odd ids and texts are told, and files of no import are left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import read_jsonl, write_jsonl

from llmhd_tools.cli.app import main

CLICKS = """user,item,stars,day
u1,a,2,2020-01-01
u1,a,5,2020-01-03
u1,a,4,2020-01-02
u2,a,4,2020-02-01
u2,b,5,2020-02-02
u3,b,x,2020-02-03
u3,a,5
u4,c,5,2020-03-01
u1,b,5,2020-03-02
u4,a,1,2020-03-03
"""
NAMES = ["--rating", "stars", "--timestamp", "day"]


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.csv"
    path.write_text(CLICKS)
    return path


def run(capfd: pytest.CaptureFixture[str], *words: object, code: int = 0) -> list[str]:
    """The lines that a command says."""
    assert main([str(word) for word in words]) == code
    return capfd.readouterr().err.splitlines()


def test_every_row_is_accounted_for(capfd: pytest.CaptureFixture[str], clicks: Path, tmp_path: Path) -> None:
    out, rejected = tmp_path / "out", tmp_path / "rejected.jsonl"
    words = [
        "import",
        "csv",
        clicks,
        "-o",
        out,
        *NAMES,
        "--min-rating",
        4,
        "--k-core",
        2,
        "--skip-bad",
        "--split",
        "none",
    ]
    (tmp_path / "t.csv").write_text("item,profile\na,A\nc,C\n")
    told = run(capfd, *words, "--rejected", rejected, "--texts", tmp_path / "t.csv")
    counts = "2 repeated, 1 below the rating, 1 outside the 2-core, 2 bad"
    assert told[0] == f"import: 10 rows read: {counts}; 4 left, of 2 users and 2 items; texts of 1 of them"
    kept, gone = read_jsonl(out / "interactions.jsonl"), read_jsonl(rejected)
    assert [(row["user"], row["item"], row["rating"]) for row in kept] == [
        ("u1", "a", 5), ("u2", "a", 4), ("u2", "b", 5), ("u1", "b", 5),
    ]  # fmt: skip
    place = {"file": "clicks.csv"}
    assert gone == [
        place | {"line": 7, "reason": gone[0]["reason"], "text": "u3,b,x,2020-02-03"},
        place | {"line": 8, "reason": "row has 3 columns, must have 4", "text": "u3,a,5"},
        place | {"line": 2, "reason": "repeated", "user": "u1", "item": "a", "rating": 2, "timestamp": 1577836800},
        place | {"line": 4, "reason": "repeated", "user": "u1", "item": "a", "rating": 4, "timestamp": 1577923200},
        place
        | {"line": 11, "reason": "below the rating", "user": "u4", "item": "a", "rating": 1, "timestamp": 1583193600},
        place
        | {"line": 9, "reason": "outside the 2-core", "user": "u4", "item": "c", "rating": 5, "timestamp": 1583020800},
    ]
    assert gone[0]["reason"].startswith("'stars' is 'x', must be a finite number")
    record = json.loads((out / "import.json").read_text())
    assert record["rows"] == {
        "read": 10, "repeated": 2, "below the rating": 1, "outside the 2-core": 1, "bad": 2, "left": 4,
    }  # fmt: skip
    assert main(["validate", "-q", str(rejected)]) == 0


@pytest.mark.parametrize(
    ("repeats", "times", "stars", "weight"),
    [
        ("last", True, 5, None),  # the newest
        ("first", True, 2, None),  # the oldest
        ("weight", True, 5, 3),
        ("last", False, 4, None),  # the last in the file
        ("first", False, 2, None),
        ("weight", False, 4, 3),
    ],
)
def test_which_of_repeated_rows_stays(
    clicks: Path, tmp_path: Path, repeats: str, times: bool, stars: int, weight: Any
) -> None:
    names = NAMES if times else NAMES[:2]
    words = [
        "import",
        "csv",
        clicks,
        "-o",
        tmp_path / "out",
        *names,
        "--skip-bad",
        "--split",
        "none",
        "--repeats",
        repeats,
    ]
    assert main([str(word) for word in words]) == 0
    rows = {(row["user"], row["item"]): row for row in read_jsonl(tmp_path / "out" / "interactions.jsonl")}
    assert rows["u1", "a"]["rating"] == stars and rows["u1", "a"].get("weight") == weight
    assert rows["u2", "b"].get("weight") == (1 if weight else None)
    assert main(["validate", "-q", str(tmp_path / "out" / "interactions.jsonl")]) == 0


def test_weights_of_a_column_add_up(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("user\titem\tplays\tbot\nu\ta\t3\t0\nu\ta\t4\t1\nv\ta\t2\t0\n")
    words = [
        "import",
        "tsv",
        str(path),
        "-o",
        str(tmp_path / "out"),
        "--weight",
        "plays",
        "--noise",
        "bot",
        "--split",
        "none",
    ]
    for repeats, weight in (("last", 4), ("first", 3), ("weight", 7)):
        assert main([*words, "--repeats", repeats]) == 0
        rows = read_jsonl(tmp_path / "out" / "interactions.jsonl")
        assert sorted(row["weight"] for row in rows) == sorted([weight, 2])
        assert [row["noise"] for row in rows if row["user"] == "u"] == [repeats != "first"]


# ---- ids and texts


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["123.0", "4.0", "5"], "2 of 3 item ids are fractions, such as '123.0'"),
        (["nan", "a"], "1 of 2 item ids stand for nothing, such as 'nan'"),
        (["None", "NULL", "a"], "2 of 3 item ids stand for nothing, such as 'None'"),
        ([" 10", "10"], "1 of 2 item ids have spaces around them, such as ' 10'"),
        ([" 10", "10"], "1 pair of item ids differ by zeros or spaces only, such as '10' and ' 10'"),
        (["007", "7", "8"], "1 pair of item ids differ by zeros or spaces only, such as '7' and '007'"),
        (["7.0", "7"], "1 pair of item ids differ by zeros or spaces only, such as '7' and '7.0'"),
        (["1.2E+12", "a"], "1 of 2 item ids have an exponent, such as '1.2E+12'"),
        (['"a"', "b"], "1 of 2 item ids stand in quotes, such as '\"a\"'"),
        (["a\x07", "b"], "1 of 2 item ids hold control characters, such as 'a\\x07'"),
    ],
)
def test_odd_ids_are_told_with_an_example(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, ids: list[str], told: str
) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("user\titem\n" + "".join(f"u\t{name}\n" for name in ids))
    lines = run(capfd, "import", "tsv", path, "-o", tmp_path / "out", "-q")  # even so
    assert any(told in line for line in lines), lines


def test_good_ids_are_not_odd(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    names = ["1", "20", "0003", "a b", "ü", "B00005", "1e", "x.0", "1.5", "nano", "-4"]
    path.write_text("user\titem\n" + "".join(f"u\t{name}\n" for name in names))
    assert run(capfd, "import", "tsv", path, "-o", tmp_path / "out", "-q") == []


@pytest.mark.parametrize(
    ("items", "texts", "count", "told"),
    [
        (
            ["16.0", "266.0"],
            ["16", "266"],
            0,
            "2 items without text for an id that is spelt otherwise, such as '16.0', while",
        ),
        (
            ["2916", "5"],
            ["00002916", "5"],
            1,
            "1 item without text for an id that is spelt otherwise, such as '2916', while",
        ),
        (
            ["a", "b"],
            ["x", "y"],
            0,
            "not one of 2 texts is of an item that has a row: items are such as 'a', texts such as 'x'",
        ),
        (["a", "b"], ["a"], 1, ""),
        (["a", "b"], ["a", "b", "c"], 2, ""),
    ],
)
def test_texts_that_match_no_item(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, items: list[str], texts: list[str], count: int, told: str
) -> None:
    (tmp_path / "a.csv").write_text("user,item\n" + "".join(f"u{n},{name}\n" for n in range(9) for name in items))
    (tmp_path / "t.csv").write_text("item,profile\n" + "".join(f"{name},about {name}\n" for name in texts))
    lines = run(capfd, "import", "csv", tmp_path / "a.csv", "-o", tmp_path / "out", "--texts", tmp_path / "t.csv")
    assert f"{len(items)} items; texts of {count} of them" in lines[0]
    assert any(told in line for line in lines)
    quiet = run(capfd, "import", "csv", tmp_path / "a.csv", "-o", tmp_path / "out", "--texts", tmp_path / "t.csv", "-q")
    assert any(told in line for line in quiet) if told else quiet == []


# ---- leftovers and files of others


def test_an_earlier_import_s_files_go_and_others_stay(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path, out = tmp_path / "a.csv", tmp_path / "out"
    path.write_text("user,item\n" + "".join(f"u{u},i{i}\n" for u in range(9) for i in range(9)))
    (tmp_path / "t.csv").write_text("item,profile\ni1,x\n")
    run(capfd, "import", "csv", path, "-o", out, "--texts", tmp_path / "t.csv")
    assert {p.name for p in out.iterdir()} == {"train.jsonl", "valid.jsonl", "test.jsonl", "items.jsonl", "import.json"}
    run(capfd, "import", "csv", path, "-o", out, "--split", "1:0:0")
    assert {p.name for p in out.iterdir()} == {"train.jsonl", "import.json"}
    run(capfd, "import", "csv", path, "-o", out, "--split", "none")
    assert {p.name for p in out.iterdir()} == {"interactions.jsonl", "import.json"}
    write_jsonl(out / "profiles.jsonl", [{"user": "u1", "profile": "by hand"}])
    before = (out / "interactions.jsonl").read_bytes()
    (line,) = run(capfd, "import", "csv", path, "-o", out, code=1)
    assert "holds profiles.jsonl, which no import wrote" in line and str(out) in line
    assert (out / "interactions.jsonl").read_bytes() == before and (out / "profiles.jsonl").exists()


def test_an_input_in_the_folder_is_never_written_over(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "train.jsonl", [{"user": "u", "item": "i"}])
    before = source.read_bytes()
    (line,) = run(capfd, "import", "jsonl", source, "-o", tmp_path, code=1)
    assert "holds train.jsonl, which no import wrote" in line and source.read_bytes() == before
    source = source.rename(tmp_path / "clicks.jsonl")
    for option in ("--rejected", "--low-rated"):
        for target in (source, tmp_path / "test.jsonl", tmp_path / "import.json"):
            (line,) = run(capfd, "import", "jsonl", source, "-o", tmp_path, option, target, code=1)
            assert "is named twice" in line
    (line,) = run(capfd, "import", "jsonl", source, "-o", tmp_path, "--rejected", tmp_path / "gone.csv", code=1)
    assert ".csv is no form that this is written in" in line
    assert {path.name for path in tmp_path.iterdir()} == {"clicks.jsonl"}


def test_a_failed_import_leaves_no_folder(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item\nu,\n")
    run(capfd, "import", "csv", tmp_path / "a.csv", "-o", tmp_path / "out", "--rejected", tmp_path / "r.jsonl", code=1)
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv"}


# ---- splits


@pytest.fixture
def two_users(tmp_path: Path) -> Path:
    """Case 38: one user early, one late."""
    path = tmp_path / "two.csv"
    rows = [(user, f"i{n}", start + n) for user, start in (("early", 0), ("late", 100)) for n in range(1, 6)]
    path.write_text("user,item,t\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows))
    return path


def split(capfd: pytest.CaptureFixture[str], path: Path, *words: str) -> tuple[dict[str, list[int]], list[str]]:
    told = run(capfd, "import", "csv", path, "-o", path.parent / "out", "--timestamp", "t", *words)
    found = {p.stem: [r["timestamp"] for r in read_jsonl(p)] for p in (path.parent / "out").glob("*.jsonl")}
    return found, told


def test_time_is_per_user_or_for_all(capfd: pytest.CaptureFixture[str], two_users: Path) -> None:
    parts, told = split(capfd, two_users, "--split-by", "time")
    assert parts == {"train": [1, 2, 3, 101, 102, 103], "valid": [4, 104], "test": [5, 105]}
    assert any("of each user the newest rows are held out; --split-by global-time cuts" in line for line in told)
    parts, told = split(capfd, two_users, "--split-by", "global-time")
    assert parts == {"train": [1, 2, 3, 4, 5, 101], "valid": [102, 103], "test": [104, 105]}
    assert max(parts["train"]) < min(parts["valid"]) <= max(parts["valid"]) < min(parts["test"])
    assert not any("of each user" in line for line in told)


def test_cuts_at_dates(capfd: pytest.CaptureFixture[str], two_users: Path) -> None:
    parts, told = split(capfd, two_users, "--split-at", "5,103")
    assert parts == {"train": [1, 2, 3, 4], "valid": [5, 101, 102], "test": [103, 104, 105]}
    assert any("3 of 3 rows of test name a user or item that train lacks" in line for line in told)
    parts, _ = split(capfd, two_users, "--split-at", "1970-01-01T00:01:40")
    assert parts == {"train": [1, 2, 3, 4, 5], "test": [101, 102, 103, 104, 105]}
    for wrong in ("5,4", "5,5", "1,2,3", "soon", ""):
        (line,) = run(capfd, "import", "csv", two_users, "-o", two_users.parent / "x", "--split-at", wrong, code=2)
        assert "is not one or two ascending dates" in line
    (line,) = run(
        capfd, "import", "csv", two_users, "-o", two_users.parent / "x", "--timestamp", "t", "--split-at", "0,1", code=1
    )
    assert "the split leaves no row for train; times go from 1 to 105" in line
    told = run(
        capfd,
        "import",
        "csv",
        two_users,
        "-o",
        two_users.parent / "x",
        "--timestamp",
        "t",
        "--split-at",
        9,
        "--split",
        "8:1:1",
    )
    assert any("not used here: --split (for " in line for line in told)
    (line,) = run(capfd, "import", "csv", two_users, "-o", two_users.parent / "x", "--split-at", "9", code=2)
    assert "--split-at needs times; name their column with --timestamp" in line


def test_leave_one_out(capfd: pytest.CaptureFixture[str], two_users: Path) -> None:
    parts, _ = split(capfd, two_users, "--split", "leave-one-out")
    assert parts == {"train": [1, 2, 3, 101, 102, 103], "valid": [4, 104], "test": [5, 105]}
    drawn, _ = split(capfd, two_users, "--split", "leave-one-out", "--split-by", "user", "--seed", "3")
    assert [len(part) for part in (drawn["train"], drawn["valid"], drawn["test"])] == [6, 2, 2] and drawn != parts
    (line,) = run(
        capfd,
        "import",
        "csv",
        two_users,
        "-o",
        two_users.parent / "x",
        "--split",
        "leave-one-out",
        "--split-by",
        "global",
        code=2,
    )
    assert "--split leave-one-out is of each user" in line
    told = run(capfd, "import", "csv", two_users, "-o", two_users.parent / "x", "--split", "leave-one-out", "-q")
    assert told == [] and len(read_jsonl(two_users.parent / "x" / "test.jsonl")) == 2


@pytest.mark.parametrize(
    "words",
    [["--split", "1:1"], ["--split", "0:1:1"], ["--split", "a:b:c"], ["--split", "1:-1:1"], ["--split", "1:nan:1"]],
)
def test_no_shares(capfd: pytest.CaptureFixture[str], two_users: Path, words: list[str]) -> None:
    (line,) = run(capfd, "import", "csv", two_users, "-o", two_users.parent / "x", *words, code=2)
    assert "is not three shares such as 3:1:1, nor leave-one-out, nor none" in line


def test_splits_of_its_own(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0 0 1 1\n1 2\n2\n")
    (tmp_path / "test.txt").write_text("0 1\n1 5\n")
    out, rejected = tmp_path / "out", tmp_path / "r.jsonl"
    told = run(capfd, "import", "lightgcn", tmp_path, "-o", out, "--rejected", rejected)
    assert told[0] == "import: 6 rows read: 1 repeated; 5 left, of 2 users and 4 items"
    assert "import: train.txt: 1 user without items" in told
    assert "import: 1 of 2 pairs of test are in train too" in told
    assert any("1 of 2 rows of test name a user or item that train lacks" in line for line in told)
    assert read_jsonl(rejected) == [{"file": "train.txt", "line": 1, "reason": "repeated", "user": "0", "item": "1"}]
    assert read_jsonl(out / "test.jsonl") == [{"user": "0", "item": "1"}, {"user": "1", "item": "5"}]
    assert "import: 1 of 2 pairs of test are in train too" in run(
        capfd, "import", "lightgcn", tmp_path, "-o", out, "-q"
    )
    (line,) = run(capfd, "import", "lightgcn", tmp_path, "-o", out, "--k-core", "2", code=2)
    assert "comes with its own split" in line


# ---- words


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["data/ratings.csv"], "FORMAT 'data/ratings.csv' is none of rlmrec, recbole, movielens, lightgcn, csv"),
        (["data/ratings.csv"], "is it `llmhd import csv data/ratings.csv`?"),
        (["a.jsonl.gz"], "is it `llmhd import jsonl a.jsonl.gz`?"),
        (["folder"], "is it `llmhd import FORMAT folder`?"),
        (["csv"], "Missing argument 'SOURCE'"),
        (["csv", "a.csv", "--user", "X", "--item", "X"], "--user and --item are both the column 'X'"),
        (["csv", "a.csv", "--title", "t"], "--title is for --texts"),
        (["csv", "a.csv", "--texts-item", "t"], "--texts-item is for --texts"),
        (["csv", "a.csv", "--repeats", "newest"], "'newest' is unknown; choose from last, first, weight"),
        (["movielens", "a", "--encoding", "latin-1"], "format 'movielens' has no option --encoding; it has none"),
        (["xml", "a"], "unknown format 'xml', must be one of rlmrec"),
    ],
)
def test_words_that_do_not_fit(capfd: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], told: str) -> None:
    (line,) = run(capfd, "import", *words, "-o", tmp_path / "out", code=2)
    assert told in line and not (tmp_path / "out").exists()


def test_npz_with_dates_split_at_a_date(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    days = np.array(["2020-01-01", "2020-06-01", "2021-01-01"], "M8[D]")
    np.savez(tmp_path / "a.npz", user=[1, 1, 1], item=[1, 2, 3], t=days)
    run(
        capfd,
        "import",
        "npz",
        tmp_path / "a.npz",
        "-o",
        tmp_path / "out",
        "--timestamp",
        "t",
        "--split-at",
        "2020-06-01,2021-01-01",
    )
    for name, item in (("train", "1"), ("valid", "2"), ("test", "3")):
        assert [row["item"] for row in read_jsonl(tmp_path / "out" / f"{name}.jsonl")] == [item]

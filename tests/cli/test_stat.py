"""stat, view and doctor: figures against counting by hand, rows against a filter by hand, and help by other words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmhd_tools.cli.app import main
from tests.helpers import read_jsonl, write_jsonl

ROWS = [
    {"user": "a", "item": "x", "timestamp": 946684800, "noise": True},
    {"user": "a", "item": "y", "timestamp": 978307200},
    {"user": "b", "item": "x", "timestamp": 978307200},
    {"user": "b", "item": "x", "timestamp": 978307200},
]


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return write_jsonl(tmp_path / "train.jsonl", ROWS)


def test_stat_counts(capfd: pytest.CaptureFixture[str], train: Path) -> None:
    items = write_jsonl(train.parent / "items.jsonl", [{"item": "x", "profile": "two words"}])
    assert main(["stat", str(train), "--items", str(items), "--format", "json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["kind"], found["rows"], found["users"], found["items"]) == ("interactions", 4, 2, 2)
    assert (found["density"], found["repeated"], found["items_with_one_row"]) == (3 / 4, 1, 1)
    assert found["rows_of_an_item"] == {"least": 1, "quarter": 1, "median": 1, "three_quarters": 1, "most": 3}
    assert (found["timestamp"]["first"], found["timestamp"]["last"]) == ("2000-01-01T00:00:00Z", "2001-01-01T00:00:00Z")
    assert found["noise"]["true"] == 1
    assert (found["texts"]["items_with_one"], found["texts"]["items_without"]) == (1, 1)


def test_stat_says_how_a_file_was_made(capfd: pytest.CaptureFixture[str], trained_once: Path) -> None:
    assert main(["stat", str(trained_once / "emb-2.npz")]) == 0
    out = capfd.readouterr().out
    assert "llmhd train-epoch" in out and "--dim 8" in out and out.count("\n") == len(out.splitlines())
    assert main(["stat", str(trained_once / "emb-2.npz"), "--format", "markdown"]) == 0
    assert all(line.startswith("|") for line in capfd.readouterr().out.splitlines())


def test_view_filters_orders_and_writes(capfd: pytest.CaptureFixture[str], train: Path) -> None:
    assert main(["view", str(train), "-e", "timestamp > 950000000", "--user", "b"]) == 0
    out, err = capfd.readouterr()
    assert [json.loads(line) for line in out.splitlines()] == ROWS[2:] and "2 of 4 rows" in err
    assert main(["view", str(train), "--sort", "-item", "--limit", "1", "--columns", "item,user", "-q"]) == 0
    assert capfd.readouterr().out == '{"item": "y", "user": "a"}\n'
    kept = train.parent / "kept.jsonl"
    assert main(["view", str(train), "-e", "noise", "-o", str(kept), "-q"]) == 0
    assert read_jsonl(kept) == ROWS[:1]
    assert main(["view", str(train), "--format", "table", "-q"]) == 0
    drawn = capfd.readouterr().out
    assert all(word in drawn for word in ("user", "timestamp", "946684800", "True"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-e", "colour == 1"], "has no field 'colour'"),
        (["-e", "open('x')"], "is no condition"),
        (["--user", "nobody"], "has no row of user 'nobody'"),
    ],
)
def test_view_refuses(capfd: pytest.CaptureFixture[str], train: Path, words: list[str], told: str) -> None:
    assert main(["view", str(train), *words]) != 0
    out, err = capfd.readouterr()
    assert out == "" and told in err and len(err.splitlines()) == 1


def test_doctor_never_shows_a_key(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-to-be-seen")
    assert main(["doctor", "--json"]) == 0
    out = capfd.readouterr().out
    found = json.loads(out)
    assert "there" in found["key"] and "sk-not" not in out and found["torch"] != "missing"
    assert main(["doctor"]) == 0
    assert "devices" in capfd.readouterr().out


def test_help_by_other_words(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", "--help"]) == 0
    wanted = capfd.readouterr().out
    for words in (["prune", "-h"], ["help", "prune"]):
        assert main(words) == 0
        assert capfd.readouterr().out == wanted
    assert main(["stats"]) == 2
    assert "`llmhd stat` may be what you mean" in capfd.readouterr().err


def test_the_shell_completes(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_LLMHD_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "llmhd pru")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit):
        main([])
    assert capfd.readouterr().out.split() == ["prune"]

"""``judge``: scores against marks and against others, by id, whatever kind of file they stand in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers import read_jsonl, write_jsonl

from llmhd_tools.cli.app import main

SCORES = [("u", "a", 2), ("u", "b", 8), ("v", "a", 5.5), ("v", "c", 3), ("w", "b", 9), ("w", "c", 4)]
NOISY = {("u", "a"), ("v", "c"), ("w", "b")}


def pairs(more: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    rows = [{"user": user, "item": item, "score": score} for user, item, score in SCORES]
    return [row | extra for row, extra in zip(rows, more or [{}] * len(rows), strict=True)]


def judge(folder: Path, *words: str) -> dict[tuple[str, str, int | None], dict[str, Any]]:
    out = folder / "agreement.jsonl"
    assert main(["judge", *words, "-o", str(out)]) == 0
    return {(Path(r["against"]).name, r["measure"], r.get("score")): r for r in read_jsonl(out)}


@pytest.fixture
def marked(tmp_path: Path) -> str:
    rows = [{"user": u, "item": i, "noise": (u, i) in NOISY} for u, i, _ in SCORES]
    return str(write_jsonl(tmp_path / "train.jsonl", [*rows, {"user": "x", "item": "a", "noise": True}]))


def test_against_known_noise(tmp_path: Path, marked: str) -> None:
    """Noisy 2, 3, 9 against clean 8, 5.5, 4: six of nine pairs in order; within users two of three."""
    scores = str(write_jsonl(tmp_path / "scores.jsonl", pairs()))
    found = judge(tmp_path, scores, "--noise", marked, "--below", "4")
    value = {key[1:]: record["value"] for key, record in found.items()}
    assert value["auc", None] == pytest.approx(6 / 9) and value["auc-within", None] == pytest.approx(2 / 3)
    assert value["precision", None] == pytest.approx(2 / 3) and value["recall", None] == pytest.approx(2 / 3)
    assert value["kappa", None] == pytest.approx(1 / 3)
    assert value["calibration", 6] == 0 and value["calibration", 2] == 1 and found["noise", "auc", None]["pairs"] == 6


def test_marks_may_stand_beside_the_scores_and_kinds_do_not_matter(tmp_path: Path, marked: str) -> None:
    own = [{"noise": (user, item) in NOISY} for user, item, _ in SCORES]
    beside = judge(tmp_path, str(write_jsonl(tmp_path / "own.jsonl", pairs(own))))
    suspects = str(write_jsonl(tmp_path / "scored.jsonl", pairs([{"cut": n % 2 == 0} for n in range(6)])))
    assert main(["convert", suspects, str(tmp_path / "scored.npz"), "-q"]) == 0
    assert beside == judge(tmp_path, suspects, "--noise", marked)
    assert beside == judge(tmp_path, str(tmp_path / "scored.npz"), "--noise", marked)


def test_against_another_judge(tmp_path: Path) -> None:
    """Pairs are joined by id: their order is free, ids that look like numbers are the same, the last answer counts."""
    scores = str(write_jsonl(tmp_path / "scores.jsonl", pairs()))
    theirs = [r | {"score": r["score"] - 1} for r in reversed(pairs())] + [{"user": "u", "item": "z", "score": 1}]
    theirs.insert(0, {"user": "u", "item": "a", "score": 10})
    found = judge(tmp_path, scores, "--against", str(write_jsonl(tmp_path / "people.jsonl", theirs)))
    value = {measure: record["value"] for (_, measure, _), record in found.items()}
    assert value["pearson"] == pytest.approx(1) and value["difference"] == pytest.approx(1) and value["same"] == 0
    assert {key[0] for key in found} == {"people.jsonl"} and all(record["pairs"] == 6 for record in found.values())
    mine = judge(tmp_path, scores, "--against", scores)
    assert mine["scores.jsonl", "kappa", None]["value"] == pytest.approx(1)
    assert mine["scores.jsonl", "same", None]["value"] == 1 and mine["scores.jsonl", "difference", None]["sd"] == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"user": "u", "item": "a", "score": "7"}], "row 1 has score '7', must be 1..10"),
        ([{"user": "u", "item": "a", "score": 11}], "row 1 has score '11', must be 1..10"),
        ([{"user": "u", "item": "a"}], "has no pair with a score"),
        ([{"user": "u", "item": "a", "score": 3}], "has no noise marks to compare its scores with; give --noise"),
    ],
)
def test_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str], rows: list[dict], message: str) -> None:
    assert main(["judge", str(write_jsonl(tmp_path / "bad.jsonl", rows))]) == 1
    out, err = capfd.readouterr()
    assert not out and "bad.jsonl: " in err and message in err


def test_marks_of_other_data_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scores = str(write_jsonl(tmp_path / "scores.jsonl", pairs()))
    other = str(write_jsonl(tmp_path / "other.jsonl", [{"user": "q", "item": "a", "noise": True}]))
    assert main(["judge", scores, "--noise", other]) == 1
    assert "other.jsonl: marks none of the scored pairs" in capfd.readouterr().err
    assert json.loads(Path(scores).read_text().splitlines()[0])["score"] == 2

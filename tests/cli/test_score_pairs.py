"""``score`` takes any pairs of a user and an item, and refuses rows that lost the field that says which are meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import write_jsonl

from llmhd_tools.cli.app import main


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_jsonl(
        tmp_path / "items.jsonl",
        [{"item": f"i{n}", "profile": f"a novel of {w}"} for n, w in enumerate(["bees", "war", "love", "ships"])],
    )
    write_jsonl(tmp_path / "profiles.jsonl", [{"user": u, "profile": "likes bees, ships and war"} for u in "uv"])
    return tmp_path


def score(shop: Path, rows: list[dict], name: str = "out.jsonl") -> int:
    write_jsonl(shop / "rows.jsonl", rows)
    words = ["score", "rows.jsonl", "--items", "items.jsonl", "--profiles", "profiles.jsonl", "-o", name]
    return main([word if "." not in word else str(shop / word) for word in words])


def test_any_pairs_are_scored_and_none_is_cut(shop: Path) -> None:
    rows = [{"user": "u", "item": "i0", "rating": 3, "mine": 1}, {"user": "v", "item": "i3", "rating": 4, "mine": 2}]
    assert score(shop, rows) == 0
    found = [json.loads(line) for line in (shop / "out.jsonl").read_text().splitlines()]
    assert [(r["user"], r["item"], r["mine"], r["cut"]) for r in found] == [
        ("u", "i0", 1, False),
        ("v", "i3", 2, False),
    ]
    assert all(1 <= r["score"] <= 10 for r in found)
    assert score(shop, rows, "out.npz") == 0 and main(["validate", str(shop / "out.npz"), "-q"]) == 0


def test_rows_that_lost_a_field_are_no_plain_pairs(shop: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A stage in between that drops `candidate` would have all of an epoch's noisy rows paid for."""
    noisy = {"row": 3, "batch": 0, "user": "u", "item": "i0", "negative": "i1", "loss": 0.7}
    assert score(shop, [noisy]) == 1
    assert "rows.jsonl: has batch, loss, row and is neither noisy samples" in capfd.readouterr().err
    assert not (shop / "out.jsonl").exists()

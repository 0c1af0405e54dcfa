"""``score --cascade``: a sample says how deep to ask; what lies below is neither asked about nor cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import read_jsonl, write_jsonl

from llmhd_tools.cli.app import main

N_USERS, N_ITEMS = 60, 40
QUALITY = np.random.default_rng(0).normal(size=N_ITEMS)
CASCADE = "score @suspects.jsonl --llm distilled:@scorer.npz"


def llmhd(shop: Path, line: str) -> int:
    return main([str(shop / word[1:]) if word[0] == "@" else word.replace("@", f"{shop}/") for word in line.split()])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """720 suspects, all to be judged; a judge goes by the item's quality, and suspicion has a part of it."""
    rng = np.random.default_rng(1)
    rows = [(u, i) for u in range(N_USERS) for i in sorted(rng.choice(N_ITEMS, 12, replace=False).tolist())]
    write_jsonl(tmp_path / "train.jsonl", [{"user": f"u{u}", "item": i} for u, i in rows])
    write_jsonl(tmp_path / "appraisals.jsonl", [{"item": i, "score": 3 * q + 6} for i, q in enumerate(QUALITY)])
    scored = [{"user": f"u{u}", "item": i, "score": float(np.clip(5.5 + 2 * QUALITY[i], 1, 10))} for u, i in rows[:200]]
    write_jsonl(tmp_path / "scored.jsonl", scored)
    suspects = [
        {"user": f"u{u}", "item": i, "suspicion": float(rng.normal(scale=0.5) - QUALITY[i]), "cut": True, "mine": n}
        for n, (u, i) in enumerate(rows)
    ]
    write_jsonl(tmp_path / "suspects.jsonl", suspects)
    line = "distil @scored.jsonl --train @train.jsonl --appraisals @appraisals.jsonl -o @scorer.npz -q"
    assert llmhd(tmp_path, line) == 0
    return tmp_path


def test_only_what_is_suspicious_enough_is_asked_and_most_findings_are_among_it(shop, capfd):
    assert llmhd(shop, f"{CASCADE} -o @all.jsonl -q") == 0
    assert llmhd(shop, f"{CASCADE} --cascade 0.8 --label-budget 200 --seed 3 -o @some.jsonl") == 0
    err = capfd.readouterr().err
    every, some = read_jsonl(shop / "all.jsonl"), read_jsonl(shop / "some.jsonl")
    assert [r["mine"] for r in some] == list(range(720))
    asked = [r for r in some if "score" in r]
    assert 200 < len(asked) < 720 and f"{len(asked) - 200:,} more are asked about, {720 - len(asked):,} are not" in err
    assert {r["mine"]: r["score"] for r in asked}.items() <= {r["mine"]: r["score"] for r in every}.items()
    assert all(r["cut"] == ("score" in r) == ("model" in r) for r in some)
    low = {r["mine"] for r in every if r["score"] <= 5}
    assert len(low & {r["mine"] for r in asked}) >= 0.8 * len(low)
    # all beyond the sample lie at one threshold or above
    unasked = max(r["suspicion"] for r in some if "score" not in r)
    assert sum(r["suspicion"] < unasked for r in asked) <= 200
    assert llmhd(shop, f"{CASCADE} --cascade 0.8 --label-budget 200 --seed 3 -o @again.npz -q") == 0
    assert main(["convert", str(shop / "again.npz"), str(shop / "again.jsonl"), "-q"]) == 0
    assert read_jsonl(shop / "again.jsonl") == some


def test_a_proxy_speaks_in_the_place_of_the_suspicion(shop):
    line = f"{CASCADE} --cascade 0.9 --label-budget 300 --noise-below 4"
    assert llmhd(shop, f"{line} -o @own.jsonl -q") == llmhd(shop, f"{line} --proxy @scorer.npz -o @proxy.jsonl -q") == 0
    own, proxy = (sum("score" in r for r in read_jsonl(shop / f"{name}.jsonl")) for name in ("own", "proxy"))
    assert proxy < own  # it is the judge itself, so that it asks no deeper than it must


def test_a_budget_for_all_asks_about_all(shop):
    assert llmhd(shop, f"{CASCADE} --cascade 0.9 --label-budget 5000 -o @some.jsonl -q") == 0
    assert all(r["cut"] and "score" in r for r in read_jsonl(shop / "some.jsonl"))


def test_what_cannot_be_promised_is_refused(shop, capfd):
    assert llmhd(shop, f"{CASCADE} --cascade 0.99 --label-budget 50 -o @some.jsonl") == 1
    err = capfd.readouterr().err
    assert "takes 299 such" in err and "--label-budget" in err and not (shop / "some.jsonl").exists()
    assert llmhd(shop, "score @train.jsonl --llm distilled:@scorer.npz --cascade 0.9 -o @some.jsonl") == 2
    assert "--cascade chooses among suspects" in capfd.readouterr().err
    line = "score @suspects.jsonl --llm openai:x --items @train.jsonl --train @train.jsonl --history-items 2"
    assert llmhd(shop, f"{line} --cascade 0.9 --dry-run -o @some.jsonl") == 2
    assert "answers as they come" in capfd.readouterr().err

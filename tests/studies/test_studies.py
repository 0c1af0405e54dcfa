"""The studies under Make, on a handful of readers: what they make, what they leave alone, how they go on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TINY = "--dim 8 --batch 64 --lr 0.02 --epochs {}"


class Study:
    """Make in a study's folder, over few users, methods and seeds."""

    def __init__(self, name: str, work: Path, *words: str) -> None:
        if shutil.which("make") is None:
            pytest.skip("GNU Make is not installed")
        self.folder, self.work = ROOT / "examples" / name, work
        self.words = [f"WORK={work}", f"LLMHD={ROOT}/bin/llmhd", f"PYTHON={sys.executable}", "SEEDS=1 2", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"LLMHD_PYTHON": sys.executable}
        line = ["make", "-C", str(self.folder), "-j2", *self.words, *words]
        return subprocess.run(line, capture_output=True, text=True, env=environment, check=False)

    def __call__(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def table(self, name: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.work / "small" / "tables" / name).open(encoding="utf-8")]


@pytest.fixture
def books(rlmrec: Path, tmp_path: Path) -> Study:
    sizes = ["USERS=35", "CORE=2", "ALPHAS=4 8", "BACKBONES=lightgcn", "NOISE=0.2", f"TRAINING={TINY.format(3)}"]
    return Study("amazon-book", tmp_path / "work", f"SOURCE={rlmrec}", *sizes)


def test_a_table_of_methods_over_seeds(books: Study) -> None:
    mine = ["table1", "METHODS=bpr mine", "options.mine=--denoise loss --max-noise 0.1", "name.mine=T-CE"]
    out = books(*mine)
    assert "T-CE (published)" in out and out.count("run 0.2/lightgcn/") == 4
    records = books.table("table1-lightgcn.jsonl")
    ours, published = ([r for r in records if bool(r.get("published")) == wanted] for wanted in (False, True))
    assert [(r["row"], r["runs"]) for r in ours] == [("BPR", 2), ("T-CE", 2)] * 4
    assert len(published) == 32 and {r["value"] for r in published if r["row"] == "T-CE"} == {
        0.059,
        0.0895,
        0.0592,
        0.0697,
    }
    data = books.work / "small" / "data"
    one, two = ((data / f"seed-{seed}" / "noise-0.2" / "train.jsonl").read_text() for seed in (1, 2))
    assert one != two and one.count('"noise": true') == two.count('"noise": true') > 0
    assert "run " not in books(*mine), "nothing is made twice"


def test_a_run_goes_on_with_more_epochs_and_with_no_other_setting(books: Study) -> None:
    one = ["table1", "METHODS=bpr", "SEEDS=1"]
    books(*one)
    assert "run 0.2/lightgcn/bpr-1" in books(*one, f"TRAINING={TINY.format(4)}")
    run = books.work / "small" / "runs" / "0.2" / "lightgcn" / "bpr-1"
    assert json.loads((run / "progress.json").read_text())["epoch"] == 4
    failed = books.run(*one, f"TRAINING={TINY.format(4)} --reg 0.1")
    assert failed.returncode != 0 and "--reg differs from the run in" in failed.stderr
    failed = books.run("table1", "METHODS=none-such")
    assert (
        failed.returncode != 0
        and "no methods/none-such.toml and no options.none-such, so there is no such" in failed.stderr
    )


def test_figures_tokens_and_headroom(books: Study) -> None:
    few = ["SEEDS=1", "NOISES=0 0.2", "ROBUST=bpr", "MAX_NOISES=0.05", "CANDIDATES=0.5", "CONFIDENCES=3"]
    few += ["COSTS=0.05-0.5"]
    books("figure3", "figure4", "table4", *few)
    tables = books.work / "small" / "tables"
    assert "noisy rows added" in (tables / "figure3.svg").read_text()
    assert "α (steps)" in (tables / "figure4-alpha.svg").read_text()
    counts = {(r["row"], r["metric"]): r["value"] for r in books.table("table4.jsonl") if not r.get("published")}
    users = len({json.loads(line)["user"] for line in (books.work / "small" / "data" / "train.jsonl").open()})
    assert counts["T_sum", "calls"] == users and counts["T_sum", "tokens"] > 100 * users
    assert counts["T_score, ε_max 0.05, ε_v 0.5", "calls"] > 0


def test_what_denoises_and_llmhni(books: Study) -> None:
    few = ["SEEDS=1", f"TRAINING={TINY.format(10)}", "RULE_NOISES=0.2", "POINT_NOISES=0.2"]
    few += ["LLMHNI_NOISES=0.2", "ERRORS=0.1"]
    few += ["RULES=band", "POINT_RULES=agree", "SWITCHES=cap cut-llmhd", "LLMHNIS=llmhni llmhni-views"]
    few += ["GAINS=bpr loss cap"]
    books("gains", "rules", "pointwise", "switches", "llmhni", *few)
    assert {r["runs"] for r in books.table("gains.jsonl")} == {1}

    def rows(name: str) -> list[object]:
        return [r["row"] for r in books.table(f"{name}-0.2.jsonl") if (r["metric"], r["k"]) == ("ndcg", 10)]

    plain = ["BPR on clean data", "BPR", "loss-based dropping"]
    judged = ["noise dropped from the loss", *(f"{{}}, score{by}" for by in ("d by lexical", "s 0.1 wrong"))]
    assert rows("rules") == plain + [row.format("band") for row in judged]
    assert rows("pointwise") == ["BCE", plain[2]] + [row.format("agree") for row in judged]
    assert rows("switches") == [*plain, "LLMHD-BPR", "LLMHD-BPR, --schedule cap", "LLMHD-BPR, graph cut"]
    assert rows("llmhni") == [
        *plain[:2],
        "LLMHD-BPR",
        "dynamic negatives",
        "LLMHNI",
        "dynamic negatives, dropped edges",
    ]
    noisy = books.work / "small" / "runs" / "0.2" / "lightgcn"
    assert (noisy / "llmhni-1" / "relations-8.jsonl").exists() and not list((noisy / "llmhni-views-1").glob("rel*"))


def test_films_that_were_disliked(tmp_path: Path) -> None:
    """Real noise, from a file of ratings: both kinds of held-out films are measured."""
    source, rng = tmp_path / "source", np.random.default_rng(1)
    source.mkdir()
    user, item = (axis.ravel() for axis in np.indices((40, 30)))
    seen = rng.random(1200) < 0.6
    rating = rng.integers(1, 6, seen.sum())
    np.savez(source / "ratings.npz", user=user[seen], item=item[seen], rating=rating)
    texts = [{"item": number, "profile": f"film {number}"} for number in range(30)]
    (source / "items.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
    training = f"TRAINING=--disliked @/disliked.jsonl {TINY.format(2)}"
    films = Study("ml-1m", tmp_path / "work", f"SOURCE={source}", "USERS=30", "NOISES=0 0.2", "METHODS=bpr", "SEEDS=1")
    films("disliked", training)
    found = {r["metric"]: r["value"] for r in films.table("disliked-0.2.jsonl")}
    assert list(found) == ["recall", "ndcg", "disliked-share", "liked-auc"] and all(0 < v < 1 for v in found.values())
    assert "liked-auc (test)" in (films.work / "small" / "tables" / "disliked.svg").read_text()

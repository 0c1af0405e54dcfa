"""Cases of public bug reports that were good when they were tried: they stay so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import read_jsonl, write_jsonl

from llmhd_tools.cli.app import main


def llmhd(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own."""
    line = [sys.executable, "-m", "llmhd_tools", *map(str, words)]
    env = os.environ | environment
    return subprocess.run(line, env=env, capture_output=True, text=True, encoding="utf-8", check=False)


def test_a_user_who_has_every_item_is_refused_at_once(tiny: Path) -> None:
    """Sampling a negative for such a user would never end."""
    rows = [{"user": "u", "item": f"i{n}"} for n in range(12)] + [{"user": "v", "item": "i1"}]
    train = write_jsonl(tiny / "full.jsonl", rows)
    done = llmhd("run", train, "--valid", train, "--epochs", 1, "--device", "cpu", "-o", tiny / "run")
    assert done.returncode == 1 and "user 'u' touched every item" in done.stderr


def test_numbers_and_texts_are_the_same_ids(trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Ids of two types would join nothing, and all metrics would be 0."""
    train = [{"user": n % 5, "item": n} for n in range(20)]
    write_jsonl(trained / "n.jsonl", train)
    words = [
        "train-epoch",
        trained / "n.jsonl",
        "--dim",
        4,
        "--batch",
        8,
        "-q",
        "-o",
        trained / "m.npz",
        "--embeddings",
        trained / "z.npz",
    ]
    assert main([str(word) for word in words]) == 0
    found = []
    for kind in (int, str):
        rows = [{"user": kind(n % 5), "item": kind(n + 1)} for n in range(0, 19, 3)]
        write_jsonl(trained / "t.jsonl", rows)
        capfd.readouterr()
        assert (
            main(
                [
                    "evaluate",
                    str(trained / "z.npz"),
                    str(trained / "t.jsonl"),
                    "--exclude",
                    str(trained / "n.jsonl"),
                    "-q",
                ]
            )
            == 0
        )
        found.append(capfd.readouterr().out)
    assert found[0] == found[1] and json.loads(found[0].splitlines()[0])["value"] > 0


@pytest.mark.parametrize("backbone", ["lightgcn", "sgl"])
def test_threads_change_no_byte(tiny: Path, backbone: str) -> None:
    for threads in (1, 2):
        words = [
            "--backbone",
            backbone,
            "--epochs",
            3,
            "--dim",
            8,
            "--batch",
            32,
            "--device",
            "cpu",
            "--threads",
            threads,
        ]
        done = llmhd(
            "run", tiny / "train.jsonl", "--valid", tiny / "valid.jsonl", *words, "-o", tiny / f"run-{threads}"
        )
        assert done.returncode == 0, done.stderr
    for name in ("best.npz", "metrics.jsonl"):
        assert (tiny / "run-1" / name).read_bytes() == (tiny / "run-2" / name).read_bytes()


def test_a_loss_that_is_not_finite_stops_with_its_step(tiny: Path) -> None:
    words = ["--epochs", 3, "--dim", 8, "--batch", 32, "--device", "cpu", "--lr", "1e20"]
    done = llmhd("run", tiny / "train.jsonl", "--valid", tiny / "valid.jsonl", *words, "-o", tiny / "run")
    assert done.returncode == 1 and "the loss is not finite at epoch" in done.stderr and "Warning" not in done.stderr


def test_k_above_the_number_of_items(trained: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = [
        "evaluate",
        trained / "emb-3.npz",
        trained / "test.jsonl",
        "--exclude",
        trained / "train.jsonl",
        "--at",
        "1,20,500",
    ]
    assert main([str(w) for w in [*words, "--metrics", "precision,recall,ndcg,hit,mrr,map", "-q"]]) == 0
    values = {(r["metric"], r["k"]): r["value"] for r in map(json.loads, capfd.readouterr().out.splitlines())}
    assert all(0 <= value <= 1 for value in values.values())
    held_out = read_jsonl(trained / "test.jsonl")
    per_user = len(held_out) / len({row["user"] for row in held_out})
    assert values["recall", 500] == 1 and values["precision", 500] == pytest.approx(per_user / 500)
    assert values["ndcg", 500] == values["ndcg", 20] and values["mrr", 500] == values["mrr", 20]


@pytest.mark.parametrize(
    "environment", [{"LC_ALL": "POSIX"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_terminals_in_ascii(trained: Path, environment: dict[str, str]) -> None:
    for words in (["run", "--help"], ["import", "--help"], ["prune", "--help"], ["validate", trained / "train.jsonl"]):
        done = llmhd(*words, **environment)
        assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    (trained / "ü.csv").write_text("user,item\nzoé,ü\n", encoding="utf-8")
    done = llmhd("import", "csv", trained / "ü.csv", "-o", trained / "out", "--split", "none", **environment)
    assert done.returncode == 0 and read_jsonl(trained / "out" / "interactions.jsonl") == [{"user": "zoé", "item": "ü"}]
    done = llmhd("validate", trained / "none-ü.jsonl", **environment)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1

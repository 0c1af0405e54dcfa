"""``run --scorer``: a program in the place of ``score``, the same as in the pipe; and the oracle of the studies."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORACLE = ROOT / "examples" / "oracle" / "oracle.py"
SHARED_WORDS = ROOT / "examples" / "swap-a-stage" / "shared_words.py"


def oracle(error, seed=1):
    return shlex.join([sys.executable, str(ORACLE), "train.jsonl", str(error), str(seed)])


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_the_same_bytes_as_the_pipe(llmhd, words, stages, loss):
    """llmhd score as the program: its words are the stage's, the files are the pipe's."""
    scorer = f"{sys.executable} -m llmhd_tools score"
    llmhd(*words(loss, "llmhd", "--keep", "--scorer", scorer, "-o", "by-scorer"))
    llmhd.stages(stages(loss, "llmhd"))
    for epoch in (3, 4):
        for name in ("judged.jsonl", "verdicts.jsonl", "embeddings.npz", "model.npz"):
            ours = llmhd.folder / "by-scorer" / f"epoch-{epoch}" / name
            assert ours.read_bytes() == (llmhd.folder / f"epoch-{epoch}-{name}").read_bytes(), name
        profiles = llmhd.folder / "by-scorer" / f"epoch-{epoch}" / "profiles.jsonl"
        assert profiles.read_bytes() == (llmhd.folder / f"profiles-{epoch}.jsonl").read_bytes()


def test_a_resumed_run_takes_the_same_profiles(llmhd, words, snapshot):
    line = words("bpr", "llmhd", "--keep", "--scorer", f"{sys.executable} -m llmhd_tools score")
    llmhd(*line, "-o", "whole")
    llmhd(*line, "--epochs", 3, "-o", "halves")
    llmhd(*line, "--resume", "-o", "halves")
    assert snapshot(llmhd.folder / "halves") == snapshot(llmhd.folder / "whole")


@pytest.mark.parametrize(
    ("scorer", "code", "told"),
    [
        ("", 2, "--scorer names no program"),
        ("'x", 2, "no closing quotation"),
        ("no-such-program", 2, "--scorer no-such-program: no such program; a script goes with"),
        (f"{sys.executable} -c 'raise SystemExit(3)'", 1, "noisy.jsonl: the scorer ended with exit code 3"),
        (f"{sys.executable} -c 'print(1)'", 1, "judged.jsonl:1: is not a JSON object"),
    ],
)
def test_a_scorer_that_fails(llmhd, words, scorer, code, told):
    llmhd("summarize", "train.jsonl", "--items", "items.jsonl", "-o", "p.jsonl")
    found, out = llmhd.run(*words("bpr", "llmhd", "--profiles", "p.jsonl", "-q", "--scorer", scorer, "-o", "run"))
    assert (found, out) == (code, b"") and told in llmhd.err and llmhd.err.count("\n") == 1
    assert not list(llmhd.folder.rglob("judged.jsonl")) or "judged.jsonl:1" in told


def test_a_program_that_is_not_there_is_told_before_any_epoch(llmhd, words):
    (llmhd.folder / "mine.py").write_text("#!/usr/bin/env python3\n")  # not executable
    for scorer in ("mine.py", "./mine.py"):
        assert f"--scorer {scorer}: no such program" in llmhd.refused(
            2, *words("bpr", "llmhd", "--scorer", scorer, "-o", "run")
        )
    assert not (llmhd.folder / "run").exists()


def test_the_example_is_a_scorer_as_it_stands(llmhd, words):
    llmhd(*words("bpr", "llmhd", "--keep", "--scorer", shlex.join([sys.executable, str(SHARED_WORDS)]), "-o", "run"))
    judged = [json.loads(line) for line in (llmhd.folder / "run" / "epoch-4" / "judged.jsonl").open()]
    assert {"score", "negative_score"} <= next(row for row in judged if row["candidate"]).keys()
    assert "the scorer gave none" not in llmhd.err


def test_a_scorer_that_loses_rows_is_refused(llmhd, words):
    told = llmhd.run(*words("bpr", "llmhd", "--scorer", "sh -c 'head -n 9'", "-o", "run"))
    assert told[0] == 1 and "the scorer returned 9 of " in llmhd.err.splitlines()[-1]


def test_a_scorer_without_a_score_is_told(llmhd, words):
    llmhd(*words("bpr", "llmhd", "--scorer", "cat", "-o", "run"))
    assert "candidates a score, so it rescues none" in llmhd.err


def test_a_scorer_is_for_llmhd_and_never_from_a_config_file(llmhd, words):
    assert "--scorer judges for --denoise llmhd, and for --clean" in llmhd.refused(
        2, *words("bpr", "none", "--scorer", "true", "-o", "run")
    )
    (llmhd.folder / "x.toml").write_text('scorer = "touch owned"\n')
    told = llmhd.refused(2, *words("bpr", "llmhd", "--config", "x.toml", "-o", "run"))
    assert "'scorer' runs a program, so it must stand on the command line" in told
    assert not (llmhd.folder / "owned").exists()


def test_the_oracle_knows_and_errs_as_told(llmhd, words):
    """Without errors all that is rescued is clean and all noise is dropped; errors come in the share that is asked for."""
    rule = ("--no-update", "--candidates", 1, "--max-noise", 1, "--alpha", 1, "--keep", "--noise")
    llmhd(*words("bpr", "llmhd", *rule, "--scorer", oracle(0), "-o", "perfect"))
    marks = {(r["user"], r["item"]): r["noise"] for r in map(json.loads, (llmhd.folder / "train.jsonl").open())}
    verdicts = [json.loads(line) for line in (llmhd.folder / "perfect" / "epoch-4" / "verdicts.jsonl").open()]
    assert len(verdicts) == len(marks), "everything is judged"
    assert all((v["verdict"] == "dropped") == marks[v["user"], v["item"]] for v in verdicts)
    llmhd(*words("bpr", "llmhd", *rule, "--scorer", oracle(0.3), "-o", "wrong"))
    judged = [json.loads(line) for line in (llmhd.folder / "wrong" / "epoch-4" / "judged.jsonl").open()]
    scores = {(r["user"], r["item"]): r["score"] for r in judged}
    wrong = sum((scores[pair] == 10) == noise for pair, noise in marks.items())
    assert {*scores.values()} == {1, 10} and abs(wrong / len(marks) - 0.3) < 3 * (0.21 / len(marks)) ** 0.5
    earlier = [json.loads(line) for line in (llmhd.folder / "wrong" / "epoch-3" / "judged.jsonl").open()]
    assert all(scores[r["user"], r["item"]] == r["score"] for r in earlier), "wrong about a pair is wrong for good"

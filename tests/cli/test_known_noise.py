"""``evaluate --noise --verdicts`` against counting by hand; ``run --noise`` writes the same numbers for every epoch."""

from __future__ import annotations

import json
import random

import pytest

from llmhd_tools.cli.app import main


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


def mark(folder, seed=5):
    """Marks on train.jsonl: a fifth noise, of the rest a third hard; the pairs of each."""
    draw, rows = random.Random(seed), read(folder / "train.jsonl")
    for row in rows:
        row["noise"] = draw.random() < 0.2
        row["hard"] = not row["noise"] and draw.random() < 0.33
    write(folder / "train.jsonl", rows)
    return {name: {(r["user"], r["item"]) for r in rows if r[name]} for name in ("noise", "hard")} | {
        "all": {(r["user"], r["item"]) for r in rows}
    }


def reference(verdicts, marks):
    """All metrics of one epoch's verdicts, over the noisy positives."""
    rows = [((r["user"], r["item"]), r["verdict"]) for r in verdicts if r.get("label", 1) == 1]
    dropped, kept = ([pair for pair, verdict in rows if verdict == v] for v in ("dropped", "hard"))
    noise, hard, clean = marks["noise"], marks["hard"], marks["all"] - marks["noise"]
    wins = [((a in dropped) - (b in dropped) + 1) / 2 for a in noise for b in clean]
    found = {
        "dropped-precision": [pair in noise for pair in dropped],
        "dropped-recall": [pair in dropped for pair in noise],
        "dropped-auc": wins,
        "hard-clean": [pair not in noise for pair in kept],
        "hard-recall": [verdict == "hard" for pair, verdict in rows if pair in hard],
    }
    return {name: sum(values) / len(values) for name, values in found.items() if values}


def values(records):
    return {r["metric"]: r["value"] for r in records if r["metric"].startswith(("dropped-", "hard-"))}


def evaluate(folder, capfd, *words):
    line = ["evaluate", str(folder / "emb-3.npz"), str(folder / "test.jsonl"), "--noise", str(folder / "train.jsonl")]
    assert main([*line, *words]) == 0
    return [json.loads(text) for text in capfd.readouterr().out.splitlines()]


@pytest.mark.parametrize("pointwise", [False, True])
def test_counted_by_hand(trained, capfd, pointwise):
    marks, draw = mark(trained), random.Random(2)
    verdicts = read(trained / "verdicts-3.jsonl")
    for row in verdicts:
        row["verdict"] = draw.choice(["hard", "dropped"])
        if pointwise:  # a negative may be a noisy pair of another user; it says nothing about positives
            del row["negative"]
            row["label"] = int(draw.random() < 0.7)
    path = write(trained / "mine.jsonl", verdicts)
    found = values(evaluate(trained, capfd, "--verdicts", path))
    wanted = reference(verdicts, marks)
    assert len(wanted) == 5
    assert found == pytest.approx(wanted, abs=1e-12)


def test_what_has_no_value_is_left_out(trained, capfd):
    mark(trained)
    rows = [row | {"verdict": "dropped"} for row in read(trained / "verdicts-3.jsonl")]
    path = write(trained / "mine.jsonl", rows)
    assert "hard-clean" not in values(evaluate(trained, capfd, "--verdicts", path))  # nothing was kept
    (trained / "empty.jsonl").touch()
    found = values(evaluate(trained, capfd, "--verdicts", str(trained / "empty.jsonl")))
    assert found == {"dropped-recall": 0.0, "dropped-auc": 0.5}
    rows = read(trained / "train.jsonl")
    write(trained / "train.jsonl", [{k: v for k, v in row.items() if k != "hard"} for row in rows])
    assert "hard-recall" not in values(evaluate(trained, capfd, "--verdicts", path))
    write(trained / "train.jsonl", [row | {"noise": False} for row in rows])
    found = values(evaluate(trained, capfd, "--verdicts", path))
    assert found["dropped-precision"] == 0 and "dropped-auc" not in found


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_run_writes_them_for_every_epoch(tiny, loss):
    marks = mark(tiny)
    words = [
        "run",
        str(tiny / "train.jsonl"),
        "--valid",
        str(tiny / "valid.jsonl"),
        "--items",
        str(tiny / "items.jsonl"),
    ]
    words += ["--denoise", "llmhd", "--loss", loss, "--epochs", "4", "--dim", "8", "--batch", "64", "--noise", "--keep"]
    assert main([*words, "--alpha", "2", "--max-noise", "0.3", "-o", str(tiny / "run"), "-q"]) == 0
    metrics = read(tiny / "run" / "metrics.jsonl")
    for epoch in (3, 4):
        wanted = reference(read(tiny / "run" / f"epoch-{epoch}" / "verdicts.jsonl"), marks)
        found = values([r for r in metrics if r["epoch"] == epoch and r["split"] == "train"])
        assert found == pytest.approx(wanted, abs=1e-12) and "dropped-auc" in found
    assert not values([r for r in metrics if r["epoch"] < 3])


@pytest.mark.parametrize(("denoise", "names"), [
    ("t-ce", {"dropped-precision", "dropped-recall", "dropped-auc"}), ("r-ce", {"weight-auc"}), ("none", set()),
    ("rgcf", {"dropped-precision", "dropped-recall", "weight-auc"}),
])  # fmt: skip
def test_denoisers_in_the_step_are_measured_too(tiny, denoise, names):
    marks = mark(tiny)
    words = ["run", str(tiny / "train.jsonl"), "--valid", str(tiny / "valid.jsonl"), "--noise", "--denoise", denoise]
    words += ["--epochs", "3", "--dim", "8", "--batch", "64", "-o", str(tiny / "run"), "-q"]
    options = {"t-ce": ["max-drop=0.3", "ramp=1"], "rgcf": ["prune=0.5"]}.get(denoise, [])
    assert main([*words, *(word for option in options for word in ("--set", option))]) == 0
    records = [r for r in read(tiny / "run" / "metrics.jsonl") if r["epoch"] == 3 and r["split"] == "train"]
    found = {r["metric"]: r["value"] for r in records if r["metric"].startswith(("dropped-", "weight-"))}
    assert set(found) == names and all(0 <= value <= 1 for value in found.values())
    if denoise == "t-ce":  # of 0 and 1: the AUC is the middle of recall and of what is spared
        noise, dropped = len(marks["noise"]), found["dropped-recall"] * len(marks["noise"])
        wrong = dropped / found["dropped-precision"] - dropped
        assert found["dropped-auc"] == pytest.approx((1 + dropped / noise - wrong / (len(marks["all"]) - noise)) / 2)

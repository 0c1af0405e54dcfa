"""``diagnose`` on the tiny data: its records agree with the measures, its AUCs with counting, both forms with each other."""

from __future__ import annotations

import json

import numpy as np
import pytest

from llmhd_tools.cli.app import main
from llmhd_tools.core.diagnosis import Probe, summary
from llmhd_tools.core.graph import Graph
from llmhd_tools.files.tables import read_table
from llmhd_tools.files.tensors import read_tensors
from llmhd_tools.stages.dataset import by_user

HISTORY = ("emb-1.npz", "emb-2.npz", "emb-3.npz")


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def marked(trained):
    """The trained data; every fourth train row is noise, and the first row stands twice."""
    rows = [r | {"noise": n % 4 == 1} for n, r in enumerate(lines((trained / "train.jsonl").read_text()))]
    (trained / "marked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))
    return trained


def diagnose(folder, capfd, *words):
    history = [str(folder / name) for name in HISTORY]
    assert main(["diagnose", str(folder / "marked.jsonl"), "--history", *history, *map(str, words)]) == 0
    captured = capfd.readouterr()
    return lines(captured.out), captured.err


def groups(folder, held_out, window=5, share=0.25):
    """The measures of every epoch, by the functions of the core."""
    table = read_table(str(folder / "marked.jsonl"), "interactions")
    graph = Graph.of(table["user"], table["item"], len(table.users), len(table.items))
    others = read_table(str(folder / "test.jsonl"), "interactions") if held_out else None
    noisy = np.arange(len(graph)) % 4 == 1
    probe = Probe.draw(graph, noisy, 2, by_user(others, table.users, table.items) if others else None)
    past = []
    for name in HISTORY:
        past.append(probe.predictions(read_tensors(str(folder / name), "embeddings").aligned(table.users, table.items)))
        now = past[-window:]
        yield {"all": probe.figure_1(now, "raw"), "high-loss": probe.high_loss(now, share, "raw")}


def wins(above, below):
    return float(np.mean([(a > b) + (a == b) / 2 for a in above for b in below]))


@pytest.mark.parametrize(("held_out", "window"), [(False, 5), (True, 2)])
def test_records(marked, capfd, held_out, window):
    words = ["--max-noise", 0.25, "--link", "raw", "--seed", 2, "--window", window]
    records, said = diagnose(marked, capfd, *words, *(["--held-out", marked / "test.jsonl"] if held_out else []))
    found = {tuple(v for v in r.values() if v != r["value"]): r["value"] for r in records}
    wanted = {}
    for epoch, within in enumerate(groups(marked, held_out, window), start=1):
        for name, sides in within.items():
            total = sum(len(side["loss"]) for side in sides.values())
            for group, measures in sides.items():
                wanted[epoch, name, group, "count"] = len(measures["loss"])
                if name == "high-loss":
                    wanted[epoch, name, group, "share"] = len(measures["loss"]) / total
                for measure, values in measures.items():
                    for statistic, value in summary(values).items():
                        wanted[epoch, name, group, measure, statistic] = value
                    if group != "noisy":
                        key = (epoch, name, "noisy", group, measure, "auc")
                        wanted[key] = wins(sides["noisy"][measure], values)
    matched = {key: found.pop(key) for key in list(found) if key[-1] == "matched-auc"}
    assert set(matched) == {(epoch, "high-loss", "noisy", "clean", "variance", "matched-auc") for epoch in (2, 3)}
    assert found == pytest.approx(wanted, abs=1e-12)
    assert (1, "all", "easy", "variance", "mean") not in found and (2, "all", "easy", "variance", "mean") in found
    assert [line.split(":")[1].strip() for line in said.splitlines()] == ["epoch 1", "epoch 2", "epoch 3"]


def test_scores(marked, capfd):
    texts = ["--profiles", marked / "profiles.jsonl", "--items", marked / "items.jsonl"]
    plain, _ = diagnose(marked, capfd)
    records, _ = diagnose(marked, capfd, *texts, "--scored", 10)
    assert [r for r in records if r.get("measure") != "score"] == plain
    scores = [r for r in records if r.get("measure") == "score"]
    assert {(r["group"], r.get("against")) for r in scores} >= {("easy", None), ("noisy", None), ("noisy", "hard")}
    assert all(1 <= r["value"] <= 10 for r in scores if r["statistic"] in ("mean", "q05", "q50", "q95"))
    assert (
        main(["diagnose", str(marked / "marked.jsonl"), "--history", str(marked / HISTORY[0]), *map(str, texts[:2])])
        == 2
    )
    assert "--items" in capfd.readouterr().err


def test_both_forms_are_twins(marked, capfd):
    diagnose(marked, capfd, "-q", "-o", marked / "out.jsonl")
    diagnose(marked, capfd, "-q", "-o", marked / "out.npz")
    assert main(["validate", str(marked / "out.npz"), str(marked / "out.jsonl"), "-q"]) == 0
    assert main(["convert", str(marked / "out.npz"), str(marked / "again.jsonl")]) == 0
    assert (marked / "again.jsonl").read_bytes() == (marked / "out.jsonl").read_bytes()


def test_train_without_marks_is_refused(trained, capfd):
    assert main(["diagnose", str(trained / "train.jsonl"), "--history", str(trained / "emb-1.npz")]) == 1
    assert "train.jsonl: has no 'noise' marks" in capfd.readouterr().err
    assert main(["diagnose", str(trained / "train.jsonl")]) == 2
    assert "--history" in capfd.readouterr().err

"""``run --select``: the epoch that it calls best is the best one by a value worked out from the kept embeddings."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from llmhd_tools.core.sampling import draw_negatives
from llmhd_tools.core.seeds import generator
from llmhd_tools.files.tensors import read_tensors
from llmhd_tools.stages.dataset import read_dataset

EPOCHS, SEED = 8, 3


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def pairs(folder, name):
    return [(row["user"], row["item"]) for row in lines(folder / f"{name}.jsonl")]


def negatives(folder):
    """The negative of each validation row: what the user has in neither part, from (seed, "valid")."""
    dataset = read_dataset(str(folder / "train.jsonl"))
    graph, valid = dataset.graph, pairs(folder, "valid")
    user, item = (np.array([ids.index[str(pair[side])] for pair in valid], np.int32) for side, ids in
                  enumerate((dataset.users, dataset.items)))  # fmt: skip
    both = type(graph).of(
        np.concatenate([graph.user, user]), np.concatenate([graph.item, item]), graph.n_users, graph.n_items
    )
    return dataset.items.take(draw_negatives(both, user, generator(SEED, 0, "valid")))


def scores(folder, epoch):
    z = read_tensors(str(folder / "run" / f"epoch-{epoch}" / "embeddings.npz"), "embeddings")
    user, item = ({name: row.astype(float) for name, row in zip(ids.names, z.arrays[side], strict=True)}
                  for side, ids in (("user", z.users), ("item", z.items)))  # fmt: skip
    return lambda u, i: float(user[u] @ item[i])


def reference(folder, loss, epoch, trim):
    """(rows that stay, the mean loss) of one epoch."""
    score, valid = scores(folder, epoch), pairs(folder, "valid")
    softplus = np.logaddexp
    own, others = [], []
    for (u, i), j in zip(valid, negatives(folder), strict=True):
        own.append(softplus(0, score(u, j) - score(u, i)) if loss == "bpr" else softplus(0, -score(u, i)))
        others += [] if loss == "bpr" else [softplus(0, score(u, j))]
    stay = sorted(range(len(own)), key=lambda row: -own[row])[math.floor(trim * len(own)) :]
    return [valid[row] for row in stay], float(np.mean([own[row] for row in stay] + others))


def recall(folder, epoch, rows, k=5):
    score, train = scores(folder, epoch), set(pairs(folder, "train"))
    items, found = {item for _, item in train}, {}
    for user, item in rows:
        ranked = sorted((i for i in items if (user, i) not in train), key=lambda i: -score(user, i))[:k]
        found.setdefault(user, []).append(item in ranked)
    return float(np.mean([np.mean(hits) for hits in found.values()]))


@pytest.mark.parametrize(
    ("select", "metric", "trim", "loss"),
    [
        ("loss", "loss", 0.0, "bpr"),
        ("loss", "loss", 0.0, "bce"),
        ("trimmed", "trimmed-loss", 0.2, "bpr"),
        ("trimmed:loss:0.5", "trimmed-loss", 0.5, "bce"),
        ("trimmed:recall@5:0.3", "trimmed-recall", 0.3, "bpr"),
        ("trimmed:recall@5:0.3", "trimmed-recall", 0.3, "bce"),
    ],
)
def test_the_best_epoch_is_the_best(llmhd, words, select, metric, trim, loss):
    more = ["--epochs", EPOCHS, "--lr", 0.2, "--select", select, "--keep", "-o", "run"]
    llmhd(*words(loss, "none"), *more)
    wanted = []
    for epoch in range(1, EPOCHS + 1):
        rows, value = reference(llmhd.folder, loss, epoch, trim)
        wanted.append(value if metric.endswith("loss") else recall(llmhd.folder, epoch, rows))
    records = [
        r for r in lines(llmhd.folder / "run" / "metrics.jsonl") if (r["split"], r["metric"]) == ("valid", metric)
    ]
    found = [r["value"] for r in records]
    assert found == pytest.approx(wanted, abs=1e-6) and [r["epoch"] for r in records] == list(range(1, EPOCHS + 1))
    assert len(set(found)) > 3
    best = min(found) if metric.endswith("loss") else max(found)
    progress = json.loads((llmhd.folder / "run" / "progress.json").read_text())
    assert progress["best_epoch"] == found.index(best) + 1
    (told,) = [line for line in llmhd.err.splitlines() if line.startswith("run: best epoch ")]
    assert f"valid {select} {best:.4f}" in told
    tested = {r["epoch"] for r in lines(llmhd.folder / "run" / "metrics.jsonl") if r["split"] == "test"}
    assert tested == {progress["best_epoch"]}


def test_what_chooses_the_epoch_changes_nothing_else(llmhd, words, snapshot):
    for name, select in (("a", "ndcg@10"), ("b", "trimmed"), ("c", "trimmed:loss")):
        llmhd(*words("bpr", "llmhd"), "--select", select, "--keep", "-o", name)
    a, b, c = ({k: v for k, v in snapshot(llmhd.folder / name).items() if k != "settings.json"} for name in "abc")
    assert b == c
    own = ("metrics.jsonl", "progress.json", "best.npz")
    assert {k: v for k, v in a.items() if k not in own} == {k: v for k, v in b.items() if k not in own}


def test_a_trimmed_run_goes_on_as_if_unbroken(llmhd, words, snapshot):
    line = [*words("bpr", "none"), "--select", "trimmed", "--lr", 0.2]
    llmhd(*line, "--epochs", 6, "-o", "whole")
    llmhd(*line, "--epochs", 2, "-o", "parts")
    llmhd(*line, "--epochs", 6, "-o", "parts", "--resume")
    assert snapshot(llmhd.folder / "whole") == snapshot(llmhd.folder / "parts")


@pytest.mark.parametrize(
    "select", ["ndcg", "ndcg@0", "ndcg@x", "trimmed:", "trimmed:ndcg", "other:ndcg@10", "loss@5", ""]
)
def test_what_is_no_selection_is_refused(llmhd, words, select):
    assert "--select" in llmhd.refused(2, *words("bpr", "none"), "--select", select, "-o", "run")
    assert not (llmhd.folder / "run").exists()


def test_rows_without_embedding_have_no_loss(llmhd, words):
    path = llmhd.folder / "valid.jsonl"
    kept = path.read_text()
    llmhd(*words("bpr", "none"), "--epochs", 1, "--select", "trimmed", "-o", "plain")
    path.unlink()
    path.write_text(json.dumps({"user": "u0", "item": "new"}) + "\n" + kept)
    llmhd(*words("bpr", "none"), "--epochs", 1, "--select", "trimmed", "--unknown", "miss", "-o", "run")
    plain, run = (
        [r["value"] for r in lines(llmhd.folder / name / "metrics.jsonl") if r["metric"] == "trimmed-loss"]
        for name in ("plain", "run")
    )
    assert plain == run
    path.write_text(json.dumps({"user": "u0", "item": "new"}) + "\n")
    line = [*words("bpr", "none"), "--epochs", 1, "--unknown", "miss", "-q", "-o", "none"]
    assert "no row has an embedding" in llmhd.refused(1, *line, "--select", "trimmed")

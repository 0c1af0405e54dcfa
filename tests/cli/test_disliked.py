"""``evaluate --disliked`` and ``run --disliked`` against the definitions, worked out pair by pair in plain Python."""

from __future__ import annotations

import json

import numpy as np
import pytest

from llmhd_tools.cli.app import main
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.tensors import Tensors, read_tensors, write_tensors

USERS, ITEMS = 12, 15
SHARES = {"train": 0.3, "valid": 0.1, "test": 0.2, "disliked": 0.2}


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_jsonl(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.fixture(params=["distinct", "ties"])
def measured(request, tmp_path):
    """A folder with embeddings and interactions. User 0 dislikes nothing, user 1 has no test item; train holds a dislike."""
    rng = np.random.default_rng(4)
    z = rng.normal(size=(USERS + ITEMS, 4)).astype(np.float32)
    if request.param == "ties":
        z = np.round(z)
    users, items = Ids([f"u{n}" for n in range(USERS)]), Ids(list(range(ITEMS)))
    write_tensors(
        str(tmp_path / "emb.npz"),
        Tensors("embeddings", {"user": z[:USERS], "item": z[USERS:]}, users, items, {"epoch": 3}),
    )
    part = rng.choice(list(SHARES), size=(USERS, ITEMS), p=np.array(list(SHARES.values())) / sum(SHARES.values()))
    part[0][part[0] == "disliked"] = "train"
    part[1][part[1] == "test"] = "train"
    for name in SHARES:
        rows = [{"user": f"u{u}", "item": int(i)} for u, i in zip(*np.nonzero(part == name), strict=True)]
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    return tmp_path


def pairs(folder, name):
    return {(row["user"], row["item"]) for row in read_jsonl(folder / f"{name}.jsonl")}


def score_of(folder):
    z = read_tensors(str(folder / "emb.npz"), "embeddings")
    scores = z.arrays["user"].astype(np.float64) @ z.arrays["item"].astype(np.float64).T
    return {(u, i): scores[a, b] for a, u in enumerate(z.users.names) for b, i in enumerate(z.items.names)}


def evaluate(folder, *words):
    line = ["evaluate", str(folder / "emb.npz"), str(folder / "test.jsonl"), "--at", "2,5,20", *words, "-q"]
    for name in ("train", "valid"):
        line += ["--exclude", str(folder / f"{name}.jsonl")]
    assert main([*line, "-o", str(folder / "out.jsonl")]) == 0
    return read_jsonl(folder / "out.jsonl")


def reference_share(folder, k):
    """Of each user with dislikes, the disliked share of the first k; None where ties leave the list open."""
    score, hidden = score_of(folder), pairs(folder, "train") | pairs(folder, "valid")
    disliked = pairs(folder, "disliked") - hidden
    shares = {}
    for user in {u for u, _ in disliked}:
        ranked = sorted((i for u, i in score if u == user and (u, i) not in hidden), key=lambda i: -score[user, i])
        shares[user] = sum((user, item) in disliked for item in ranked[:k]) / k
    return shares


def reference_auc(folder):
    score, hidden = score_of(folder), pairs(folder, "train") | pairs(folder, "valid")
    liked, disliked = pairs(folder, "test"), pairs(folder, "disliked") - hidden
    found = {}
    for user in {u for u, _ in liked} & {u for u, _ in disliked}:
        above = [score[p] for p in liked if p[0] == user]
        below = [score[p] for p in disliked if p[0] == user]
        wins = [(a > b) + (a == b) / 2 for a in above for b in below]
        found[user] = sum(wins) / len(wins)
    return found


def values(records, metric, k=None, user=False):
    found = [r for r in records if r["metric"] == metric and r.get("k") == k and ("user" in r) == user]
    return {r["user"]: r["value"] for r in found} if user else [r["value"] for r in found]


@pytest.mark.parametrize("overlap", [False, True])
def test_against_the_definitions(measured, overlap):
    if overlap:  # dislikes that train or valid hold are not held out
        both = [
            {"user": u, "item": i} for name in ("disliked", "train", "valid") for u, i in sorted(pairs(measured, name))
        ]
        write_jsonl(measured / "disliked.jsonl", both)
    records = evaluate(measured, "--disliked", str(measured / "disliked.jsonl"), "--per-user")
    own = reference_auc(measured)
    assert 5 < len(own) < USERS
    assert values(records, "liked-auc", user=True) == pytest.approx(own, abs=1e-12)
    assert values(records, "liked-auc") == [pytest.approx(sum(own.values()) / len(own), abs=1e-12)]
    z = read_tensors(str(measured / "emb.npz"), "embeddings")
    if np.array_equal(z.arrays["user"], np.round(z.arrays["user"])):
        return  # of equal scores any may be listed
    for k in (2, 5, 20):
        shares = reference_share(measured, k)
        assert values(records, "disliked-share", k, user=True) == pytest.approx(shares)
        assert values(records, "disliked-share", k) == [pytest.approx(sum(shares.values()) / len(shares))]
    assert {(r["epoch"], r["split"]) for r in records} == {(3, "test")}


def test_the_other_metrics_stay_as_they_are(measured):
    plain = evaluate(measured)
    with_dislikes = evaluate(measured, "--disliked", str(measured / "disliked.jsonl"))
    assert with_dislikes[: len(plain)] == plain
    assert [r["metric"] for r in with_dislikes[len(plain) :]] == ["disliked-share"] * 3 + ["liked-auc"]


def test_dislikes_without_embedding(measured, capfd):
    kept = evaluate(measured, "--disliked", str(measured / "disliked.jsonl"))
    with (measured / "disliked.jsonl").open("a") as more:
        more.write('{"user": "u3", "item": "nobody knows"}\n{"user": "stranger", "item": 2}\n')
    for unknown in ("skip", "miss"):
        assert evaluate(measured, "--disliked", str(measured / "disliked.jsonl"), "--unknown", unknown) == kept
    bad = ["evaluate", str(measured / "emb.npz"), str(measured / "test.jsonl")]
    assert main([*bad, "--disliked", str(measured / "disliked.jsonl")]) == 1
    assert "disliked.jsonl:" in capfd.readouterr().err.splitlines()[-1]


def test_nothing_that_could_be_recommended(measured, capfd):
    train = str(measured / "train.jsonl")
    line = [
        "evaluate",
        str(measured / "emb.npz"),
        str(measured / "test.jsonl"),
        "--exclude",
        train,
        "--disliked",
        train,
    ]
    assert main([*line, "-o", str(measured / "out.jsonl")]) == 0
    assert "holds no pair that could be recommended" in capfd.readouterr().err
    assert {r["metric"] for r in read_jsonl(measured / "out.jsonl")} == {"recall", "ndcg"}


def test_run_measures_the_best_epoch_as_evaluate_does(tiny, capfd):
    rows = [{"user": f"u{u}", "item": f"i{(u * 7 + 3) % 20}"} for u in range(30)]
    disliked = str(write_jsonl(tiny / "disliked.jsonl", rows))
    words = ["run", str(tiny / "train.jsonl"), "--valid", str(tiny / "valid.jsonl"), "--dim", "8", "--batch", "64"]
    words += ["--epochs", "3", "--disliked", disliked, "-o", str(tiny / "run"), "-q"]
    assert main(words) == 2
    assert "--test" in capfd.readouterr().err
    assert not (tiny / "run").exists()
    assert main([*words, "--test", str(tiny / "test.jsonl")]) == 0
    printed = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    line = [
        "evaluate",
        str(tiny / "run" / "best.npz"),
        str(tiny / "test.jsonl"),
        "--disliked",
        disliked,
        "--at",
        "5,10",
    ]
    line += ["--exclude", str(tiny / "train.jsonl"), "--exclude", str(tiny / "valid.jsonl")]
    assert main(line) == 0
    assert printed == [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    metrics = read_jsonl(tiny / "run" / "metrics.jsonl")
    assert [r for r in metrics if r["metric"] in ("disliked-share", "liked-auc")] == printed[-3:]

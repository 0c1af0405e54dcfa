"""What must not matter does not: text or binary, the ``noise`` marks, the ``row`` of a judged record."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import THRESHOLDS

LOSSES = ["bpr", "bce"]


def prepare(llmhd, stages, loss):
    """Files of a pipe up to the judged rows of epoch 3."""
    llmhd.stages(stages(loss, "llmhd", epochs=3))


def train(llmhd, name, *, data="train.jsonl", samples="epoch-3-samples.npz", judged="epoch-3-judged.jsonl"):
    """Model, embeddings and coming samples of epoch 3 of the prepared files, or of twins of them."""
    outputs = [f"{name}-{what}.npz" for what in ("model", "embeddings", "samples")]
    words = ["train-epoch", data, "--from", "epoch-2-model.npz", "--samples", samples, "--judged", judged]
    words += [*THRESHOLDS, "--device", "cpu", "--threads", 1]
    llmhd(*words, "-o", outputs[0], "--embeddings", outputs[1], "--next", outputs[2])
    return [(llmhd.folder / path).read_bytes() for path in outputs]


def step_of(llmhd, path):
    with np.load(llmhd.folder / path) as samples:
        return json.loads(samples["meta"].tobytes())["step"]


@pytest.mark.parametrize("loss", LOSSES)
def test_text_and_binary_inputs_train_the_same(llmhd, stages, loss):
    prepare(llmhd, stages, loss)
    wanted = [(llmhd.folder / f"epoch-3-{what}.npz").read_bytes() for what in ("model", "embeddings")]
    first = (llmhd.folder / "epoch-1-model.npz").read_bytes()
    for source, target in [
        ("train.jsonl", "train.npz"),
        ("epoch-3-judged.jsonl", "judged.npz"),
        ("epoch-3-samples.npz", "samples.jsonl"),
        ("epoch-3-samples.npz", "samples.jsonl.zst"),
    ]:
        llmhd("convert", source, target)
    again = [
        "train-epoch",
        "train.npz",
        "--device",
        "cpu",
        "--threads",
        1,
        "--loss",
        loss,
        "--dim",
        8,
        "--layers",
        2,
        "--batch",
        64,
    ]
    llmhd(*again, "--lr", 0.02, "--reg", 1e-4, "--seed", 3, "-o", "again.npz")
    assert (llmhd.folder / "again.npz").read_bytes() == first
    assert train(llmhd, "a")[:2] == wanted
    assert train(llmhd, "b", data="train.npz", judged="judged.npz") == train(llmhd, "a")
    assert train(llmhd, "c", samples="samples.jsonl") == train(llmhd, "a")
    assert train(llmhd, "d", samples="samples.jsonl.zst", judged="judged.npz") == train(llmhd, "a")


@pytest.mark.parametrize("selection", ["variance", "random"])
@pytest.mark.parametrize("loss", LOSSES)
def test_text_and_binary_samples_are_pruned_and_judged_the_same(llmhd, stages, loss, selection):
    prepare(llmhd, stages, loss)
    llmhd("convert", "epoch-3-samples.npz", "samples.jsonl")
    rest = ["--history", "epoch-1-embeddings.npz", "--history", "epoch-2-embeddings.npz", "--alpha", 12]
    rest += ["--max-noise", 0.3, "--selection", selection, "--seed", 3]
    noisy = llmhd("prune", "epoch-3-samples.npz", *rest)
    assert b'"candidate": true' in noisy and b'"candidate": false' in noisy
    assert llmhd("prune", "samples.jsonl", "--step", step_of(llmhd, "epoch-3-samples.npz"), *rest) == noisy
    assert "--step" in llmhd.refused(2, "prune", "samples.jsonl", *rest)

    llmhd("prune", "epoch-3-samples.npz", *rest, "-o", "noisy.npz")
    judge = ["--items", "items.jsonl", "--profiles", "profiles-2.jsonl"]
    judged = llmhd("score", "-", *judge, stdin=noisy)
    assert llmhd("score", "noisy.npz", *judge) == judged


def test_text_and_binary_interactions_give_the_same_profiles_and_measures(llmhd, stages):
    prepare(llmhd, stages, "bpr")
    for name in ("train", "valid", "test"):
        llmhd("convert", f"{name}.jsonl", f"{name}.npz")
    assert llmhd("summarize", "train.npz", "--items", "items.jsonl") == (llmhd.folder / "profiles-2.jsonl").read_bytes()
    measured = [
        llmhd(
            "evaluate",
            "epoch-3-embeddings.npz",
            f"test.{form}",
            "--exclude",
            f"train.{form}",
            "--exclude",
            f"valid.{form}",
        )
        for form in ("jsonl", "npz")
    ]
    assert measured[0] == measured[1]


@pytest.mark.parametrize(
    ("loss", "denoise"),
    [
        *((loss, denoise) for loss in LOSSES for denoise in ("none", "loss", "llmhd", "t-ce")),
        ("bpr", "r-ce"),
        ("bpr", "rgcf"),
        ("bce", "dcf"),
    ],
)
def test_the_noise_marks_change_nothing_but_what_is_measured_against_them(llmhd, words, snapshot, loss, denoise):
    """Marks as they are, turned round, or none: the same bytes, also of what is measured on held-out data."""
    kept = {name: (llmhd.folder / f"{name}.jsonl").read_text().splitlines() for name in ("train", "valid", "test")}
    kept["disliked"] = kept["test"][::2]
    held_out = ["--select", "trimmed:ndcg@5", "--disliked", "disliked.jsonl", "--unknown", "skip"]
    folders = []
    for name in ("marked", "flipped", "bare"):
        for part, rows in kept.items():
            path = llmhd.folder / f"{part}.jsonl"
            path.unlink(missing_ok=True)  # a link to the world's file
            records = [json.loads(row) for row in rows]
            for row, record in enumerate(records):
                noisy = record.pop("noise", row % 3 == 0) == (name == "marked")
                marks = {"noise": noisy, "hard": not noisy and row % 2 == 0, "rating": 1 if noisy else 5}
                record |= {} if name == "bare" else marks
            path.write_text("".join(json.dumps(record) + "\n" for record in records))
        llmhd(*words(loss, denoise, "--keep", *held_out, "-o", name))
        folders.append(snapshot(llmhd.folder / name))
    assert b"disliked-share" in folders[0]["metrics.jsonl"] and b"trimmed-ndcg" in folders[0]["metrics.jsonl"]
    assert folders[0] == folders[1] == folders[2]


def judged_records(llmhd):
    return [json.loads(line) for line in (llmhd.folder / "epoch-3-judged.jsonl").read_text().splitlines()]


def write_judged(llmhd, records):
    (llmhd.folder / "mine.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.mark.parametrize("loss", LOSSES)
def test_judged_rows_need_no_row(llmhd, stages, loss):
    prepare(llmhd, stages, loss)
    write_judged(llmhd, [{k: v for k, v in r.items() if k not in ("row", "model")} for r in judged_records(llmhd)])
    assert train(llmhd, "mine", judged="mine.jsonl")[1:] != train(llmhd, "bare", judged="/dev/null")[1:]
    with np.load(llmhd.folder / "mine-model.npz") as mine, np.load(llmhd.folder / "epoch-3-model.npz") as wanted:
        assert all(mine[name].tobytes() == wanted[name].tobytes() for name in wanted if name != "meta")


def test_a_pair_sampled_twice_in_a_batch_is_judged_twice_without_row(llmhd):
    """Pointwise negatives may repeat: one user, one item left to draw, so all negatives of a batch are the same pair."""
    rows = [{"user": "a", "item": item} for item in range(4)] + [{"user": "b", "item": 4}]
    (llmhd.folder / "tiny.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    begin = ["train-epoch", "tiny.jsonl", "--device", "cpu", "--threads", 1, "--loss", "bce", "--batch", 10, "--dim", 4]
    llmhd(*begin, "-o", "one.npz", "--next", "samples.npz")
    llmhd("prune", "samples.npz", "--alpha", 1, "--max-noise", 1, "-o", "noisy.jsonl")
    noisy = [json.loads(line) for line in (llmhd.folder / "noisy.jsonl").read_text().splitlines()]
    same = [r for r in noisy if (r["user"], r["item"]) == ("a", 4)]
    assert len(same) == 4
    models = []
    for kept in (noisy, [{k: v for k, v in r.items() if k != "row"} for r in noisy]):
        write_judged(llmhd, kept)
        words = [
            "train-epoch",
            "tiny.jsonl",
            "--device",
            "cpu",
            "--threads",
            1,
            "--from",
            "one.npz",
            "--judged",
            "mine.jsonl",
        ]
        llmhd(*words, "--embeddings", "z.npz", "-o", "two.npz")
        with np.load(llmhd.folder / "z.npz") as z:
            models.append((z["user"].tobytes(), z["item"].tobytes()))
    assert models[0] == models[1]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("with_row", [True, False])
def test_a_judged_row_that_is_no_sample_is_refused_with_its_line(llmhd, stages, loss, with_row):
    prepare(llmhd, stages, loss)
    records = judged_records(llmhd)
    if not with_row:
        records = [{k: v for k, v in r.items() if k != "row"} for r in records]
    other = next(r["item"] for r in records if r["user"] != records[4]["user"] and r["item"] != records[4]["item"])
    records[4]["item"] = other
    write_judged(llmhd, records)
    words = ["train-epoch", "train.jsonl", "--from", "epoch-2-model.npz", "--judged", "mine.jsonl", "-o", "no.npz"]
    assert "mine.jsonl:5: is none of this epoch's samples" in llmhd.refused(1, *words)
    assert not (llmhd.folder / "no.npz").exists()


def test_judged_rows_of_another_epoch_are_refused(llmhd, stages):
    llmhd.stages(stages("bpr", "llmhd"))
    words = ["train-epoch", "train.jsonl", "--from", "epoch-3-model.npz", "--judged", "epoch-3-judged.jsonl"]
    assert "epoch-3-judged.jsonl:1: is none of" in llmhd.refused(1, *words, "-o", "no.npz")
    words = ["train-epoch", "train.jsonl", "--from", "epoch-3-model.npz", "--samples", "epoch-3-samples.npz"]
    assert "epoch 4 comes next" in llmhd.refused(1, *words, "-o", "no.npz")

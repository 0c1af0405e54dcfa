"""Judging inside the training step: the same rows as the staged pipe where the model stands still, and ``run --live``."""

from __future__ import annotations

import json

import pytest

from llmhd_tools.files.tensors import read_tensors, write_tensors

ON = ("--device", "cpu", "--threads", 1)
PRUNING = ("--alpha", 12, "--max-noise", 0.3, "--candidates", 0.7)
TEXTS = ("--items", "items.jsonl", "--profiles", "profiles.jsonl")
HISTORY = [word for epoch in (1, 2, 3) for word in ("--history", f"emb-{epoch}.npz")]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def warm_up(llmhd, loss, *more):
    """Three epochs, the samples of the fourth, and profiles; ``frozen.npz`` is the third's model, but learns nothing."""
    llmhd("summarize", "train.jsonl", "--items", "items.jsonl", "-o", "profiles.jsonl")
    for epoch in (1, 2, 3):
        words = ["train-epoch", "train.jsonl", *ON, "-o", f"model-{epoch}.npz", "--embeddings", f"emb-{epoch}.npz"]
        start = ["--loss", loss, "--dim", 8, "--layers", 2, "--batch", 64, "--lr", 0.02, "--seed", 3, *more]
        words += ["--from", f"model-{epoch - 1}.npz"] if epoch > 1 else start
        llmhd(*words, "--next", f"samples-{epoch + 1}.npz")
    model = read_tensors(str(llmhd.folder / "model-3.npz"), "model")
    model.meta["config"]["lr"] = 0.0
    write_tensors(str(llmhd.folder / "frozen.npz"), model)


def staged(llmhd, start, *judging, pruning=PRUNING):
    """The fourth epoch as a pipe: its judged rows and the verdicts on them."""
    noisy = llmhd("prune", "samples-4.npz", *HISTORY, *pruning, "--seed", 3)
    llmhd("score", "-", *TEXTS, "-o", "judged.jsonl", stdin=noisy)
    words = [
        "train-epoch",
        "train.jsonl",
        *ON,
        "--from",
        start,
        *pruning[:2],
        *judging,
    ]  # its α is that of the thresholds too
    llmhd(*words, "--judged", "judged.jsonl", "--verdicts", "verdicts.jsonl", "-o", "staged.npz")
    return lines(llmhd.folder / "judged.jsonl"), lines(llmhd.folder / "verdicts.jsonl")


def live(llmhd, start, *judging, pruning=PRUNING):
    """The same, judged in each step."""
    words = ["train-epoch", "train.jsonl", *ON, "--from", start, "--live", *HISTORY, *TEXTS, *pruning, *judging]
    llmhd(*words, "--record", "live.jsonl", "--verdicts", "live-verdicts.jsonl", "-o", "live.npz")
    return lines(llmhd.folder / "live.jsonl"), lines(llmhd.folder / "live-verdicts.jsonl")


def without_loss(records):
    return [{name: value for name, value in record.items() if name != "loss"} for record in records]


def same(one, other):
    """B_N, its candidates with their variances and scores, and what is hard are the same; losses up to rounding."""
    judged, verdicts = one
    assert len(judged) > 40 and sum(r["candidate"] for r in judged) > 20
    assert {v["verdict"] for v in verdicts} == {"hard", "dropped"}
    assert without_loss(judged) == without_loss(other[0])
    assert verdicts == other[1]
    assert [r["loss"] for r in judged] == pytest.approx([r["loss"] for r in other[0]], rel=1e-4)


@pytest.mark.parametrize("loss", ["bpr", "bce"])
@pytest.mark.parametrize("backbone", ["lightgcn", "ngcf", "sgl", "ncl"])
def test_with_a_model_that_stands_still_live_is_staged(llmhd, backbone, loss):
    """NGCF without dropout: live has the losses of the step itself, and dropout would be in them."""
    options = {"ngcf": ["--set", "message-drop=0"], "ncl": ["--set", "warm-up=1", "--set", "clusters=4"]}
    warm_up(llmhd, loss, "--backbone", backbone, *options.get(backbone, []))
    same(staged(llmhd, "frozen.npz"), live(llmhd, "frozen.npz"))


@pytest.mark.parametrize(
    ("loss", "pruning", "judging"),
    [
        ("bpr", ["--selection", "random"], ["--rule", "gap-below", "--pair-threshold", "6:1:5"]),
        ("bce", ["--selection", "random"], ["--rule", "agree", "--negative-threshold", "5:7"]),
        ("bpr", ["--selection", "all", "--link", "raw"], ["--rule", "band", "--band", "0,3,8"]),
        ("bce", ["--schedule", "cap"], ["--positive-threshold", "9:7", "--rule", "gap-above,disagree"]),
    ],
)
def test_with_other_switches_as_well(llmhd, loss, pruning, judging):
    warm_up(llmhd, loss)
    pruning = [*PRUNING, *pruning]
    same(staged(llmhd, "frozen.npz", *judging, pruning=pruning), live(llmhd, "frozen.npz", *judging, pruning=pruning))


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_with_one_batch_an_epoch_live_trains_as_staged(llmhd, loss):
    """The first step of an epoch has the losses of the end of the last, so the models are one."""
    warm_up(llmhd, loss, "--batch", 10_000)
    same(staged(llmhd, "model-3.npz"), live(llmhd, "model-3.npz"))
    one, other = (read_tensors(str(llmhd.folder / f"{name}.npz"), "model").arrays for name in ("staged", "live"))
    assert one.keys() == other.keys()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_a_model_that_moves_is_judged_by_its_own_losses(llmhd):
    """From the second step on the losses differ, and with them what is noisy; the first step is the staged one."""
    warm_up(llmhd, "bpr")
    before, now = staged(llmhd, "model-3.npz")[0], live(llmhd, "model-3.npz")[0]
    first = [[r for r in without_loss(records) if r["batch"] == 0] for records in (before, now)]
    assert first[0] == first[1] and len(first[0]) > 5
    assert {r["row"] for r in before} != {r["row"] for r in now}
    assert [sum(r["batch"] == b for r in before) for b in range(10)] == [
        sum(r["batch"] == b for r in now) for b in range(10)
    ]


def test_live_takes_samples_from_a_file(llmhd):
    warm_up(llmhd, "bpr")
    drawn = live(llmhd, "model-3.npz")
    given = live(llmhd, "model-3.npz", "--samples", "samples-4.npz")
    assert given == drawn


def test_without_texts_all_noisy_rows_are_dropped(llmhd):
    warm_up(llmhd, "bpr")
    words = ["train-epoch", "train.jsonl", *ON, "--from", "model-3.npz", "--live", *PRUNING]
    llmhd(*words, "--record", "live.npz", "--verdicts", "verdicts.jsonl", "-o", "out.npz")
    llmhd("validate", "live.npz")
    assert {v["verdict"] for v in lines(llmhd.folder / "verdicts.jsonl")} == {"dropped"}


def run_words(loss, denoise, *more):
    words = ["run", "train.jsonl", "--valid", "valid.jsonl", "--items", "items.jsonl", "--denoise", denoise, "--live"]
    words += [*ON, "--loss", loss, "--dim", 8, "--layers", 2, "--batch", 64, "--lr", 0.02, "--seed", 3, *PRUNING]
    return [*words, "--warm-up", 3, "--window", 3, "--profiles", "profiles.jsonl", "--epochs", 4, *more]


@pytest.mark.parametrize("loss", ["bpr", "bce"])
@pytest.mark.parametrize("denoise", ["loss", "llmhd"])
def test_run_live_makes_what_the_command_makes(llmhd, loss, denoise):
    warm_up(llmhd, loss)
    judge = TEXTS if denoise == "llmhd" else ("--candidates", 0)
    words = ["train-epoch", "train.jsonl", *ON, "--from", "model-3.npz", "--live", *HISTORY, *PRUNING, *judge]
    outputs = {"-o": "model.npz", "--embeddings": "embeddings.npz", "--verdicts": "verdicts.jsonl"}
    outputs["--record"] = "judged.jsonl"
    llmhd(*words, *(word for pair in outputs.items() for word in pair))
    llmhd(*run_words(loss, denoise, "-o", "run"))
    for name in outputs.values():
        assert (llmhd.folder / name).read_bytes() == (llmhd.folder / "run" / "epoch-4" / name).read_bytes(), name
    counts = {r["metric"]: r["value"] for r in lines(llmhd.folder / "run" / "metrics.jsonl") if r["epoch"] == 4}
    assert counts["noisy"] > 50 and (counts["hard"] > 0) == (denoise == "llmhd")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--live", "--judged", "judged.jsonl"], "leave one out"),
        (["--live", "--epochs", 2], "belong to one epoch"),
        (["--live", *TEXTS[:2]], "--profiles and --items go together"),
        (["--live", "--record", "x.jsonl", "--denoise", "t-ce"], "--live drops samples, and --denoise t-ce"),
        (HISTORY, "are for --live"),
        (["--record", "x.jsonl"], "are for --live"),
        (["--verdicts", "x.jsonl"], "--verdicts needs --judged or --live"),
        (["--pair-threshold", "7"], "--pair-threshold 7: must be 2 numbers separated by ':'"),
        (["--pair-threshold", "7:x"], "--pair-threshold 7:x: must be"),
        (["--positive-threshold", "8:6:0"], "--positive-threshold 8:6:0: its ALPHA is below 1"),
        (["--negative-threshold", "2:nan"], "--negative-threshold 2:nan: must be"),
        (["--band", "2,3"], "--band 2,3: must be 3 numbers separated by ','"),
        (["--rule", "gap-above,gap-below"], "--rule gap-below is not for --loss bce; choose from disagree"),
        (["--rule", "band,band,band"], "--rule band,band,band is not for --loss bpr"),
    ],
)
def test_what_does_not_go_together_is_refused(llmhd, words, told):
    assert told in llmhd.refused(2, "train-epoch", "train.jsonl", *ON, *words, "-o", "out.npz")
    assert not (llmhd.folder / "out.npz").exists()


def test_dropped_pairs_are_neither_drawn_nor_judged(llmhd):
    warm_up(llmhd, "bpr")
    cut = [
        {"user": "u0", "item": r["item"], "cut": True} for r in lines(llmhd.folder / "train.jsonl") if r["user"] == "u0"
    ]
    (llmhd.folder / "cut.jsonl").write_text("".join(json.dumps(record) + "\n" for record in cut))
    judged, _ = live(llmhd, "model-3.npz", "--drop", "cut.jsonl")
    assert len(judged) > 40 and "u0" not in {r["user"] for r in judged}


def test_a_program_as_scorer_is_for_staged_epochs(llmhd):
    words = ["run", "train.jsonl", "--valid", "valid.jsonl", "--items", "items.jsonl", "--config", "paper"]
    told = llmhd.refused(2, *words, "--scorer", "cat", "-o", "run")
    assert (
        "--scorer is started once an epoch, and --live asks in each step; leave one out" in told
        and not (llmhd.folder / "run").exists()
    )

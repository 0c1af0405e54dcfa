"""The pipe of commands, several epochs at once and ``run`` make the same bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import THRESHOLDS


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def compare(folder, denoise, epochs=4):
    """Every file that both the pipe and ``run --keep`` made is the same, and none is missing."""
    made = 0
    for epoch in range(1, epochs + 2):
        for path in (folder / "run" / f"epoch-{epoch}").glob("*"):
            if path.name == "noisy.jsonl" or (path.name == "flags.npz" and epoch < epochs):
                continue  # the pipe passes the one on and overwrites the other
            twins = {"profiles.jsonl": f"profiles-{epoch}.jsonl", "flags.npz": "flags.npz"}
            twin = folder / twins.get(path.name, f"epoch-{epoch}-{path.name}")
            assert twin.read_bytes() == path.read_bytes(), path
            made += 1
    wanted = {"none": 2 * epochs, "loss": 2 * epochs + 3 + 2, "llmhd": 2 * epochs + 3 + 2 + 2 + 2 + 1}[denoise]
    assert made == wanted


def check_not_idle(folder, denoise):
    """The method had something to do in this world: rows were noisy, rescued and dropped, and profiles changed."""
    counts = {(r["epoch"], r["metric"]): r["value"] for r in lines(folder / "run" / "metrics.jsonl")}
    for epoch in (3, 4):
        assert counts[epoch, "noisy"] > 20 and counts[epoch, "dropped"] > 0
        if denoise == "llmhd":
            assert counts[epoch, "noisy"] > counts[epoch, "candidates"] > counts[epoch, "hard"] > 0
    if denoise == "llmhd":
        assert counts[3, "updated-profiles"] > 0
        profiles = [[p["profile"] for p in lines(folder / f"profiles-{epoch}.jsonl")] for epoch in (2, 3, 4)]
        assert profiles[0] != profiles[1] != profiles[2]


def test_the_shell_and_run_make_the_same_files(llmhd, words, stages):
    llmhd.shell(stages("bpr", "llmhd"))
    llmhd(*words("bpr", "llmhd", "--keep", "-o", "run"))
    check_not_idle(llmhd.folder, "llmhd")
    compare(llmhd.folder, "llmhd")
    assert (llmhd.folder / "profiles-2.jsonl").read_bytes() == (llmhd.folder / "run" / "profiles.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("loss", "denoise", "options"),
    [
        ("bpr", "none", {}),
        ("bce", "none", {}),
        ("bpr", "loss", {}),
        ("bce", "loss", {}),
        ("bce", "llmhd", {}),
        ("bpr", "llmhd", {"rule": "band", "band": "1,3,8", "selection": "random", "scope": "all"}),
        ("bpr", "llmhd", {"rule": "gap-below,agree", "pair-threshold": "5:2:7"}),
        ("bce", "llmhd", {"rule": "agree", "selection": "random", "positive-threshold": "6:5"}),
    ],
)
def test_the_commands_and_run_make_the_same_files(llmhd, words, stages, loss, denoise, options):
    llmhd.stages(stages(loss, denoise, **options))
    given = [word for name, value in options.items() for word in (f"--{name}", value)]
    llmhd(*words(loss, denoise, "--keep", *given, "-o", "run"))
    if denoise != "none":
        check_not_idle(llmhd.folder, denoise)
    compare(llmhd.folder, denoise)


@pytest.mark.parametrize("loss", ["bpr", "bce"])
@pytest.mark.parametrize("denoise", ["loss", "llmhd"])
def test_epochs_without_noisy_rows(llmhd, words, stages, loss, denoise):
    """At the beginning of the ramp nothing is noisy: the stream between the commands is empty, and training is plain."""
    early = ("--alpha", 10**9)
    pipes = [
        [[*command, *early] if command[0] in ("prune", "update-profiles") else command for command in pipe]
        for pipe in stages(loss, denoise)
    ]
    llmhd.stages(pipes)
    llmhd(*words(loss, denoise, "--keep", *early, *THRESHOLDS, "-o", "run"))
    assert (llmhd.folder / "run" / "epoch-4" / "noisy.jsonl").read_bytes() == b""
    compare(llmhd.folder, denoise)
    llmhd(*words(loss, "none", "-o", "plain"))
    best = [(llmhd.folder / name / "best.npz") for name in ("run", "plain")]
    with np.load(best[0]) as run, np.load(best[1]) as plain:
        assert all(run[side].tobytes() == plain[side].tobytes() for side in ("user", "item"))


def test_nothing_noisy_in_binary(llmhd, stages):
    llmhd.stages(stages("bpr", "llmhd", epochs=2))
    llmhd("prune", "epoch-3-samples.npz", "--max-noise", 0, "-o", "noisy.npz")
    llmhd("score", "noisy.npz", "--items", "items.jsonl", "--profiles", "profiles-2.jsonl", "-o", "judged.npz")
    train = ["train-epoch", "train.jsonl", "--device", "cpu", "--threads", 1, "--from", "epoch-2-model.npz"]
    llmhd(*train, "--judged", "judged.npz", "-o", "a.npz")
    llmhd(*train, "--judged", "-", "-o", "b.npz")
    assert (llmhd.folder / "a.npz").read_bytes() == (llmhd.folder / "b.npz").read_bytes()


DYNAMIC = ("--negatives", "dynamic", "--set", "draws=3")
SEMANTIC = ("--negatives", "semantic", "--set", "pool=3", "--set", "fresh=5", "--set", "uniform-epochs=2")
VECTORS = ("--aligned", "vectors.npz")


@pytest.mark.parametrize(("loss", "denoise", "chosen", "always"), [
    ("bpr", "llmhd", DYNAMIC, ()), ("bce", "loss", DYNAMIC, ()), ("bpr", "none", DYNAMIC, ()),
    ("bpr", "llmhd", SEMANTIC, VECTORS), ("bce", "llmhd", (*SEMANTIC, "--set", "rule=soft"), VECTORS),
])  # fmt: skip
def test_chosen_negatives_are_the_same_in_the_pipe(llmhd, words, stages, loss, denoise, chosen, always):
    llmhd.stages(stages(loss, denoise, training=chosen, always=always))
    llmhd(*words(loss, denoise, "--keep", *chosen, *always, "-o", "run"))
    compare(llmhd.folder, denoise)
    llmhd(*words(loss, denoise, "--keep", "-o", "uniform"))
    plain, ours = ((llmhd.folder / name / "epoch-4" / "embeddings.npz").read_bytes() for name in ("uniform", "run"))
    assert plain != ours


@pytest.mark.parametrize(("chosen", "always"), [(DYNAMIC, ()), (SEMANTIC, VECTORS)])
def test_epochs_with_chosen_negatives_are_one_by_one_what_they_are_at_once(llmhd, chosen, always):
    on = ("--device", "cpu", "--threads", 1, *always)
    first = ["train-epoch", "train.jsonl", *on, "--dim", 8, "--batch", 64, *chosen]

    def made(name):
        return [(llmhd.folder / f"{name}{what}.npz").read_bytes() for what in ("", "-emb", "-samples")]

    def to(name):
        return ["-o", f"{name}.npz", "--embeddings", f"{name}-emb.npz", "--next", f"{name}-samples.npz"]

    llmhd(*first, "--epochs", 4, *to("whole"))
    llmhd(*first, *to("1"))
    for epoch in range(2, 5):
        given = ["--samples", f"{epoch - 1}-samples.npz"] if epoch % 2 else []
        llmhd("train-epoch", "train.jsonl", *on, "--from", f"{epoch - 1}.npz", *given, *to(f"{epoch}"))
    assert made("4") == made("whole")


def test_given_profiles_are_used_as_they_are(llmhd, words, stages):
    llmhd.stages(stages("bpr", "llmhd"))
    llmhd(*words("bpr", "llmhd", "--keep", "--profiles", "profiles-2.jsonl", "-o", "run"))
    compare(llmhd.folder, "llmhd")
    assert not (llmhd.folder / "run" / "profiles.jsonl").exists()


def test_a_folder_without_keep_holds_the_last_epochs_as_with_it(llmhd, words, snapshot):
    llmhd(*words("bpr", "llmhd", "--keep", "-o", "kept"))
    llmhd(*words("bpr", "llmhd", "-o", "run"))
    kept, run = snapshot(llmhd.folder / "kept"), snapshot(llmhd.folder / "run")
    gone = set(kept) - set(run)
    assert gone == {name for name in kept if name.startswith("epoch-1")} | {"epoch-2/model.npz", "epoch-3/model.npz"}
    assert {name: kept[name] for name in run if name != "settings.json"} == {
        name: data for name, data in run.items() if name != "settings.json"
    }


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_three_epochs_are_three_times_one(llmhd, loss):
    first = [
        "train-epoch",
        "train.jsonl",
        "--device",
        "cpu",
        "--threads",
        1,
        "--loss",
        loss,
        "--dim",
        8,
        "--batch",
        64,
        "--seed",
        5,
    ]
    outputs = ["model", "emb", "samples"]

    def names(prefix):
        return ["-o", f"{prefix}-model.npz", "--embeddings", f"{prefix}-emb.npz", "--next", f"{prefix}-samples.npz"]

    def data(prefix):
        return [(llmhd.folder / f"{prefix}-{name}.npz").read_bytes() for name in outputs]

    llmhd(*first, "--epochs", 3, *names("at-once"))
    go_on = ["train-epoch", "train.jsonl", "--device", "cpu", "--threads", 1, "--from"]
    llmhd(*first, *names("one"))
    llmhd(*go_on, "one-model.npz", *names("two"))
    llmhd(*go_on, "two-model.npz", *names("three"))
    assert data("three") == data("at-once")
    llmhd(*go_on, "one-model.npz", "--samples", "one-samples.npz", *names("two"))
    llmhd(*go_on, "two-model.npz", "--samples", "two-samples.npz", *names("three"))
    assert data("three") == data("at-once")
    llmhd(*go_on, "one-model.npz", "--epochs", 2, *names("three"))
    assert data("three") == data("at-once")
    with np.load(llmhd.folder / "three-model.npz") as model:
        meta = json.loads(model["meta"].tobytes())
    n = len(lines(llmhd.folder / "train.jsonl"))
    assert meta["epoch"] == 3 and meta["step"] == 3 * -(-n // (64 if loss == "bpr" else 32))

"""Schedules as spans: a number of steps, or of epochs, which are as many steps as the data say."""

from __future__ import annotations

import json

import pytest

PLAIN = (
    "run",
    "train.jsonl",
    "--valid",
    "valid.jsonl",
    "--dim",
    8,
    "--batch",
    64,
    "--seed",
    3,
    "--device",
    "cpu",
    "--threads",
    1,
)


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def steps_of_an_epoch(folder):
    return -(-len(rows(folder / "train.jsonl")) // 64)


def test_a_small_data_set_is_denoised_as_it_comes(llmhd):
    """By default the noisy share grows by epochs, so that few steps are no reason to drop nothing."""
    llmhd(*PLAIN, "--denoise", "loss", "--epochs", 6, "-o", "run")
    dropped = [r["value"] for r in rows(llmhd.folder / "run" / "metrics.jsonl") if r["metric"] == "dropped"]
    assert dropped[-1] > 0 and dropped == sorted(dropped)
    assert json.loads((llmhd.folder / "run" / "settings.json").read_text())["alpha"] == "10e"


@pytest.mark.parametrize("denoise", ["loss", "llmhd"])
def test_epochs_are_their_steps(llmhd, words, denoise):
    steps = steps_of_an_epoch(llmhd.folder)
    for name, alpha in (("epochs", "2e"), ("steps", 2 * steps)):
        llmhd(*words("bpr", denoise, "--alpha", alpha, "--pair-threshold", f"7:3:{alpha}", "-o", name))
    one, other = (llmhd.folder / name for name in ("epochs", "steps"))
    assert (one / "metrics.jsonl").read_bytes() == (other / "metrics.jsonl").read_bytes()
    for name in ("noisy.jsonl", "verdicts.jsonl"):
        assert (one / "epoch-4" / name).read_bytes() == (other / "epoch-4" / name).read_bytes()


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_the_pipe_counts_epochs_as_run_does(llmhd, words, stages, loss):
    pipes = [[["3e" if w == 12 else w for w in command] for command in pipe] for pipe in stages(loss, "llmhd")]
    llmhd.stages(pipes)
    llmhd(*words(loss, "llmhd", "--alpha", "3e", "--keep", "-o", "run"))
    for name in ("model.npz", "embeddings.npz", "verdicts.jsonl"):
        assert (llmhd.folder / f"epoch-4-{name}").read_bytes() == (llmhd.folder / "run" / "epoch-4" / name).read_bytes()
    assert rows(llmhd.folder / "profiles-4.jsonl") == rows(llmhd.folder / "run" / "epoch-4" / "profiles.jsonl")


def test_live_counts_epochs_too(llmhd):
    steps = steps_of_an_epoch(llmhd.folder)
    for name, alpha in (("epochs", "1e"), ("steps", steps)):
        llmhd(*PLAIN, "--denoise", "loss", "--live", "--max-noise", 0.3, "--epochs", 4, "--alpha", alpha, "-o", name)
    one, other = (llmhd.folder / name / "epoch-4" / "judged.jsonl" for name in ("epochs", "steps"))
    assert one.read_bytes() == other.read_bytes() and one.stat().st_size


@pytest.mark.parametrize(("loss", "batches"), [("bpr", 1), ("bce", 2)])
def test_the_ramp_of_a_denoiser_in_the_step(llmhd, loss, batches):
    """A pointwise batch holds half as many positives, so an epoch has twice the steps."""
    found = []
    steps = -(-len(rows(llmhd.folder / "train.jsonl")) * batches // 64)
    for name, ramp in (("epochs", "2e"), ("steps", 2 * steps), ("usual", "10e")):
        more = () if name == "usual" else ("--set", f"ramp={ramp}")
        llmhd(*PLAIN, "--loss", loss, "--denoise", "t-ce", *more, "--epochs", 3, "-o", name)
        found.append([r["value"] for r in rows(llmhd.folder / name / "metrics.jsonl")])
    assert found[0] == found[1] != found[2]


def test_a_model_that_counts_steps_goes_on(llmhd):
    """Models keep what they were trained with; those made when a ramp was always steps are read as ever."""
    first = ("train-epoch", "train.jsonl", "--dim", 8, "--batch", 64, "--denoise", "t-ce")
    llmhd(*first, "--set", "ramp=30000", "-o", "model.npz")
    llmhd("train-epoch", "train.jsonl", "--from", "model.npz", "-o", "next.npz")
    told = llmhd.refused(2, "train-epoch", "train.jsonl", "--from", "model.npz", "--set", "ramp=10e", "-o", "no.npz")
    assert "--set ramp=10e contradicts model.npz, which was trained with 30000" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--alpha", "ten"), "--alpha ten is neither a number of steps nor one of epochs such as 10e"),
        (("--alpha", "0e"), "--alpha 0e is not above 0e"),
        (("--alpha", "-3e"), "--alpha -3e is not above 0e"),
        (("--alpha", "infe"), "--alpha infe is not a finite number"),
        (("--alpha", "0.5"), "--alpha 0.5 is below 1"),
        (("--pair-threshold", "7:3:e"), "--pair-threshold 7:3:e: its ALPHA is neither"),
        (("--denoise", "t-ce", "--set", "ramp=x"), "--set ramp=x is neither a number of steps nor one of epochs"),
        (("--denoise", "t-ce", "--set", "ramp=0"), "--set ramp=0 is below 1"),
    ],
)
def test_what_is_no_span(llmhd, words, told):
    assert told in llmhd.refused(2, *PLAIN, *words, "-o", "run")


def test_a_run_says_that_its_schedule_had_hardly_begun(llmhd):
    llmhd(*PLAIN, "--denoise", "loss", "--epochs", 2, "-o", "loss")
    assert "the run ended at epoch 2 of --alpha 10e; lower it" in llmhd.err
    llmhd(*PLAIN, "--denoise", "t-ce", "--set", "ramp=30000", "--epochs", 2, "-o", "t-ce")
    assert "of --set ramp 30,000; lower it" in llmhd.err
    llmhd(*PLAIN, "--denoise", "t-ce", "--set", "ramp=2e", "--epochs", 2, "-o", "short")
    assert "hardly grown" not in llmhd.err

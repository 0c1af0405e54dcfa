"""``run --denoise llmhni``: the pipe's files byte for byte, switches, resume, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ON, ROOT, TRAINING

SMALL = ("--set", "pool=3", "--set", "fresh=5", "--set", "uniform-epochs=1")
PARTS = ("--set", "cross-weight=0.1", "--set", "dropped-weight=0.1", *SMALL)
ASKED = ("--lowest", 0.3, "--highest", 2, "--shown", 3)


def run_line(*more, epochs=4):
    line = ["run", "train.jsonl", "--valid", "valid.jsonl", "--test", "test.jsonl", "--items", "items.jsonl", *ON]
    return [*line, *TRAINING, "--denoise", "llmhni", "--relate-at", 2, *ASKED, "--epochs", epochs, *more]


def pipe(chosen=PARTS, semantic=True, epochs=4):
    """The same as commands: texts first, then epochs, with relations from the third on."""
    stages = [["summarize", "train.jsonl", "--items", "items.jsonl", "-o", "profiles.jsonl"]]
    if semantic:
        stages.append(["embed", "items.jsonl", "profiles.jsonl", "-o", "vectors-made.npz"])
        stages.append(["align", "vectors-made.npz", "train.jsonl", "--seed", 3, "-o", "aligned.npz"])
    for epoch in range(1, epochs + 1):
        train = ["train-epoch", "train.jsonl", *ON, *(["--aligned", "aligned.npz"] if semantic else [])]
        if epoch == 1:
            train += [*TRAINING, "--denoise", "llmhni", "--negatives", "semantic" if semantic else "uniform", *chosen]
        else:
            train += ["--from", f"epoch-{epoch - 1}-model.npz"]
        if epoch > 2:
            train += ["--relations", "relations-2.jsonl"]
        stages.append([*train, "-o", f"epoch-{epoch}-model.npz", "--embeddings", f"epoch-{epoch}-embeddings.npz"])
        if epoch == 2:
            asked = ["relate", "epoch-2-embeddings.npz", "--train", "train.jsonl", "--profiles", "profiles.jsonl"]
            stages.append([*asked, "--items", "items.jsonl", *ASKED, "-o", "relations-2.jsonl"])
    return [[stage] for stage in stages]


def test_run_makes_the_files_of_the_pipe(llmhd):
    llmhd.stages(pipe())
    llmhd(*run_line(*PARTS, "--keep", "-o", "run"))
    run = llmhd.folder / "run"
    for name, twin in (("vectors.npz", "vectors-made.npz"), *((n, n) for n in ("aligned.npz", "profiles.jsonl"))):
        assert (run / name).read_bytes() == (llmhd.folder / twin).read_bytes(), name
    assert (run / "relations-2.jsonl").read_bytes() == (llmhd.folder / "relations-2.jsonl").read_bytes()
    told = [json.loads(line) for line in (run / "relations-2.jsonl").read_text().splitlines()]
    assert {(r["label"], r["verdict"]) for r in told} == {(y, v) for y in (0, 1) for v in ("hard", "noisy")}
    for epoch in range(1, 5):
        for name in ("model.npz", "embeddings.npz"):
            twin = llmhd.folder / f"epoch-{epoch}-{name}"
            assert (run / f"epoch-{epoch}" / name).read_bytes() == twin.read_bytes(), (epoch, name)


def test_make_makes_the_files_of_run(llmhd):
    if shutil.which("make") is None:
        pytest.skip("GNU Make is not installed")
    llmhd(*run_line(*PARTS, "--keep", "-o", "run"))
    shutil.copy(llmhd.folder / "run" / "profiles.jsonl", llmhd.folder)
    words = {
        "DATA": ".", "OUT": "made", "EPOCHS": 4, "RELATE_AT": 2, "SEED": 3, "LLMHD": ROOT / "bin" / "llmhd",
        "TRAINING": " ".join(map(str, TRAINING[:-2])), "TERMS": " ".join(PARTS[:4]),
        "NEGATIVES": " ".join(["--negatives semantic", *SMALL]), "RELATING": " ".join(map(str, ASKED)),
        "DEVICE": " ".join(map(str, ON)),
    }  # fmt: skip
    make = ["make", "-f", str(ROOT / "examples" / "llmhni" / "Makefile"), *(f"{k}={v}" for k, v in words.items())]
    environment = os.environ | {"LLMHD_PYTHON": sys.executable}
    done = subprocess.run(make, cwd=llmhd.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = ["vectors.npz", "aligned.npz", "relations-2.jsonl"]
    for name in [*names, *(f"epoch-{e}/{kind}.npz" for e in range(1, 5) for kind in ("model", "embeddings"))]:
        assert (llmhd.folder / "made" / name).read_bytes() == (llmhd.folder / "run" / name).read_bytes(), name
    assert (llmhd.folder / "made" / "metrics.jsonl").exists()


def test_the_parts_can_be_left_out(llmhd):
    """The ablations: no semantic negatives, no alignment of the graphs, no corrected graph, no dropped views; or nothing."""
    lines = {
        "all": [*PARTS],
        "no semantic": ["--negatives", "uniform", *PARTS[:4]],
        "no alignment": ["--set", "cross-weight=0", *PARTS[2:]],
        "no relations": [*PARTS, "--relate-at", 0],
        "no views": [*PARTS[:2], "--set", "dropped-weight=0", *SMALL],
        "nothing": ["--negatives", "uniform", "--relate-at", 0, "--set", "cross-weight=0", "--set", "dropped-weight=0"],
    }
    made = {}
    for name, words in lines.items():
        llmhd(*run_line(*words, "-o", name))
        made[name] = (llmhd.folder / name / "epoch-4" / "embeddings.npz").read_bytes()
        assert (llmhd.folder / name / "relations-2.jsonl").exists() == (name not in ("no relations", "nothing"))
        assert (llmhd.folder / name / "aligned.npz").exists() == (name not in ("no semantic", "nothing"))
    assert len(set(made.values())) == len(lines)


def test_with_nothing_switched_on_it_is_plain_training(llmhd):
    off = ["--negatives", "uniform", "--relate-at", 0, "--set", "cross-weight=0", "--set", "dropped-weight=0"]
    llmhd(*run_line(*off, "-o", "off"))
    plain = run_line("-o", "plain")
    plain[plain.index("llmhni")] = "none"
    llmhd(*plain)
    from llmhd_tools.files.tensors import read_tensors

    ours, theirs = (read_tensors(str(llmhd.folder / n / "best.npz"), "embeddings").arrays for n in ("off", "plain"))
    assert all(ours[side].tobytes() == theirs[side].tobytes() for side in ("user", "item"))


def test_given_vectors_and_profiles_are_used_as_they_are(llmhd):
    llmhd.stages(pipe(epochs=2))
    llmhd(*run_line(*PARTS, "-o", "own"))
    llmhd(*run_line(*PARTS, "--aligned", "aligned.npz", "--profiles", "profiles.jsonl", "-o", "given"))
    own, given = (llmhd.folder / name for name in ("own", "given"))
    assert not (given / "aligned.npz").exists() and not (given / "profiles.jsonl").exists()
    assert (given / "epoch-4" / "embeddings.npz").read_bytes() == (own / "epoch-4" / "embeddings.npz").read_bytes()


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_run_goes_on_as_if_it_had_not_stopped(llmhd, snapshot, done):
    llmhd(*run_line(*PARTS, "-o", "whole"))
    from llmhd_tools.runs.loop import Loop

    epoch = Loop._epoch

    def stopped(self, number):
        if number == done + 1:
            raise KeyboardInterrupt
        return epoch(self, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "_epoch", stopped)
        assert llmhd.run(*run_line(*PARTS, "-o", "run"))[0] == 130
    llmhd(*run_line(*PARTS, "-o", "run", "--resume"))
    assert snapshot(llmhd.folder / "run") == snapshot(llmhd.folder / "whole")


@pytest.mark.parametrize(("words", "told"), [
    (["--relate-at", 4], "--relate-at 4 leaves no epoch on the corrected graph within --epochs 4"),
    (["--llm", "openai:chat"], "a chat model makes no vectors"),
])  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_made(llmhd, words, told):
    assert told in llmhd.refused(2, *run_line(*words, "-o", "run"))
    assert not (llmhd.folder / "run").exists()


def test_without_texts_it_says_what_to_give(llmhd):
    line = run_line("-o", "run")
    del line[line.index("--items") : line.index("--items") + 2]
    assert "give --items, or ask nothing with --relate-at 0" in llmhd.refused(2, *line)
    assert "give aligned vectors with --aligned, or --items" in llmhd.refused(2, *line, "--relate-at", 0)


def test_usage_counts_all_that_was_asked(llmhd):
    llmhd(*run_line(*SMALL, "--usage", "usage.jsonl", "-o", "run"))
    records = [json.loads(line) for line in (llmhd.folder / "usage.jsonl").read_text().splitlines()]
    counts = {r["template"]: r for r in records}
    assert set(counts) == {"summarize", "embed", "relate-user", "relate-item"}
    texts = sum(len((llmhd.folder / name).read_text().splitlines()) for name in ("items.jsonl", "run/profiles.jsonl"))
    assert 0 < counts["embed"]["sent"] <= -(-texts // 64) < counts["summarize"]["sent"]

"""The Makefile's stages and ``run`` make the same bytes, and Make rebuilds only what a setting changes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = ["--dim", "8", "--layers", "2", "--batch", "64", "--lr", "0.02", "--seed", "3"]
PRUNING = "--alpha 40 --max-noise 0.2 --candidates 0.5"


def _environment():
    return os.environ | {"LLMHD_PYTHON": sys.executable}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    script = ROOT / "examples" / "bookshop" / "make_bookshop.py"
    sizes = ["--users", "60", "--items", "60", "--rows", "10", "--held-out", "3"]
    subprocess.run([sys.executable, script, folder, "--seed", "1", *sizes], check=True)
    return folder


@pytest.fixture(scope="module")
def made(shop, tmp_path_factory):
    if shutil.which("make") is None:
        pytest.skip("GNU Make is not installed")
    folder = tmp_path_factory.mktemp("made")
    (folder / "Makefile").write_text(
        f"LLMHD := {ROOT}/bin/llmhd\nDATA := {shop}\nOUT := {folder}/out\nEPOCHS := 5\nWINDOW := 3\n"
        f"TRAINING := {' '.join(SETTINGS)}\nPRUNING ?= {PRUNING} --seed 3\n"
        f"JUDGING := --alpha 40\nUPDATING := {PRUNING} --confidence 2\n"
        f"include {ROOT}/examples/pipeline.mk\n"
    )
    _make(folder, "-j2", "all", f"{folder}/out/epoch-5/profiles.jsonl")
    return folder


def _make(folder, *words):
    done = subprocess.run(
        ["make", "-C", str(folder), *words], capture_output=True, text=True, env=_environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_equals_run(shop, made, tmp_path):
    out = tmp_path / "run"
    words = ["run", f"{shop}/train.jsonl", "--valid", f"{shop}/valid.jsonl", "--items", f"{shop}/items.jsonl"]
    words += ["--denoise", "llmhd", *SETTINGS, *PRUNING.split(), "--confidence", "2", "--epochs", "5", "--window", "3"]
    subprocess.run([ROOT / "bin" / "llmhd", *words, "--keep", "-q", "-o", out], check=True, env=_environment())
    for epoch in range(1, 6):
        files = ["embeddings.npz"] + (
            ["judged.jsonl", "verdicts.jsonl", "profiles.jsonl", "flags.npz"] if epoch > 2 else []
        )
        for name in files:
            ours, theirs = out / f"epoch-{epoch}" / name, made / "out" / f"epoch-{epoch}" / name
            assert ours.read_bytes() == theirs.read_bytes(), f"epoch {epoch}: {name}"
    assert (out / "epoch-5" / "model.npz").read_bytes() == (made / "out" / "epoch-5" / "model.npz").read_bytes()
    assert (out / "epoch-5" / "samples.npz").read_bytes() == (made / "out" / "epoch-4" / "next.npz").read_bytes()


def test_make_equals_run_on_a_graph_that_is_cleaned_twice(shop, made, tmp_path):
    cleaning = ["CLEAN_AT=2 4", "DOUBTING=--share 0.2", "CLEANING=--share 0.1", f"OUT={tmp_path}/made"]
    _make(made, "-j2", "all", *cleaning)
    words = ["run", f"{shop}/train.jsonl", "--valid", f"{shop}/valid.jsonl", "--items", f"{shop}/items.jsonl"]
    words += ["--denoise", "llmhd", *SETTINGS, *PRUNING.split(), "--confidence", "2", "--epochs", "5", "--window", "3"]
    words += ["--clean", "graph", "--clean-at", "2,4", "--clean-share", "0.1", "--keep", "-q", "-o", tmp_path / "run"]
    subprocess.run([ROOT / "bin" / "llmhd", *words], check=True, env=_environment())
    names = [name for epoch in (2, 4) for name in (f"scored-{epoch}.jsonl", f"drop-{epoch}.npz")]
    for name in [*names, "epoch-5/model.npz", "epoch-5/judged.jsonl", "epoch-5/verdicts.jsonl"]:
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "made" / name).read_bytes(), name


def test_make_does_nothing_twice_and_rebuilds_what_a_setting_changes(made):
    assert "llmhd" not in _make(made, "all").replace(str(made), "")
    stages = [
        line
        for line in _make(made, "all", f"PRUNING={PRUNING} --seed 3 --link raw").splitlines()
        if "/bin/llmhd" in line
    ]
    assert not any(" summarize " in line for line in stages)
    assert sum(" train-epoch " in line for line in stages) == 3, "only the denoised epochs"


def test_the_amazon_book_pipe_makes_all_that_it_needs(rlmrec, tmp_path):
    """From an RLMRec folder alone: each file that a stage reads must be made before it."""
    if shutil.which("make") is None:
        pytest.skip("GNU Make is not installed")
    settings = ["TRAINING=--dim 8 --batch 64 --seed 1", "PRUNING=--alpha 10 --max-noise 0.2", f"LLMHD={ROOT}/bin/llmhd"]
    words = ["-f", "pipe.mk", f"SOURCE={rlmrec}", f"WORK={tmp_path}/work", "EPOCHS=3", *settings]
    _make(ROOT / "examples" / "amazon-book", *words)
    found = (tmp_path / "work" / "noise-0.1-1" / "llmhd" / "metrics.jsonl").read_text()
    assert {json.loads(line)["metric"] for line in found.splitlines()} == {"recall", "ndcg"}

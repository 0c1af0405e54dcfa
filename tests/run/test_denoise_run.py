"""``denoise RUN``: the run's own training rows, judged by what the run knows of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from helpers import read_jsonl

import llmhd_tools as llmhd
from llmhd_tools.cli.app import main

SMALL = "--dim 8 --batch 64 --lr 0.05 --seed 1 --device cpu --threads 1 -q".split()  # noqa: SIM905
RUNS = {
    "plain": "--epochs 3",
    "mf": "--epochs 3 --backbone mf",
    "graph": "--epochs 4 --clean graph --clean-at 1,2 --clean-share 0.1",
    "soft": "--epochs 4 --clean soft --clean-at 1",
    "llmhd": "--epochs 6 --denoise llmhd --alpha 2 --max-noise 0.3 --confidence 1 --window 3",
}


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def runs(tiny_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, data = tmp_path_factory.mktemp("runs"), {n: tiny_once / f"{n}.jsonl" for n in ("train", "valid", "items")}
    for name, more in RUNS.items():
        texts = ["--items", data["items"]] if name == "llmhd" else []
        words = ["run", data["train"], "--valid", data["valid"], *texts, *more.split(), *SMALL, "-o", folder / name]
        assert run(*words) == 0
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_all_rows_come_back_or_in_two_parts(runs: Path, tiny_once: Path, tmp_path: Path, name: str) -> None:
    assert run("denoise", runs / name, "-q", "-o", tmp_path / "judged.jsonl") == 0
    judged, train = read_jsonl(tmp_path / "judged.jsonl"), read_jsonl(tiny_once / "train.jsonl")
    assert [{k: row[k] for k in ("user", "item")} for row in judged] == train
    assert all(0 <= row["noise_score"] <= 1 and 0 <= row["weight"] <= 1 for row in judged)
    order = sorted(judged, key=lambda row: row["noise_score"])
    assert [row["suspicion"] for row in order] == sorted(row["suspicion"] for row in judged)
    called = sum(row["is_noise"] for row in judged)
    assert all(row["is_noise"] for row in order[len(order) - called :])
    parts = ["--drop", "--rejected", tmp_path / "noise.jsonl", "-o", tmp_path / "clean.jsonl"]
    assert run("denoise", runs / name, "-q", *parts) == 0
    assert read_jsonl(tmp_path / "clean.jsonl") == [row for row in judged if not row["is_noise"]]
    assert read_jsonl(tmp_path / "noise.jsonl") == [row for row in judged if row["is_noise"]]


def test_what_a_run_cut_is_called_noise(runs: Path, tmp_path: Path) -> None:
    """The cleaning that the best epoch was trained on, or else the first."""
    best = llmhd.read(str(runs / "graph" / "best.npz")).meta["epoch"]
    drop = llmhd.read(str(runs / "graph" / f"drop-{2 if best > 2 else 1}.npz"))
    assert run("denoise", runs / "graph", "-q", "-o", tmp_path / "judged.jsonl") == 0
    judged = {(row["user"], row["item"]): row for row in read_jsonl(tmp_path / "judged.jsonl")}
    columns = drop.to_columns()
    for user, item, cut, suspicion in zip(*(columns[n] for n in ("user", "item", "cut", "suspicion")), strict=True):
        assert judged[user, item]["is_noise"] == cut and judged[user, item]["suspicion"] == suspicion


@pytest.mark.parametrize(("name", "alone"), [("plain", True), ("mf", False)])
def test_a_run_that_cuts_nothing_is_judged_by_its_best_epoch(
    runs: Path, tiny_once: Path, tmp_path: Path, name: str, alone: bool
) -> None:
    dataset = llmhd.dataset(llmhd.read(str(tiny_once / "train.jsonl")))
    best = llmhd.read(str(runs / name / "best.npz"))
    wanted = llmhd.suspect(dataset, [best], leave_one_out=alone).to_columns()
    assert run("denoise", runs / name, "-q", "-o", tmp_path / "judged.jsonl") == 0
    judged = {(row["user"], row["item"]): row for row in read_jsonl(tmp_path / "judged.jsonl")}
    for user, item, prediction in zip(*(wanted[n] for n in ("user", "item", "prediction")), strict=True):
        assert judged[user, item]["prediction"] == pytest.approx(prediction)


def test_what_kept_epochs_said_stands_beside(runs: Path, tmp_path: Path) -> None:
    folder = runs / "llmhd"
    assert run("denoise", folder, "-q", "-o", tmp_path / "judged.jsonl") == 0
    verdicts: dict[str, Counter[tuple[str, str]]] = {"dropped": Counter(), "hard": Counter()}
    scores: dict[tuple[str, str], list[float]] = {}
    for path in folder.glob("epoch-*/verdicts.jsonl"):
        for verdict, pair in {(row["verdict"], (row["user"], row["item"])) for row in read_jsonl(path)}:
            verdicts[verdict][pair] += 1
        for row in read_jsonl(path.with_name("judged.jsonl")):
            if "score" in row:
                scores.setdefault((row["user"], row["item"]), []).append(row["score"])
    last = max(folder.glob("epoch-*/flags.npz"), key=lambda path: int(path.parent.name[6:]))
    flags = llmhd.read(str(last)).to_columns()
    flagged = {
        (u, i): n
        for u, i, label, n in zip(*(flags[k] for k in ("user", "item", "label", "count")), strict=True)
        if label
    }
    assert verdicts["dropped"] and scores and flagged
    for row in read_jsonl(tmp_path / "judged.jsonl"):
        pair = row["user"], row["item"]
        assert row["dropped"] == verdicts["dropped"][pair] and row["rescued"] == verdicts["hard"][pair]
        assert row["flags"] == flagged.get(pair, 0)
        assert row.get("fit") == (pytest.approx(np.mean(scores[pair])) if pair in scores else None)


def test_a_model_is_not_asked_for_beside_a_run(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("denoise", runs / "plain", "--model", "ease") == 2
    assert capfd.readouterr().err.count("leave out --model") == 1


def test_items_of_a_run_have_its_titles(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("denoise", runs / "llmhd", "--by", "item", "-q") == 0
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 20 and all("volume" in line for line in lines)

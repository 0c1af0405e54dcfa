"""``explain``: what a run's folder holds of a pair, held against the files themselves."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import read_jsonl

import llmhd_tools as llmhd
from llmhd_tools.cli.app import main
from llmhd_tools.report.explained import text_of
from llmhd_tools.runs.histories import word_diff

SMALL = "--dim 8 --batch 64 --lr 0.05 --seed 1 --device cpu --threads 1 -q".split()  # noqa: SIM905
STAGED = "--epochs 5 --max-noise 0.3 --confidence 1"
RUNS = {
    "plain": "--epochs 3",
    "graph": "--epochs 4 --clean graph --clean-at 1,2 --clean-share 0.1",
    "bpr": f"{STAGED} --denoise llmhd --alpha 1e --keep",
    "bce": f"{STAGED} --denoise llmhd --alpha 3 --keep --loss bce --positive-threshold 9:6:1e",
    "loss": f"{STAGED} --denoise loss --alpha 1e --keep",
    "window": "--epochs 7 --denoise llmhd --alpha 2 --max-noise 0.3 --confidence 1 --window 2",
}
Runs = dict[str, Path]


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def runs(tiny_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder, data = tmp_path_factory.mktemp("runs"), {n: tiny_once / f"{n}.jsonl" for n in ("train", "valid", "items")}
    for name, more in RUNS.items():
        texts = [] if name == "graph" else ["--items", data["items"]]
        words = ["run", data["train"], "--valid", data["valid"], *texts, *more.split(), *SMALL, "-o", folder / name]
        assert run(*words) == 0
    return {name: folder / name for name in RUNS}


def epoch_files(folder: Path, name: str) -> dict[int, list[dict[str, Any]]]:
    return {int(path.parent.name[6:]): read_jsonl(path) for path in folder.glob(f"epoch-*/{name}")}


def judged_pairs(folder: Path) -> list[tuple[int, dict[str, Any], str]]:
    """Of each judged or merely noisy sample: epoch, record and verdict."""
    samples = epoch_files(folder, "noisy.jsonl") | epoch_files(folder, "judged.jsonl")
    verdicts = epoch_files(folder, "verdicts.jsonl")
    return [
        (epoch, record, verdict["verdict"])
        for epoch in verdicts
        for record, verdict in zip(samples[epoch], verdicts[epoch], strict=True)
    ]


def told_of(folder: Path, epoch: int, record: dict[str, Any]) -> dict[str, Any]:
    """What is told of one noisy sample, found by its step: a pair may be drawn twice in an epoch."""
    step = llmhd.read(str(folder / f"epoch-{epoch}" / "samples.npz")).meta["step"] + record["batch"]
    history = llmhd.explain(str(folder), record["user"], record["item"])["pair"]["history"]
    same = ("loss", "label", "negative", "candidate", "score", "negative_score")
    found = [one for one in history if one.get("step") == step and all(one.get(n) == record.get(n) for n in same)]
    assert found and found[0]["epoch"] == epoch, (step, record, history)
    return found[0]


@pytest.mark.parametrize("name", ["bpr", "bce"])
def test_each_verdict_follows_from_the_score_and_the_threshold_that_are_told(runs: Runs, name: str) -> None:
    """Thresholds and scores told of a pair give the verdicts that the run's files hold, also where alpha is in epochs."""
    seen = set()
    for epoch, record, verdict in judged_pairs(runs[name])[::5]:
        one = told_of(runs[name], epoch, record)
        assert one["verdict"] == {"hard": "kept", "dropped": "dropped"}[verdict]
        assert one.get("score") == record.get("score") and one["candidate"] == record["candidate"]
        if "threshold" not in one:
            assert verdict == "dropped" and "score" not in record
            continue
        value = one["score"] - one["negative_score"] if name == "bpr" else one["score"]
        above = name == "bpr" or record["label"] == 0  # as printed, a positive that fits badly is hard
        hard = value > one["threshold"] if above else value < one["threshold"]
        assert hard == (verdict == "hard"), one
        seen.add(verdict)
    assert seen == {"hard", "dropped"}


@pytest.mark.parametrize("name", ["bpr", "bce", "loss"])
def test_the_noise_share_told_is_that_of_the_batch(runs: Runs, name: str) -> None:
    for epoch, record, _ in judged_pairs(runs[name])[::9]:
        one = told_of(runs[name], epoch, record)
        same = [r for e, r, _ in judged_pairs(runs[name]) if e == epoch and r["batch"] == record["batch"]]
        size = int((llmhd.read(str(runs[name] / f"epoch-{epoch}" / "samples.npz"))["batch"] == record["batch"]).sum())
        assert abs(len(same) - one["noise_share"] * size) <= 1
        assert f"{one['noise_share']:.2%}" in one["why"]


def test_a_pair_that_looked_well_is_kept_and_has_a_prediction_in_each_epoch(runs: Runs) -> None:
    noisy = {(record["user"], record["item"]) for _, record, _ in judged_pairs(runs["bpr"])}
    found = llmhd.explain(str(runs["bpr"]), "u0", None)["pairs"]
    pairs = [pair["item"] for pair in found if ("u0", pair["item"]) not in noisy] or [found[0]["item"]]
    history = llmhd.explain(str(runs["bpr"]), "u0", pairs[0])["pair"]["history"]
    assert {one["epoch"] for one in history} == {1, 2, 3, 4, 5}
    for one in history:
        z = llmhd.read(str(runs["bpr"] / f"epoch-{one['epoch']}" / "embeddings.npz"))
        wanted = z.arrays["user"][z.users.find(["u0"])[0]] @ z.arrays["item"][z.items.find([pairs[0]])[0]]
        assert one["prediction"] == pytest.approx(float(wanted), rel=1e-4, abs=1e-6)
        assert not one.get("noisy") or "why" in one


@pytest.mark.parametrize("item", ["i3", "i8"])
def test_ranks_and_neighbours_by_brute_force(runs: Runs, tiny_once: Path, item: str) -> None:
    pair = llmhd.explain(str(runs["plain"]), "u3", item)["pair"]
    train = read_jsonl(tiny_once / "train.jsonl")
    z = llmhd.read(str(runs["plain"] / "best.npz"))
    users, items = (
        dict(zip(z.users.names, z.arrays["user"], strict=True)),
        dict(zip(z.items.names, z.arrays["item"], strict=True)),
    )
    scores = {name: float(users["u3"].astype(float) @ row) for name, row in items.items()}
    own = {row["item"] for row in train if row["user"] == "u3"}
    assert pair["rank"] == 1 + sum(score > scores[item] for score in scores.values())
    assert pair["rank_among_own"] == 1 + sum(scores[other] > scores[item] for other in own - {item})
    assert (pair["of_items"], pair["of_own"]) == (len(items), len(own | {item}))
    assert (pair["stands_in"] == "train") == (item in own)

    def likeness(a: Any, b: Any) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    others = {row["user"] for row in train if row["item"] == item} - {"u3"}
    near = sorted((likeness(users["u3"], users[other]) for other in others), reverse=True)[:3]
    assert [one["likeness"] for one in pair["like"]["users"]] == pytest.approx(near, abs=1e-5)
    near = sorted((likeness(items[item], items[other]) for other in own - {item}), reverse=True)[:3]
    assert [one["likeness"] for one in pair["like"]["own_items"]] == pytest.approx(near, abs=1e-5)
    assert pair["like"]["touched_by"] == len(others)


def test_a_held_out_pair_and_one_of_nowhere_are_called_so(runs: Runs, tiny_once: Path) -> None:
    held = read_jsonl(tiny_once / "valid.jsonl")[0]
    assert llmhd.explain(str(runs["plain"]), held["user"], held["item"])["pair"]["stands_in"] == "valid"
    rows = [row for n in ("train", "valid") for row in read_jsonl(tiny_once / f"{n}.jsonl")]
    there = {row["item"] for row in rows if row["user"] == "u1"}
    nowhere = next(f"i{n}" for n in range(20) if f"i{n}" not in there)
    found = llmhd.explain(str(runs["plain"]), "u1", nowhere)["pair"]
    assert found["stands_in"] is None and "noise_score" not in found


@pytest.mark.parametrize("name", ["plain", "graph", "window"])
def test_a_users_pairs_are_as_denoise_has_them(runs: Runs, tmp_path: Path, name: str) -> None:
    assert run("denoise", runs[name], "-q", "-o", tmp_path / "judged.jsonl") == 0
    wanted = {row["item"]: row for row in read_jsonl(tmp_path / "judged.jsonl") if row["user"] == "u5"}
    found = llmhd.explain(str(runs[name]), "u5")
    assert found["rows"] == len(found["pairs"]) == len(wanted)
    for pair in found["pairs"]:
        assert pair["noise_score"] == wanted[pair["item"]]["noise_score"]
    scores = [pair["noise_score"] for pair in found["pairs"]]
    assert scores == sorted(scores, reverse=True)


def test_the_cleanings_line_divides_what_was_cut(runs: Runs) -> None:
    best = llmhd.read(str(runs["graph"] / "best.npz")).meta["epoch"]
    at = 2 if best > 2 else 1
    drop = llmhd.read(str(runs["graph"] / f"drop-{at}.npz")).to_columns()
    user, item = drop["user"][0], drop["item"][0]
    cleaned = llmhd.explain(str(runs["graph"]), user, item)["pair"]["cleaned"]
    assert (cleaned["after_epoch"], cleaned["share"]) == (at, 0.1)
    for cut, suspicion in zip(drop["cut"], drop["suspicion"], strict=True):
        assert not cut or suspicion >= cleaned["least_suspicion_cut"]


def test_of_the_best_epoch_stays_what_explains_it(runs: Runs) -> None:
    """However old the best epoch is; of others as many as the window has, and none of them longer."""
    folder, last = runs["window"], 7
    best = json.loads((folder / "progress.json").read_text())["best_epoch"]
    there = {int(path.name[6:]) for path in folder.glob("epoch-*")}
    assert there <= {best, last - 1, last, last + 1}
    if best < last - 1 and best in there:
        assert {path.name for path in (folder / f"epoch-{best}").iterdir()} <= {
            *("noisy.jsonl", "judged.jsonl", "verdicts.jsonl", "flags.npz", "profiles.jsonl")
        }
    history = llmhd.explain(str(folder), "u0", "i0")["pair"]["history"]
    assert [one["epoch"] for one in history if "best" in one][:1] == [best]


def test_versions_of_a_profile_come_with_what_changed(runs: Runs) -> None:
    changed = 0
    for user in range(30):
        found = llmhd.explain(str(runs["bpr"]), f"u{user}")["profiles"]
        assert "changes" not in found[0] and found[0]["after_epoch"] in (0, 1, 2)
        for before, after in zip(found, found[1:], strict=False):
            assert before["after_epoch"] < after["after_epoch"]
            assert rebuilt(after["changes"], "=-") == before["profile"].split()
            assert rebuilt(after["changes"], "=+") == after["profile"].split()
            changed += 1
    assert changed


def rebuilt(changes: list[list[str]], marks: str) -> list[str]:
    return [word for mark, words in changes if mark in marks for word in words.split()]


def test_a_word_diff_holds_both_texts() -> None:
    draw = random.Random(3)
    for _ in range(200):
        before, after = (" ".join(draw.choices("abcde", k=draw.randrange(12))) for _ in range(2))
        changes = word_diff(before, after)
        assert rebuilt(changes, "=-") == before.split() and rebuilt(changes, "=+") == after.split()
        assert all(words for _, words in changes)
    assert word_diff("a b", "a b") == [["=", "a b"]]


def test_the_question_is_asked_of_each_profile(runs: Runs, tiny_once: Path) -> None:
    found = llmhd.explain(str(runs["bpr"]), "u3", "i3", prompts=True)
    assert [one["after_epoch"] for one in found["prompts"]] == [one["after_epoch"] for one in found["profiles"]]
    text = {row["item"]: row["profile"] for row in read_jsonl(tiny_once / "items.jsonl")}["i3"]
    for prompt, profile in zip(found["prompts"], found["profiles"], strict=True):
        said = prompt["messages"][-1]["content"]
        assert text in said and profile["profile"] in said


def test_the_command_says_what_python_does(runs: Runs, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("explain", runs["bpr"], "--user", "u3", "--item", "i3")
    assert run(*words) == 0
    found = llmhd.explain(str(runs["bpr"]), "u3", "i3")
    assert json.loads(capfd.readouterr().out) == json.loads(json.dumps(found))
    assert run(*words, "--format", "text") == 0
    assert capfd.readouterr().out == text_of(found)


def test_no_cell_of_the_text_is_cut(runs: Runs) -> None:
    found = llmhd.explain(str(runs["bpr"]), "u3", "i3")
    long = " ".join(f"word{n}" for n in range(90))
    found["pair"]["like"]["own_items"][0]["title"] = long
    told = text_of(found)
    assert long in told and "…" not in told
    for one in found["pair"]["history"]:
        assert one.get("why", "") in told


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--user", "nobody"], "has no row of user 'nobody'"),
        (["--user", "u3", "--item", "nothing"], "has no row of item 'nothing'"),
        (["--user", "u3", "--prompts"], "give --item"),
    ],
)
def test_who_is_not_there_is_refused_in_a_line(
    runs: Runs, capfd: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert run("explain", runs["plain"], *more) in (1, 2)
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err


def test_a_folder_of_no_run_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("explain", tmp_path, "--user", "u3") == 1
    assert "is not the folder of a run" in capfd.readouterr().err

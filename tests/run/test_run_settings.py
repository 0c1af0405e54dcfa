"""``run``: options by file or by word, and the folders that it refuses."""

from __future__ import annotations

import fcntl
import json
import os

import pytest

CONFIG = """
valid = "valid.jsonl"
test = "test.jsonl"
items = "items.jsonl"
loss = "bpr"
denoise = "llmhd"
device = "cpu"
threads = 1
dim = 8
layers = 2
batch = 64
lr = 0.02
reg = 1e-4
seed = 3
alpha = 12
max-noise = 0.3
candidates = 0.7
warm-up = 2
window = 3
confidence = 1
epochs = 4
keep = true
"""


@pytest.fixture
def config(llmhd):
    def write(text):
        (llmhd.folder / "x.toml").write_text(text)
        return ["run", "train.jsonl", "--config", "x.toml"]

    return write


def test_a_config_file_equals_the_options(llmhd, words, snapshot, config):
    out = llmhd(*words("bpr", "llmhd", "--keep", "-o", "by-words"))
    assert llmhd(*config(CONFIG), "-o", "by-file") == out
    underscores = CONFIG.replace("max-noise", "max_noise").replace("warm-up", "warm_up")
    llmhd(*config(underscores + 'output = "by-underscores"\n'))
    wanted = snapshot(llmhd.folder / "by-words")
    assert snapshot(llmhd.folder / "by-file") == wanted
    assert snapshot(llmhd.folder / "by-underscores") == wanted


def test_words_win_over_the_config_file(llmhd, words, snapshot, config):
    llmhd(*words("bpr", "none", "--no-update"), "--epochs", 2, "-o", "by-words")
    text = CONFIG.replace("keep = true", "update = false")
    llmhd(*config(text), "--denoise", "none", "--epochs", 2, "-o", "by-file")
    assert snapshot(llmhd.folder / "by-file") == snapshot(llmhd.folder / "by-words")


def test_a_config_file_may_list_what_words_separate_by_commas(llmhd, config):
    llmhd(*config(CONFIG + 'metrics = ["hit", "mrr"]\nat = [3, 5]\n'), "--denoise", "none", "-o", "run")
    settings = json.loads((llmhd.folder / "run" / "settings.json").read_text())
    assert (settings["metrics"], settings["at"]) == ("hit,mrr", "3,5")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CONFIG + "alpa = 3\n", "'alpa' is not an option of run"),
        (CONFIG + 'train = "x.jsonl"\n', "'train' is not an option of run"),
        (CONFIG.replace('"bpr"', '"hinge"'), "'hinge' is unknown"),
        (CONFIG.replace("dim = 8", 'dim = "eight"'), "'--dim'"),
        (CONFIG.replace("dim = 8", "dim = 0"), "--dim 0 is below 1"),
        (CONFIG.replace("dim = 8", "dim = true"), "'dim' must be a number or a string"),
        (CONFIG.replace("keep = true", 'keep = "yes"'), "'keep' must be true or false"),
        (CONFIG + 'config = "y.toml"\n', "'config' is not an option of run"),
        (CONFIG + "[llm]\nmodel = 1\n", "'llm' must be a number or a string"),
        ("dim = = 8", "is not TOML"),
    ],
)
def test_a_config_file_is_checked_like_words(llmhd, config, text, told):
    assert told in llmhd.refused(2, *config(text), "-o", "run")
    assert not (llmhd.folder / "run").exists()


def test_a_missing_config_file_is_named(llmhd):
    assert "no.toml" in llmhd.refused(2, "run", "train.jsonl", "--config", "no.toml", "-o", "run")


def test_a_folder_that_holds_a_run_is_refused_without_resume(llmhd, words, snapshot):
    llmhd(*words("bpr", "none"), "-o", "run")
    before = snapshot(llmhd.folder / "run")
    assert "holds a run already; go on with --resume" in llmhd.refused(1, *words("bpr", "none"), "-o", "run")
    assert snapshot(llmhd.folder / "run") == before


@pytest.mark.parametrize(
    ("change", "was"),
    [(("--lr", 0.03), "0.02"), (("--seed", 4), "3"), (("--denoise", "loss"), "none"), (("--window", 4), "3")],
)
def test_resume_with_other_settings_is_refused(llmhd, words, snapshot, change, was):
    llmhd(*words("bpr", "none"), "--epochs", 2, "-o", "run")
    before = snapshot(llmhd.folder / "run")
    told = llmhd.refused(2, *words("bpr", "none"), "--epochs", 2, *change, "-o", "run", "--resume")
    assert f"{change[0]} differs from the run in run (there {was}); --resume needs the same" in told
    assert snapshot(llmhd.folder / "run") == before


def test_resume_on_other_interactions_is_refused(llmhd, words, snapshot):
    llmhd(*words("bpr", "none"), "--epochs", 2, "-o", "run")
    before = snapshot(llmhd.folder / "run")
    path = llmhd.folder / "train.jsonl"
    kept = path.read_text()
    path.unlink()  # a link to the world's file
    path.write_text(kept + json.dumps({"user": "u0", "item": "new"}) + "\n")
    told = "--train has other content than when the run in run began; --resume needs the same"
    assert told in llmhd.refused(2, *words("bpr", "none"), "-o", "run", "--resume")
    path.write_text(kept)
    assert told.replace("train", "valid") in llmhd.refused(
        2, *words("bpr", "none"), "--valid", "test.jsonl", "-o", "run", "--resume"
    )
    assert snapshot(llmhd.folder / "run") == before


def test_a_folder_in_use_is_refused(llmhd, words, snapshot):
    llmhd(*words("bpr", "none"), "--epochs", 2, "-o", "run")
    before = snapshot(llmhd.folder / "run")
    handle = os.open(llmhd.folder / "run", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert "run: is in use by another process" in llmhd.refused(1, *words("bpr", "none"), "-o", "run", "--resume")
    finally:
        os.close(handle)
    assert snapshot(llmhd.folder / "run") == before
    llmhd(*words("bpr", "none"), "--epochs", 2, "-o", "run", "--resume")


def test_a_damaged_record_is_told(llmhd, words):
    llmhd(*words("bpr", "none"), "--epochs", 2, "-o", "run")
    (llmhd.folder / "run" / "settings.json").write_text("{")
    assert "is not the record of a run" in llmhd.refused(1, *words("bpr", "none"), "-o", "run", "--resume")


def test_llmhd_without_item_texts_is_refused_before_anything_is_made(llmhd):
    words = ["run", "train.jsonl", "--valid", "valid.jsonl", "--denoise", "llmhd", "-o", "run"]
    assert "--items" in llmhd.refused(2, *words)
    assert not (llmhd.folder / "run").exists()


def test_early_stopping_keeps_the_best_epoch(llmhd, words):
    llmhd(*words("bpr", "none"), "--epochs", 40, "--patience", 2, "--lr", 0.2, "--select", "recall@5", "-o", "run")
    records = [json.loads(line) for line in (llmhd.folder / "run" / "metrics.jsonl").read_text().splitlines()]
    valid = [r["value"] for r in records if (r["split"], r["metric"], r.get("k")) == ("valid", "recall", 5)]
    best = valid.index(max(valid)) + 1  # of equal ones the first
    assert len(valid) == best + 2 < 40
    assert {r["epoch"] for r in records if r["split"] == "test"} == {best}
    assert json.loads((llmhd.folder / "run" / "progress.json").read_text()) == {
        "best": max(valid), "best_epoch": best, "epoch": best + 2,
    }  # fmt: skip


def test_missing_noise_marks_are_told_before_anything_is_trained(llmhd, words):
    path = llmhd.folder / "train.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    path.unlink()  # a link to the world's file
    path.write_text("".join(json.dumps({"user": r["user"], "item": r["item"]}) + "\n" for r in records))
    assert "has no 'noise' marks" in llmhd.refused(1, *words("bpr", "none"), "--noise", "-o", "run")
    llmhd(*words("bpr", "none"), "--epochs", 1, "-o", "run")  # the folder is still free


def test_training_interactions_may_come_by_stdin(llmhd, words, snapshot):
    llmhd(*words("bpr", "none"), "--epochs", 2, "-o", "by-name")
    piped = ["-" if word == "train.jsonl" else word for word in words("bpr", "none")]
    llmhd(*piped, "--epochs", 2, "-o", "by-pipe", stdin=(llmhd.folder / "train.jsonl").read_bytes())
    ours, theirs = snapshot(llmhd.folder / "by-pipe"), snapshot(llmhd.folder / "by-name")
    assert {k: v for k, v in ours.items() if k != "settings.json"} == {
        k: v for k, v in theirs.items() if k != "settings.json"
    }


def test_a_select_metric_is_measured_beside_those_asked_for(llmhd, words):
    llmhd(*words("bpr", "none"), "--epochs", 1, "--at", "5", "--metrics", "hit", "--select", "mrr@3", "-o", "run")
    records = [json.loads(line) for line in (llmhd.folder / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [(r["metric"], r["k"]) for r in records if r["split"] == "valid"] == [("hit", 5), ("mrr", 3)]
    assert "--select 'ndgc' is unknown" in llmhd.refused(2, *words("bpr", "none"), "--select", "ndgc@5", "-o", "x")


def test_rows_without_embedding_are_told_once(llmhd, words):
    path = llmhd.folder / "valid.jsonl"
    kept = path.read_text()
    path.unlink()
    path.write_text(kept + json.dumps({"user": "u0", "item": "new"}) + "\n")
    llmhd(*words("bpr", "none"), "--epochs", 3, "--unknown", "miss", "-o", "run")
    told = [line for line in llmhd.err.splitlines() if "without embedding" in line]
    assert told == ["run: 1 rows of valid.jsonl name a user or item without embedding: miss"]


def test_resume_of_nothing_says_that_it_starts(llmhd, words):
    llmhd(*words("bpr", "none"), "--epochs", 1, "-o", "run", "--resume")
    assert "run: run holds no whole epoch yet; starting with the first" in llmhd.err


def test_an_interrupted_run_says_how_to_go_on(llmhd, words, monkeypatch):
    from llmhd_tools.train.trainer import Trainer

    train = Trainer.train

    def interrupted(self, *args):
        if self.epoch == 2:
            raise KeyboardInterrupt
        return train(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "train", interrupted)
        assert llmhd.run(*words("bpr", "none"), "--epochs", 4, "-o", "run") == (130, b"")
    assert "stopped after epoch 2; the same words with --resume go on" in llmhd.err
    llmhd(*words("bpr", "none"), "--epochs", 4, "-o", "run", "--resume")


def test_texts_of_another_dataset_are_refused_and_gaps_told(llmhd, words):
    """An LLM's work on texts that name nobody would be for nothing, and all noisy rows would be dropped."""
    items = [json.loads(line) for line in (llmhd.folder / "items.jsonl").open()]
    other = [record | {"item": f"x{record['item']}"} for record in items]
    few = [*items[:30], *(record | {"profile": " "} for record in items[30:])]
    for name, records in (("other", other), ("few", few)):
        (llmhd.folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    told = llmhd.refused(1, *words("bpr", "llmhd", "--items", "other.jsonl", "-o", "run"))
    assert "other.jsonl: has no text of any item of the training pairs" in told
    assert not (llmhd.folder / "run" / "settings.json").exists()
    (llmhd.folder / "p.jsonl").write_text('{"user": "nobody", "profile": "likes bees"}\n')
    told = llmhd.refused(1, *words("bpr", "llmhd", "--profiles", "p.jsonl", "-o", "run"))
    assert "p.jsonl: has no text of any user of the training pairs" in told
    llmhd(*words("bpr", "llmhd", "--items", "few.jsonl", "--epochs", 1, "-o", "run"))
    assert "run: 10 of 40 items have no text in few.jsonl" in llmhd.err


def test_held_out_pairs_that_were_seen_are_told(llmhd, words):
    llmhd(*words("bpr", "none", "--epochs", 1, "-o", "good"))
    assert " too" not in llmhd.err
    llmhd(*words("bpr", "none", "--epochs", 1, "--valid", "train.jsonl", "--test", "train.jsonl", "-o", "bad"))
    rows = sum(1 for _ in (llmhd.folder / "train.jsonl").open())
    assert f"run: {rows} of {rows} pairs of train.jsonl are in train too\n" in llmhd.err
    assert f"run: {rows} of {rows} pairs of train.jsonl are in train or valid too\n" in llmhd.err


def test_softmax_runs_by_steps_and_by_judged_points(llmhd, words, snapshot):
    plain = [
        "run",
        "train.jsonl",
        "--valid",
        "valid.jsonl",
        "--loss",
        "softmax",
        "--dim",
        8,
        "--batch",
        64,
        "--seed",
        3,
    ]
    llmhd(*plain, "--device", "cpu", "--threads", 1, "--epochs", 2, "-o", "softmax")
    epoch = ["train-epoch", "train.jsonl", "--loss", "softmax", "--dim", 8, "--batch", 64, "--seed", 3]
    llmhd(*epoch, "--device", "cpu", "--threads", 1, "--epochs", 2, "-o", "two.npz")
    assert (llmhd.folder / "two.npz").read_bytes() == (llmhd.folder / "softmax" / "epoch-2" / "model.npz").read_bytes()
    llmhd(*words("softmax", "llmhd", "-o", "judged"))
    assert (llmhd.folder / "judged" / "best.npz").exists()
    code, _ = llmhd.run(*plain, "--select", "trimmed:ndcg@5", "-o", "none")
    assert code == 2 and "--select by loss is not for --loss softmax" in llmhd.err


def test_a_run_says_what_speaks_against_its_figures(llmhd, words):
    llmhd(*words("bpr", "loss", "--epochs", 1, "--alpha", 3000, "-o", "short"))
    assert "the best epoch is the last of --epochs 1" in llmhd.err
    assert "of --alpha 3,000; lower it" in llmhd.err
    plain = words("bpr", "none", "--clean", "graph", "--clean-at", "3", "--no-update", "--lr", 0)
    llmhd(*plain, "-o", "late")  # nothing is learnt, so the first epoch is best
    assert "before the first cleaning, after epoch 3; lower --clean-at" in llmhd.err
    assert "the best epoch is the last" not in llmhd.err and "had hardly grown" not in llmhd.err

"""Tuning: what is tried, by what it is judged, that no trial is done twice, and what is left for ``run``."""

from __future__ import annotations

import itertools
import json

import pytest

import llmhd_tools as llmhd_api
from llmhd_tools.errors import UsageError
from llmhd_tools.runs.trials import Space, best_of
from llmhd_tools.settings import Tuning

TUNE = ("tune", "train.jsonl", "--valid", "valid.jsonl")
SMALL = [w for one in ("dim=8", "batch=64", "epochs=3", "device=cpu", "threads=1", "seed=3") for w in ("--try", one)]
RUN = ("run", "train.jsonl", "--valid", "valid.jsonl")


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_trial_is_the_run_of_its_settings(llmhd):
    llmhd(*TUNE, *SMALL, "--try", "lr=.001,.05", "--try", "layers=0,2", "--select", "recall@5", "-o", "tuned")
    found = records(llmhd.folder / "tuned" / "trials.jsonl")
    assert [(one["lr"], one["layers"]) for one in found] == [(0.001, 0), (0.001, 2), (0.05, 0), (0.05, 2)]
    words = ("--dim", 8, "--batch", 64, "--epochs", 3, "--device", "cpu", "--threads", 1, "--seed", 3)
    for one in found:
        own = f"alone-{one['trial']}"
        llmhd(*RUN, *words, "--lr", one["lr"], "--layers", one["layers"], "--select", "recall@5", "-o", own)
        for name in ("metrics.jsonl", "best.npz", "settings.json"):
            theirs = llmhd.folder / "tuned" / f"trial-{one['trial']}" / name
            assert (llmhd.folder / own / name).read_bytes() == theirs.read_bytes() or name == "settings.json"
        valid = [r for r in records(llmhd.folder / own / "metrics.jsonl") if (r["metric"], r.get("k")) == ("recall", 5)]
        assert one["value"] == max(r["value"] for r in valid if r["split"] == "valid")
    best = max(found, key=lambda one: (one["value"], -one["trial"]))
    assert [one["best"] for one in found] == [one is best for one in found]
    llmhd(*RUN, "--config", "tuned/best.toml", "-o", "again")
    again = (llmhd.folder / "again" / "best.npz").read_bytes()
    assert again == (llmhd.folder / "tuned" / f"trial-{best['trial']}" / "best.npz").read_bytes()


def test_a_fit_is_judged_as_evaluate_judges_it(llmhd):
    out = llmhd(*TUNE, "--fit", "ease", "--try", "ridge=1,10,1000", "-o", "tuned").decode()
    assert out.split()[:4] == ["trial", "ridge", "valid", "ndcg@10"] and "epoch" not in out
    found = records(llmhd.folder / "tuned" / "trials.jsonl")
    for one in found:
        llmhd("fit", "ease", "train.jsonl", "--set", f"ridge={one['ridge']}", "-o", "one.npz")
        llmhd(
            "evaluate",
            "one.npz",
            "valid.jsonl",
            "--exclude",
            "train.jsonl",
            "--metrics",
            "ndcg",
            "--at",
            10,
            "-o",
            "m.jsonl",
        )
        assert one["value"] == records(llmhd.folder / "m.jsonl")[0]["value"]
    assert not (llmhd.folder / "tuned" / "best.toml").exists()
    values = [one["value"] for one in found]
    assert values[0] != values[2] and sum(one["best"] for one in found) == 1


def test_texts_reach_the_trials(llmhd):
    llmhd(*TUNE, "--fit", "l3ae", "--items", "items.jsonl", "--try", "pull=10,75", "-o", "fits")
    told = llmhd.refused(2, *TUNE, "--fit", "l3ae", "--try", "pull=10,75", "-o", "none")
    assert "l3ae reads texts of the items" in told
    (llmhd.folder / "shared.toml").write_text(
        'denoise = "llmhd"\nitems = "@/items.jsonl"\nllm = "lexical"\nwarm-up = 1\nmax-noise = 0.3\nalpha = 1\n'
    )
    llmhd(*TUNE, *SMALL, "--config", "shared.toml", "--try", "candidates=0.2,0.7", "-o", "runs")
    for number in (1, 2):
        assert (llmhd.folder / "runs" / f"trial-{number}" / "epoch-3" / "judged.jsonl").exists()


def test_no_trial_is_done_twice(llmhd, snapshot):
    """Killed after any trial, or within one, a tuning goes on to the same files, and finds what is done as it lies."""
    words = (*TUNE, *SMALL, "--try", "lr=.001,.01,.05", "-o", "tuned")
    out = llmhd(*words)
    whole = snapshot(llmhd.folder / "tuned")
    assert "holds a tuning already" in llmhd.refused(1, *words)
    trials = llmhd.folder / "tuned" / "trials.jsonl"
    first = trials.read_text().splitlines()[0]
    changed = json.loads(first) | {"value": 0.9}  # trusted as it lies: the trial is not done again
    del changed["best"]
    trials.write_text(json.dumps(changed) + "\n")
    (llmhd.folder / "tuned" / "best.toml").unlink()
    llmhd(*words, "--resume")
    assert [one["best"] for one in records(trials)] == [True, False, False]
    trials.write_text(first + "\n")
    progress = llmhd.folder / "tuned" / "trial-3" / "progress.json"
    progress.unlink()  # as if killed before its first epoch was whole
    assert llmhd(*words, "--resume") == out
    assert snapshot(llmhd.folder / "tuned") == whole


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--try", "lr=.001,.02"), "--try differs from the tuning in tuned"),
        (("--try", "lr=.001,.01", "--select", "recall@5"), "--select differs from the tuning in tuned (there ndcg@10)"),
        (("--try", "lr=.001,.01", "--random", 1), "--random differs"),
        (("--try", "lr=.001,.01", "--valid", "test.jsonl"), "the content of the inputs differs"),
    ],
)
def test_another_tuning_is_refused(llmhd, more, told):
    llmhd(*TUNE, *SMALL, "--try", "lr=.001,.01", "-o", "tuned")
    assert told in llmhd.refused(2, *TUNE, *SMALL, *more, "--resume", "-o", "tuned")


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "nothing to try"),
        (("--try", "lr"), "--try lr: is not NAME=VALUE,VALUE"),
        (("--try", "lr=.1,,.2"), "is not NAME=VALUE,VALUE"),
        (("--try", "lr=x"), "--try lr=x: must be a number"),
        (("--try", "layers=1.5"), "--try layers=1.5: must be a whole number"),
        (("--try", "live=yes"), "--try live=yes: must be true or false"),
        (("--try", "lr=.1,0.1"), "a value stands there twice"),
        (("--try", "lr=.1", "--try", "lr=.2"), "--try lr stands there twice"),
        (("--try", "lr=-1,1"), "--lr -1 is below 0"),
        (("--try", "tau=1"), "--set tau=1: is no option of --backbone lightgcn"),
        (("--try", "backbone=lightgcn,gcn"), "--backbone 'gcn' is unknown"),
        (("--try", "select=ndcg@5"), "give --select of the tuning itself"),
        (("--try", "scorer=x"), "--set scorer=x"),
        (("--try", "lr=.1", "--select", "ndcg"), "--select 'ndcg' is not a metric"),
        (("--fit", "ease", "--try", "ridge=1", "--select", "loss"), "fits are chosen by a metric such as ndcg@10"),
        (("--fit", "ease", "--try", "pull=1"), "--set pull=1: is no option of --model ease"),
        (("--try", "lr=.1", "--config", "test.toml"), "'test' of --config has no part in tuning"),
        (("--try", "lr=.1", "--config", "program.toml"), "'scorer' of --config runs a program"),
    ],
)
def test_what_cannot_be_tried_is_told_before_the_first_trial(llmhd, more, told):
    (llmhd.folder / "test.toml").write_text('test = "test.jsonl"\n')
    (llmhd.folder / "program.toml").write_text('scorer = "rm"\n')
    assert told in llmhd.refused(2, *TUNE, *more, "-o", "tuned")
    assert not list((llmhd.folder / "tuned").glob("*"))


def test_a_trial_that_diverges_has_failed_and_the_others_go_on(llmhd):
    out = llmhd(*TUNE, *SMALL, "--try", "lr=1e30,.01", "-o", "tuned").decode()
    found = records(llmhd.folder / "tuned" / "trials.jsonl")
    assert "lower" in found[0]["failed"] and "value" not in found[0] and found[1]["best"]
    assert [line.split()[0] for line in out.splitlines() if line[1:2].isdigit()] == ["2", "1"] and "failed" in out
    told = llmhd.run(*TUNE, *SMALL, "--try", "lr=1e30", "-o", "none")
    assert told[0] == 1 and "has no trial that came to an end" in llmhd.err


def test_a_best_value_at_the_edge_is_warned_of(llmhd):
    llmhd(*TUNE, "--fit", "ease", "--try", "ridge=1e6,1e7,1e8", "-q", "-o", "tuned")
    best = next(one["ridge"] for one in records(llmhd.folder / "tuned" / "trials.jsonl") if one["best"])
    assert (f"the best ridge, {best}, lies at the edge" in llmhd.err) == (best != 1e7)


def space(*words, fit=None):
    return Space.of(Tuning(tries=words, fit=fit))


def test_the_edges_of_a_grid():
    tried = space("lr=.001,.002,.005", "layers=0,1,2", "backbone=mf,lightgcn", "draws=4,16", "dim=64")
    at = {"lr": 0.005, "layers": 0, "backbone": "mf", "draws": 4, "dim": 64}
    assert list(tried.edges(at)) == [
        ("lr", 0.005, "larger"),
        ("draws", 4, "smaller"),
    ]  # fewer layers than 0 there are not
    assert not list(tried.edges(at | {"lr": 0.002, "draws": 16}))[1:]


def test_the_grid_is_a_product_and_a_draw_is_some_of_it():
    tried = space("lr=.1,.2,.3", "layers=1,2", "temperature=.1,.2")
    every = tried.trials(None, 0)
    assert [tuple(one.values()) for one in every] == list(itertools.product([0.1, 0.2, 0.3], [1, 2], [0.1, 0.2]))
    some, more = tried.trials(4, 7), tried.trials(9, 7)
    assert more[:4] == some and len({json.dumps(one) for one in more}) == 9 and all(one in every for one in more)
    assert tried.trials(4, 8) != some and tried.trials(99, 1) == every
    assert tried.over({"lr": 1.0, "set": ["draws=4", "temperature=9"]}, every[0]) == {
        "lr": 0.1, "layers": 1, "set": ["draws=4", "temperature=0.1"],
    }  # fmt: skip


def test_the_best_of_values():
    assert best_of([0.1, None, 0.3, 0.3], lowest=False) == 2 and best_of([0.1, None, 0.3], lowest=True) == 0
    assert best_of([None, None], lowest=False) is None


def test_the_lowest_loss_is_the_best(llmhd):
    llmhd(*TUNE, *SMALL, "--try", "lr=.0001,.02", "--select", "loss", "-o", "tuned")
    found = records(llmhd.folder / "tuned" / "trials.jsonl")
    assert found[0]["metric"] == "loss" and "k" not in found[0]
    assert min(found, key=lambda one: one["value"])["best"]


def test_from_python(llmhd, monkeypatch):
    monkeypatch.chdir(llmhd.folder)
    train, valid = (llmhd_api.read(f"{name}.jsonl") for name in ("train", "valid"))
    found = llmhd_api.tune(train, valid, fit="itemknn", tries=["neighbours=5,20"], folder="python")
    llmhd(*TUNE, "--fit", "itemknn", "--try", "neighbours=5,20", "-o", "words")
    for name in ("trials.jsonl", "tuning.json"):
        assert (llmhd.folder / "python" / name).read_bytes() == (llmhd.folder / "words" / name).read_bytes()
    assert found.kind == "trials" and list(found["value"]) == [
        r["value"] for r in records(llmhd.folder / "python/trials.jsonl")
    ]
    with pytest.raises(UsageError, match="there is no choice 'grid'"):
        llmhd_api.tune(train, valid, grid=["lr=1"], folder="x")

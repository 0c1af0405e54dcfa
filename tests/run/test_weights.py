"""Weights of pairs: what they do to a step's loss, where suspects write them, and ``run --clean soft``."""

from __future__ import annotations

import json

import numpy as np
import pytest

from llmhd_tools.core.suspicion import soft, worst
from llmhd_tools.errors import UsageError
from llmhd_tools.files.table import from_records, to_records
from llmhd_tools.files.tables import read_table
from llmhd_tools.stages.dataset import dataset_of
from llmhd_tools.stages.edges import Edges, drop_of
from llmhd_tools.stages.fit import fit
from llmhd_tools.stages.model import Model

SMALL = {"dim": 8, "layers": 1, "batch": 4096, "lr": 0.02, "reg": 0.0, "seed": 3}


def rows(world):
    return [json.loads(line) for line in (world / "train.jsonl").read_text().splitlines()]


def table(records):
    return from_records("interactions", [{k: v for k, v in r.items() if k != "noise"} for r in records], "train")


def weighed(world):
    return [record | {"weight": 0.25 + n % 5} for n, record in enumerate(rows(world))]


@pytest.mark.parametrize("loss", ["bpr", "bce", "softmax"])
def test_a_steps_loss_is_the_mean_weighed_by_the_pairs_weights_over_their_mean(world, loss):
    records = weighed(world)
    model = Model(dataset_of(table(records)), loss=loss, **SMALL)
    drawn = model.draw()
    by_pair = {(r["user"], str(r["item"])): r["weight"] for r in records}
    mean = np.mean(list(by_pair.values()))
    each = [(r["user"], str(r["item"]), r.get("label", 1), r["loss"]) for r in to_records(drawn)]
    weight = np.array([by_pair[u, i] / mean if label else 1.0 for u, i, label, _ in each])
    losses = np.array([found[-1] for found in each], dtype=np.float64)
    model.train()
    assert model.epoch == 1 and model.loss == pytest.approx(np.average(losses, weights=weight), rel=1e-5)
    assert model.loss != pytest.approx(losses.mean(), rel=1e-5)


def test_equal_weights_change_nothing_but_rounding_and_count_in_the_record(world):
    plain = Model(dataset_of(table(rows(world))), **SMALL)
    equal = Model(dataset_of(table([record | {"weight": 3.0} for record in rows(world)])), **SMALL)
    z, other = plain.train(), equal.train()
    assert other.arrays["user"] == pytest.approx(z.arrays["user"], abs=1e-5)
    assert plain.dataset.digest != equal.dataset.digest
    with pytest.raises(UsageError, match="`denoise` t-ce weighs the pairs"):
        Model(equal.dataset, loss="bce", denoise="t-ce", **SMALL)


def test_soft_weights_are_a_half_at_the_line_and_fall_with_suspicion():
    suspicion = np.array([0.5, -1.0, 2.0, 0.0, 1.0])
    found = soft(suspicion, 0.4)  # two would be cut; the line is at 1.0
    assert found == pytest.approx(1 / (1 + np.exp(suspicion - 1.0)))
    assert (found[worst(suspicion, 0.4)] <= 0.5).all() and (found[~worst(suspicion, 0.4)] > 0.5).all()
    assert (soft(suspicion, 0.1) == 1).all()


def test_suspects_weights_train_and_fit_as_weights_of_the_pairs_do(llmhd, world):
    on = ("--device", "cpu", "--threads", 1, "--dim", 8, "--batch", 64, "--seed", 3)
    llmhd("train-epoch", "train.jsonl", *on, "-o", "m1.npz", "--embeddings", "e1.npz")
    llmhd("suspect", "train.jsonl", "--history", "e1.npz", "--share", 0.1, "--weights", "-o", "soft.jsonl")
    llmhd("train-epoch", "train.jsonl", "--from", "m1.npz", "--drop", "soft.jsonl", *on[:4], "-o", "m2.npz")
    found = list(to_records(read_table(str(llmhd.folder / "soft.jsonl"), "suspects")))
    assert all(not record["cut"] and 0 < record["weight"] <= 1 for record in found)
    # as a column of the interactions the same weights make the same model but for what records say
    records = [record | {"weight": w["weight"]} for record, w in zip(rows(world), found, strict=True)]
    own, plain = table(records), dataset_of(table(rows(world)))
    suspects = from_records("suspects", [dict(r) for r in found], "soft", None, plain.users, plain.items)
    drop = drop_of(suspects, plain, 3)
    one, two = Model(dataset_of(own), **SMALL), Model(plain, edges=Edges(drop), **SMALL)
    assert (one.train().arrays["user"] == two.train().arrays["user"]).all()
    assert fit(own, "ease").digest() == fit(table(rows(world)), "ease", drop=drop).digest()


def test_run_cleans_softly_and_goes_on_after_an_interrupt(llmhd, words, snapshot):
    soft_words = ("--clean", "soft", "--clean-at", "2,3", "--noise", "--no-update")
    llmhd(*words("bpr", "none", *soft_words, "-o", "whole"))
    assert "pairs weigh" in llmhd.err
    weights = read_table(str(llmhd.folder / "whole" / "drop-2.npz"), "suspects")
    assert "weight" in weights and not weights["cut"].any()
    first = [word if word != 4 else 3 for word in words("bpr", "none", *soft_words, "-o", "parts")]
    llmhd(*first)
    llmhd(*words("bpr", "none", *soft_words, "--resume", "-o", "parts"))
    one, other = (snapshot(llmhd.folder / name) for name in ("whole", "parts"))
    for name in ("best.npz", "metrics.jsonl", "drop-3.npz"):
        assert one[name] == other[name]

"""Appraised items as a soft prior at ranking: what is added, how its weight is chosen, and the shuffled control."""

from __future__ import annotations

import numpy as np
import pytest

from llmhd_tools.cli.app import main
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.table import from_records, to_records
from llmhd_tools.files.tables import write_table
from llmhd_tools.files.tensors import Tensors, write_tensors
from llmhd_tools.measure.blend import blend
from llmhd_tools.measure.evaluate import evaluate
from llmhd_tools.measure.prior import GRID
from llmhd_tools.stages.dataset import dataset_of
from llmhd_tools.stages.rankers import ranker_of, read_ranker
from llmhd_tools.stages.suspect import suspect

USERS, ITEMS = 60, 30
RNG = np.random.default_rng(11)
TASTE = [RNG.normal(size=(n, 3)).astype(np.float32) for n in (USERS, ITEMS)]
GOOD = RNG.normal(size=ITEMS)  # how well an item pleases whoever chose it
MODEL = Tensors(
    "embeddings",
    {"user": TASTE[0], "item": TASTE[1]},
    Ids([f"u{n}" for n in range(USERS)]),
    Ids([f"i{n}" for n in range(ITEMS)]),
    source="z.npz",
)


def pairs(wanted):
    rows = [{"user": f"u{u}", "item": f"i{i}"} for u, i in zip(*np.nonzero(wanted), strict=True)]
    return from_records("interactions", rows, "pairs")


# Each chose the dozen items that suit her best, and liked the better ones of them, or so. A third of that is training.
CHOSEN = np.argsort(np.argsort(-(TASTE[0] @ TASTE[1].T + RNG.normal(size=(USERS, ITEMS))), axis=1), axis=1) < 12
LIKED = GOOD + 2 * RNG.normal(size=(USERS, ITEMS)) > 0
PART = RNG.permuted(np.tile(np.arange(3), (USERS, ITEMS // 3)), axis=1)
TRAIN, VALID, TEST = (pairs(CHOSEN & (n == PART) & ((n == 0) | LIKED)) for n in range(3))
DISLIKED = [pairs(CHOSEN & (n == PART) & ~LIKED) for n in (1, 2)]
APPRAISALS = from_records(
    "appraisals", [{"item": f"i{n}", "score": float(np.clip(5 + 2 * GOOD[n], 1, 10))} for n in range(ITEMS)], "a"
)


def values(model, **more):
    found = to_records(evaluate(model, TEST, exclude=[TRAIN, VALID], at="5", metrics="recall", **more))
    return {record["metric"]: record["value"] for record in found}


def test_scores_are_the_models_and_the_weighed_appraisals_both_standard_within_the_user():
    model = blend([MODEL], exclude=[TRAIN], prior=APPRAISALS, prior_weight=0.5)
    seen = np.zeros((USERS, ITEMS), bool)
    seen[TRAIN["user"], TRAIN.items.translate(MODEL.items)[TRAIN["item"]]] = True
    own = (TASTE[0] @ TASTE[1].T).astype(np.float64)
    said = np.clip(5 + 2 * GOOD, 1, 10)
    for user, found in enumerate(ranker_of(model).scores(np.arange(USERS))):
        left = ~seen[TRAIN.users.translate(MODEL.users).tolist().index(user)]
        wanted = sum(w * (row - row[left].mean()) / row[left].std() for w, row in ((1, own[user]), (0.5, said)))
        assert found[left] == pytest.approx(wanted[left], abs=1e-4)
    made = model.meta["made"]
    assert made["params"]["prior_weight"] == 0.5 and made["inputs"]["prior"] == APPRAISALS.digest("item", "score")


def test_the_prior_finds_what_disappoints_and_the_shuffled_one_does_not():
    plain = values(MODEL, disliked=DISLIKED[1])
    found = values(blend([MODEL], exclude=[TRAIN], prior=APPRAISALS, prior_weight=1), disliked=DISLIKED[1])
    assert found["disliked-share"] < plain["disliked-share"] and found["liked-auc"] > plain["liked-auc"] + 0.03
    control = [
        values(blend([MODEL], exclude=[TRAIN], prior=APPRAISALS, prior_weight=1, shuffle_prior=n), disliked=DISLIKED[1])
        for n in range(5)
    ]
    assert np.mean([one["liked-auc"] for one in control]) < plain["liked-auc"] + 0.02


def test_the_chosen_weight_is_the_largest_that_keeps_valid_or_of_these_the_one_of_fewest_dislikes():
    def on_valid(weight):
        one = blend([MODEL], exclude=[TRAIN], prior=APPRAISALS, prior_weight=weight)
        found = evaluate(one, VALID, exclude=[TRAIN], at="5", metrics="recall", disliked=DISLIKED[0])
        return {record["metric"]: record["value"] for record in to_records(found)}

    each = {weight: on_valid(weight) for weight in GRID}
    for keep in (1.0, 0.9):
        allowed = [weight for weight in GRID if each[weight]["recall"] >= keep * each[0]["recall"]]
        choice = {"exclude": [TRAIN], "valid": VALID, "prior": APPRAISALS, "select": "recall@5", "prior_keep": keep}
        params = blend([MODEL], **choice).meta["made"]["params"]
        assert params["prior_weight"] == max(allowed) and params["prior_keep"] == keep
        params = blend([MODEL], disliked=DISLIKED[0], **choice).meta["made"]["params"]
        assert params["prior_weight"] == min(allowed, key=lambda weight: each[weight]["disliked-share"])


def test_items_without_an_appraisal_count_as_the_mean_and_are_told(caplog):
    few = APPRAISALS.take(np.arange(ITEMS) < 10)
    with caplog.at_level("INFO", "llmhd"):
        model = blend([MODEL], prior=few, prior_weight=1)
    prior = ranker_of(model).parts[1].items[:, 0]
    assert prior[10:].tolist() == [0.0] * 20 and prior[:10].mean() == pytest.approx(0, abs=1e-6)
    assert "20 of 30 items have no appraisal" in caplog.text
    other = from_records("appraisals", [{"item": "x", "score": 3.0}], "other.jsonl")
    with pytest.raises(InputError, match="appraises none of the items"):
        blend([MODEL], prior=other, prior_weight=1)


def test_suspicion_takes_appraisals_as_it_takes_texts():
    dataset = dataset_of(TRAIN)
    plain, found = (suspect(dataset, [MODEL], text_weight=0.5, appraisals=said) for said in (None, APPRAISALS))
    said = np.clip(5 + 2 * GOOD, 1, 10)[found.items.translate(MODEL.items)[found["item"]]]
    assert found["appraisal"] == pytest.approx(said)
    wanted = plain["suspicion"] - 0.5 * (said - said.mean()) / said.std()
    assert found["suspicion"] == pytest.approx(wanted)


def test_the_command_makes_what_python_makes_and_what_does_not_fit_is_refused(tmp_path, capfd):
    names = {"train": TRAIN, "valid": VALID, "a": APPRAISALS, "low": DISLIKED[0]}
    paths = {name: str(tmp_path / f"{name}.jsonl") for name in names}
    for name, table in names.items():
        write_table(paths[name], table)
    model, output = str(tmp_path / "z.npz"), str(tmp_path / "b.npz")
    write_tensors(model, MODEL)
    line = ["blend", model, "--prior", paths["a"], "--exclude", paths["train"], "-o", output]
    assert main([*line, "--valid", paths["valid"], "--prior-keep", "0.9", "--disliked", paths["low"]]) == 0
    assert "prior: weight" in (err := capfd.readouterr().err) and "disliked-share@10" in err
    python = blend([MODEL], exclude=[TRAIN], valid=VALID, prior=APPRAISALS, prior_keep=0.9, disliked=DISLIKED[0])
    assert read_ranker(output).meta["made"] == python.meta["made"]
    assert read_ranker(output).digest() == python.digest()
    for more, told in (
        ([], "how much --prior counts is not said"),
        (
            ["--prior-weight", "1", "--disliked", paths["low"]],
            "--disliked chooses the weight of --prior beside --valid",
        ),
        (["--valid", paths["valid"], "--select", "loss"], "a metric such as ndcg@10"),
    ):
        assert main([*line, *more]) == 2 and told in capfd.readouterr().err
    with pytest.raises(UsageError, match="leave one out"):
        blend([MODEL], weights="1", valid=VALID, prior=APPRAISALS, prior_weight=1)

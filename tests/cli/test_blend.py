"""``blend``: the sum of standard scores, its weights given or chosen on valid, measured like one model."""

from __future__ import annotations

import numpy as np
import pytest

from llmhd_tools.cli.app import main
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.table import from_records, to_records
from llmhd_tools.files.tables import read_table, write_table
from llmhd_tools.files.tensors import Tensors, write_tensors
from llmhd_tools.measure.blend import blend
from llmhd_tools.measure.evaluate import evaluate
from llmhd_tools.stages.dataset import dataset_of
from llmhd_tools.stages.fit import fit
from llmhd_tools.stages.rankers import aligned, ranker_of, read_ranker
from llmhd_tools.stages.suspect import suspect

USERS, ITEMS = 40, 24
RNG = np.random.default_rng(3)
TASTE = [RNG.normal(size=(n, 4)).astype(np.float32) for n in (USERS, ITEMS)]
LIKED = np.argsort(-(TASTE[0] @ TASTE[1].T), axis=1)[:, :9]
NAMES = [f"u{n}" for n in range(USERS)], [f"i{n}" for n in range(ITEMS)]


def table(columns, source):
    rows = [{"user": f"u{u}", "item": f"i{LIKED[u, n]}"} for u in range(USERS) for n in columns]
    return from_records("interactions", rows, source)


def model(part, order=1, source="z.npz"):
    """Embeddings that see some dimensions of the taste; ids in order or backwards."""
    users, items = (side[::order, part] for side in TASTE)
    ids = (Ids(names[::order]) for names in NAMES)
    return Tensors("embeddings", {"user": users, "item": items}, *ids, source=source)


TRAIN, VALID, TEST = table((0, 2, 4, 6, 8), "train"), table((1, 5), "valid"), table((3, 7), "test")
FIRST, SECOND = model(slice(0, 3), source="one.npz"), model(slice(2, 4), -1, source="two.npz")


def known():
    found = np.zeros((USERS, ITEMS), bool)
    found[np.arange(USERS)[:, None], LIKED[:, (0, 2, 4, 6, 8)]] = True
    return found


def standard(scores):
    """Each user's scores of mean 0 and deviation 1 over what is not known, in float64, row by row."""
    rows = []
    for row, hidden in zip(scores.astype(np.float64), known(), strict=True):
        rows.append((row - row[~hidden].mean()) / row[~hidden].std())
    return np.array(rows)


def test_scores_are_the_weighed_sum_of_standard_scores_by_id():
    found = ranker_of(blend([FIRST, SECOND], exclude=[TRAIN], weights="1,0.5")).scores(np.arange(USERS))
    own, other = (TASTE[0][:, part] @ TASTE[1][:, part].T for part in (slice(0, 3), slice(2, 4)))
    assert found == pytest.approx(standard(own) + 0.5 * standard(other), abs=1e-4)


def test_weights_are_those_that_rank_valid_best_and_the_record_names_them():
    found = blend([FIRST, SECOND], exclude=[TRAIN], valid=VALID, select="recall@3")
    made = found.meta["made"]
    assert made["params"]["select"] == "recall@3" and made["params"]["weights"] == found.arrays["blend"].tolist()
    assert made["inputs"]["models"] == [FIRST.digest(), SECOND.digest()] and "valid" in made["inputs"]

    def reached(weights):
        text = ",".join(map(str, weights))
        one = blend([FIRST, SECOND], exclude=[TRAIN], weights=text)
        (record,) = to_records(evaluate(one, VALID, exclude=[TRAIN], at="3", metrics="recall"))
        return record["value"]

    best = reached(found.arrays["blend"].tolist())
    assert all(reached([1, other]) <= best for other in (0, 0.25, 0.5, 1, 2, 4))


def test_the_command_makes_what_python_makes_and_everything_reads_it(tmp_path, capfd):
    paths = {name: str(tmp_path / name) for name in ("one.npz", "two.npz", "ease.npz", "blend.npz", "more.npz")}
    for z in (FIRST, SECOND):
        write_tensors(paths[z.source], z)
    ease = fit(TRAIN, "ease", set=("ridge=2",))
    write_tensors(paths["ease.npz"], ease)
    for name, rows in (("train", TRAIN), ("valid", VALID), ("test", TEST)):
        write_table(str(tmp_path / f"{name}.jsonl"), rows)
    train, valid, test = (str(tmp_path / f"{name}.jsonl") for name in ("train", "valid", "test"))
    line = ["blend", paths["one.npz"], paths["ease.npz"], "--exclude", train, "--valid", valid]
    assert main([*line, "-o", paths["blend.npz"]]) == 0
    err = capfd.readouterr().err
    assert "valid ndcg@10" in err and "one.npz" in err
    assert main(["validate", paths["blend.npz"]]) == 0
    capfd.readouterr()
    read = read_ranker(paths["blend.npz"])
    python = blend([FIRST, ease], exclude=[TRAIN], valid=VALID)
    assert read.digest() == python.digest() and read.meta["made"] == python.meta["made"]
    masks = ["--exclude", train, "--exclude", valid]
    assert main(["evaluate", paths["blend.npz"], test, *masks, "-o", str(tmp_path / "m.jsonl"), "-q"]) == 0
    wanted = list(to_records(evaluate(python, TEST, exclude=[TRAIN, VALID], at="10,20")))
    assert list(to_records(read_table(str(tmp_path / "m.jsonl"), "metrics"))) == wanted
    assert main(["suspect", train, "--history", paths["blend.npz"], "-o", str(tmp_path / "s.jsonl"), "-q"]) == 0
    found = suspect(dataset_of(TRAIN), [python])
    user, item = found.users.translate(python.users)[found["user"]], found.items.translate(python.items)[found["item"]]
    assert found["prediction"] == pytest.approx(ranker_of(python).scores(np.arange(USERS))[user, item], abs=1e-5)
    # a blend is a model like others, in another blend too
    more = ["blend", paths["blend.npz"], paths["two.npz"], "--exclude", train, "--weights", "2,1", "-q"]
    assert main([*more, "-o", paths["more.npz"]]) == 0
    whole = aligned(read_ranker(paths["more.npz"]), python.users, python.items)
    assert np.isfinite(whole.scores(np.arange(USERS))).all()


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="two models or more"):
        blend([FIRST])
    for text in ("1", "1,-1", "0,0", "1,x", "1,nan"):
        with pytest.raises(UsageError, match="`weights`"):
            blend([FIRST, SECOND], weights=text)
    with pytest.raises(UsageError, match="leave one out"):
        blend([FIRST, SECOND], weights="1,1", valid=VALID)
    with pytest.raises(UsageError, match="ndcg@10"):
        blend([FIRST, SECOND], select="loss", valid=VALID)
    other = Tensors("embeddings", FIRST.arrays, FIRST.users, Ids([f"x{n}" for n in range(ITEMS)]), source="x.npz")
    with pytest.raises(InputError, match=r"x.npz: has no embedding of item"):
        blend([FIRST, other])

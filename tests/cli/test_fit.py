"""``llmhd fit`` and its file: measured as the formula is, for any order of ids; weights, drops and shuffled texts count."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import write_jsonl

from llmhd_tools.cli.app import main
from llmhd_tools.core import linear
from llmhd_tools.core.rankers import Blend, Dot, Linear
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.table import from_records, to_records
from llmhd_tools.files.tables import read_table
from llmhd_tools.files.tensors import Tensors, read_tensors, write_tensors
from llmhd_tools.measure.evaluate import evaluate
from llmhd_tools.stages.dataset import dataset_of
from llmhd_tools.stages.edges import drop_of
from llmhd_tools.stages.fit import fit
from llmhd_tools.stages.rankers import aligned, arrays_of, predict, ranker_of, read_ranker
from llmhd_tools.stages.suspect import suspect

USERS, ITEMS = 30, 12
X = np.random.default_rng(0).random((USERS, ITEMS)) < 0.35
X[np.arange(USERS), (np.arange(USERS) + 3) % ITEMS] = True  # nobody is without
PAIRS = [{"user": f"u{u}", "item": f"i{i}"} for u, i in zip(*np.nonzero(X), strict=True)]
WORDS = ("red", "green", "blue", "old", "new")
TEXTS = {f"i{i}": " ".join(np.random.default_rng(i).choice(WORDS, 3)) for i in range(ITEMS)}


def table(records=PAIRS):
    return from_records("interactions", [dict(record) for record in records], "train")


def scores(model):
    """All scores, users and items in the order of their numbers."""
    who, what = Ids([f"u{u}" for u in range(USERS)]), Ids([f"i{i}" for i in range(ITEMS)])
    return aligned(model, who, what).scores(np.arange(USERS))


def test_a_fit_scores_as_its_formula():
    x = sp.csr_array(X.astype(np.float32))
    wanted = X @ linear.ease(x, 3.0)
    model = fit(table(), "ease", set=("ridge=3",))
    assert model.kind == "ranker" and scores(model) == pytest.approx(wanted, abs=1e-5)
    assert scores(fit(table(PAIRS[::-1]), "ease", set=("ridge=3",))) == pytest.approx(wanted, abs=1e-5)
    assert scores(fit(table(), "itemknn")) == pytest.approx(X @ linear.itemknn(x, 100, 0.0).toarray(), abs=1e-5)
    assert fit(table(), "popularity").kind == "embeddings"
    assert scores(fit(table(), "popularity")) == pytest.approx(np.tile(X.sum(0), (USERS, 1)))


def test_weights_count_and_drops_do_not():
    weighed = [record | {"weight": 1 + n % 3} for n, record in enumerate(PAIRS)]
    x = X.astype(np.float32)
    x[np.nonzero(X)] = [record["weight"] for record in weighed]
    model = fit(table(weighed), "ease", set=("ridge=3",))
    assert scores(model) == pytest.approx(x @ linear.ease(sp.csr_array(x), 3.0), abs=1e-5)
    assert model.meta["made"]["inputs"] != fit(table(), "ease", set=("ridge=3",)).meta["made"]["inputs"]

    gone = [record | {"cut": n % 10 == 0} for n, record in enumerate(PAIRS)]
    dataset = dataset_of(table())
    cut = from_records("suspects", [dict(record) for record in gone], "cut", None, dataset.users, dataset.items)
    kept = X.astype(np.float32)
    kept[tuple(axis[::10] for axis in np.nonzero(X))] = 0
    dropped = fit(table(), "ease", set=("ridge=3",), drop=drop_of(cut, dataset, 3))
    assert scores(dropped) == pytest.approx(kept @ linear.ease(sp.csr_array(kept), 3.0), abs=1e-5)


def test_l3ae_reads_words_or_vectors_and_shuffled_texts_are_others():
    own = fit(table(), "l3ae", items=TEXTS)
    other = fit(table(), "l3ae", items=TEXTS, shuffle_texts=1)
    assert (scores(other) == scores(fit(table(), "l3ae", items=TEXTS, shuffle_texts=1))).all()
    assert abs(scores(own) - scores(other)).max() > 1e-3
    assert other.meta["made"]["params"]["shuffle_texts"] == 1
    z = np.random.default_rng(1).normal(size=(ITEMS, 4)).astype(np.float32)
    vectors = Tensors("vectors", {"item": z}, Ids(), Ids([f"i{i}" for i in range(ITEMS)]))
    model = fit(table(), "l3ae", vectors=vectors)
    unit = sp.csr_array(z / np.linalg.norm(z, axis=1, keepdims=True))
    wanted = linear.l3ae(sp.csr_array(X.astype(np.float32)), unit, 0.0, 75.0, 7.0)
    assert scores(model) == pytest.approx(X @ wanted, abs=1e-4)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="l3ae reads texts"):
        fit(table(), "l3ae")
    with pytest.raises(UsageError, match="ease reads no texts; leave out `items`"):
        fit(table(), "ease", items=TEXTS)
    with pytest.raises(UsageError, match="ridge"):
        fit(table(), "ease", set=("ridges=3",))
    with pytest.raises(InputError, match="no text of any item"):
        fit(table(), "l3ae", items={"other": "red"})


def test_a_command_writes_what_python_makes_and_it_is_measured(tmp_path):
    train = write_jsonl(tmp_path / "train.jsonl", PAIRS)
    test = write_jsonl(tmp_path / "test.jsonl", [{"user": f"u{u}", "item": f"i{u % ITEMS}"} for u in range(USERS)])
    out = tmp_path / "ease.npz"
    assert main(["fit", "ease", str(train), "--set", "ridge=3", "-o", str(out), "-q"]) == 0
    assert main(["validate", str(out)]) == 0
    read, model = read_ranker(str(out)), fit(read_table(str(train), "interactions"), "ease", set=("ridge=3",))
    assert read.digest() == model.digest() and read.meta["made"] == model.meta["made"]
    found = tmp_path / "metrics.jsonl"
    assert main(["evaluate", str(out), str(test), "--exclude", str(train), "-o", str(found), "-q"]) == 0
    held_out = read_table(str(test), "interactions")
    measured = evaluate(model, held_out, exclude=[table()], at="10,20")
    assert list(to_records(read_table(str(found), "metrics"))) == list(to_records(measured))
    # the same as embeddings whose dot products are the model's scores
    names = [Ids([f"{side}{n}" for n in range(count)]) for side, count in (("u", USERS), ("i", ITEMS))]
    dense = Tensors("embeddings", {"user": scores(model), "item": np.eye(ITEMS, dtype=np.float32)}, *names)
    assert list(to_records(evaluate(dense, held_out, exclude=[table()], at="10,20"))) == list(to_records(measured))


def test_suspects_are_what_the_other_items_do_not_predict():
    dataset, model = dataset_of(table()), fit(table(), "ease", set=("ridge=3",))
    found = suspect(dataset, [model], share=0.1)
    wanted = scores(model)[np.nonzero(X)]  # PAIRS stand in this order
    assert found["prediction"] == pytest.approx(wanted, abs=1e-6)
    assert (found["cut"] == 1).sum() == len(PAIRS) // 10
    assert predict(model, table()) == pytest.approx(wanted, abs=1e-6)
    with pytest.raises(UsageError, match="scores do not compare"):
        suspect(dataset, [model, fit(table(), "popularity")])


def test_every_ranker_survives_its_file(tmp_path):
    x = sp.csr_array(X.astype(np.float32))
    rng = np.random.default_rng(2)
    dot = Dot(*(rng.normal(size=(count, 3)).astype(np.float32) for count in (USERS, ITEMS)))
    ours = Linear(x, linear.itemknn(x, 5, 0.0))
    blend = Blend([dot, ours], [1.0, 0.5], x)
    ids = Ids(range(USERS)), Ids(range(ITEMS))
    for ranker in (ours, blend, Blend([blend, ours], [2.0, 1.0], x)):
        write_tensors(str(tmp_path / "r.npz"), Tensors("ranker", arrays_of(ranker), *ids))
        back = ranker_of(read_ranker(str(tmp_path / "r.npz")))
        assert (back.scores(np.arange(USERS)) == ranker.scores(np.arange(USERS))).all()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("weights.item", lambda a: a + ITEMS),
        ("weights.start", lambda a: a[::-1].copy()),
        ("weights.start", lambda a: a[:-1]),
        ("weights.value", lambda a: a[:-1]),
        ("interactions.value", lambda a: a.astype(np.float64)),
        ("interactions.item", lambda a: -a - 1),
        ("interactions.start", None),
    ],
)
def test_arrays_that_make_no_ranker_are_refused(tmp_path, name, change):
    model = fit(table(), "itemknn")
    if change:
        model.arrays[name] = change(model.arrays[name])
    else:
        del model.arrays[name]
    write_tensors(str(tmp_path / "r.npz"), model)
    with pytest.raises(InputError, match=name.split(".")[0]):
        read_tensors(str(tmp_path / "r.npz"), "ranker")

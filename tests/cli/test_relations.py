"""G' from judged pairs, against sets in plain Python; what samples and negatives it gives; what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmhd_tools.cli.app import main
from llmhd_tools.core.graph import Graph
from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.table import Table
from llmhd_tools.files.tensors import read_tensors
from llmhd_tools.settings import Machine
from llmhd_tools.stages.dataset import Dataset
from llmhd_tools.stages.edges import Edges, relations_of
from llmhd_tools.stages.model import Model

USERS, ITEMS = 8, 10
VERDICTS = st.sampled_from(["hard", "noisy", None])


def training_of(seed, share=0.4):
    user, item = np.nonzero(np.random.default_rng(seed).random((USERS, ITEMS)) < share)
    graph = Graph.of(user.astype(np.int32), item.astype(np.int32), USERS, ITEMS)
    return Dataset(graph, Ids([f"u{n}" for n in range(USERS)]), Ids(list(range(ITEMS))), "digest")


def judged(dataset, rows):
    """A relations table of (user, item, verdict); the labels are as they must be."""
    user, item = (np.array([row[side] for row in rows], np.int32) for side in (0, 1))
    columns = {"user": user, "item": item, "label": dataset.graph.has(user, item).astype(np.int8)}
    columns["verdict"] = [row[2] for row in rows]
    return Table("relations", columns, dataset.users, dataset.items, source="relations.jsonl")


def pairs(graph):
    return set(zip(graph.user.tolist(), graph.item.tolist(), strict=True))


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 500), data=st.data())
def test_the_corrected_graph_is_the_one_built_by_hand(seed, data):
    dataset = training_of(seed)
    held = pairs(dataset.graph)
    places = st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1))
    rows = data.draw(st.dictionaries(places, VERDICTS, max_size=30))
    if not held - rows.keys():
        return
    found = relations_of(judged(dataset, [(*pair, verdict) for pair, verdict in rows.items()]), dataset)
    wanted = {pair for pair in held if rows.get(pair) != "noisy"}
    wanted |= {pair for pair, verdict in rows.items() if pair not in held and verdict == "hard"}
    corrected = found.corrected(dataset.graph)
    assert len(corrected) == len(wanted) and pairs(corrected) == wanted
    assert pairs(found.with_inferred(dataset.graph)) == wanted | held
    kept = list(zip(dataset.graph.user.tolist(), dataset.graph.item.tolist(), strict=True))
    order = [pair for pair in zip(corrected.user.tolist(), corrected.item.tolist(), strict=True) if pair in held]
    assert order == [pair for pair in kept if pair in wanted]


def corrected_model(seed=3, **choices):
    dataset = training_of(seed)
    rows = [(u, i, "noisy") for u, i in sorted(pairs(dataset.graph))[::4]]
    free = sorted({(u, i) for u in range(USERS) for i in range(ITEMS)} - pairs(dataset.graph))
    rows += [(u, i, "hard") for u, i in free[::5]] + [(u, i, "noisy") for u, i in free[1::5]]
    relations = relations_of(judged(dataset, rows), dataset)
    edges = Edges(relations=relations)
    return Model(dataset, machine=Machine("cpu", 1), edges=edges, **choices), relations


@pytest.mark.parametrize("loss", ["bpr", "bce"])
def test_positives_are_those_of_the_corrected_graph_and_negatives_were_never_a_positive(loss):
    model, relations = corrected_model(loss=loss, dim=4, batch=16, denoise="llmhni")
    table = model.draw()
    positive = table["label"] == 1 if loss == "bce" else np.ones(len(table), bool)
    corrected, ever = relations.corrected(model.dataset.graph), relations.with_inferred(model.dataset.graph)
    found = set(zip(table["user"][positive].tolist(), table["item"][positive].tolist(), strict=True))
    assert found == pairs(corrected) and positive.sum() == len(corrected)
    rest = (table["user"], table["negative"]) if loss == "bpr" else (table["user"][~positive], table["item"][~positive])
    assert not ever.has(*rest).any()
    assert pairs(model.trainer.edges) == pairs(corrected)


def test_samples_of_noisy_pairs_fall_away():
    model, relations = corrected_model(dim=4, batch=16)
    whole = Model(model.dataset, machine=Machine("cpu", 1), dim=4, batch=16).draw()
    gone = model.edges.gone(whole_samples(whole))
    assert gone.sum() == len(relations.noisy.pairs) > 0
    model.train(whole)
    assert model.trainer.epoch == 1


def whole_samples(table):
    from llmhd_tools.stages.samples import samples_of

    return samples_of(table)


@pytest.mark.parametrize("denoise", ["t-ce", "rgcf"])
def test_other_denoisers_do_not_go_with_relations(denoise):
    with pytest.raises(UsageError, match=f"`relations` corrects the graph, and `denoise` {denoise} "):
        corrected_model(denoise=denoise, dim=4)


@pytest.mark.parametrize(("change", "told"), [
    ({"label": 0}, "relations.jsonl: row 0: label is 0, but this is a training pair"),
    ({"label": 1, "other": True}, "relations.jsonl: row 0: user 'u.' with item '.' is no training pair"),
    ({"verdict": "maybe"}, "relations.jsonl: row 0: verdict is 'maybe', must be hard or noisy"),
])  # fmt: skip
def test_rows_that_cannot_be_are_refused(change, told):
    dataset = training_of(1)
    known = sorted(pairs(dataset.graph))
    free = sorted({(u, i) for u in range(USERS) for i in range(ITEMS)} - set(known))
    table = judged(dataset, [(*(free if "other" in change else known)[0], change.get("verdict", "noisy"))])
    if "label" in change:
        table.columns["label"][:] = change["label"]
    with pytest.raises(InputError, match=told):
        relations_of(table, dataset)


def test_all_noisy_is_refused():
    dataset = training_of(1)
    with pytest.raises(InputError, match="nothing would be left to learn"):
        relations_of(judged(dataset, [(u, i, "noisy") for u, i in pairs(dataset.graph)]), dataset)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with train.jsonl, relations.jsonl and an empty one."""
    monkeypatch.chdir(tmp_path)
    rows = [{"user": f"u{u}", "item": f"i{(u * 3 + k) % 11}"} for u in range(10) for k in range(4)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    known = {(row["user"], row["item"]) for row in rows}
    told = [{**row, "label": 1, "user_view": "Low", "item_view": "High", "verdict": "noisy"} for row in rows[::5]]
    free = [(f"u{u}", f"i{i}") for u in range(10) for i in range(11) if (f"u{u}", f"i{i}") not in known]
    told += [{"user": u, "item": i, "label": 0, "verdict": "hard"} for u, i in free[::9]]
    told += [{"user": u, "item": i, "label": 0, "error": "no answer"} for u, i in free[1::9]]
    (tmp_path / "relations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    (tmp_path / "none.jsonl").write_text("")
    return tmp_path


def arrays(name, kind="embeddings"):
    return {key: value.tobytes() for key, value in read_tensors(name, kind).arrays.items()}


SMALL = ["--dim", "4", "--batch", "16", "--device", "cpu", "--threads", "1"]


@pytest.mark.parametrize("backbone", ["lightgcn", "ngcf", "sgl", "ncl"])
def test_without_weights_and_relations_it_is_plain_training_byte_for_byte(folder, backbone):
    begin = ["train-epoch", "train.jsonl", "--backbone", backbone, *SMALL, "--epochs", "3", "--negatives", "uniform"]
    off = ["--denoise", "llmhni", "--set", "cross-weight=0", "--set", "dropped-weight=0"]
    assert main([*begin, "-o", "plain.npz", "--embeddings", "plain-z.npz"]) == 0
    assert main([*begin, *off, "-o", "off.npz", "--embeddings", "off-z.npz"]) == 0
    assert main([*begin, *off, "--relations", "none.jsonl", "-o", "none.npz", "--embeddings", "none-z.npz"]) == 0
    for name in ("off", "none"):
        assert arrays(f"{name}.npz", "model") == arrays("plain.npz", "model")
        assert arrays(f"{name}-z.npz") == arrays("plain-z.npz")
    assert main([*begin, "--denoise", "llmhni", "-o", "on.npz"]) == 0
    assert arrays("on.npz", "model") != arrays("plain.npz", "model")


def test_epochs_with_relations_are_one_by_one_what_they_are_at_once(folder):
    begin = ["train-epoch", "train.jsonl", "--denoise", "llmhni", "--negatives", "dynamic", *SMALL]
    given = ["--relations", "relations.jsonl"]
    assert main([*begin, "-o", "1.npz"]) == 0
    on = ["train-epoch", "train.jsonl", "--device", "cpu", "--threads", "1", *given]
    assert main([*on, "--from", "1.npz", "--epochs", "3", "-o", "whole.npz", "--next", "whole-next.npz"]) == 0
    assert main([*on, "--from", "1.npz", "-o", "2.npz"]) == 0
    assert main([*on, "--from", "2.npz", "-o", "3.npz", "--next", "next.npz"]) == 0
    assert main([*on, "--from", "3.npz", "--samples", "next.npz", "-o", "4.npz", "--next", "next-5.npz"]) == 0
    assert (folder / "4.npz").read_bytes() == (folder / "whole.npz").read_bytes()
    assert (folder / "next-5.npz").read_bytes() == (folder / "whole-next.npz").read_bytes()


def test_the_graph_is_corrected_as_long_as_relations_are_given(folder, capsys):
    assert main(["train-epoch", "train.jsonl", *SMALL, "-o", "1.npz"]) == 0
    on = ["train-epoch", "train.jsonl", "--device", "cpu", "--threads", "1", "--from"]
    assert main([*on, "1.npz", "--relations", "relations.jsonl", "-o", "2.npz"]) == 0
    assert "; 8 noisy pairs left out of the graph, 8 inferred" in capsys.readouterr().err
    assert main([*on, "1.npz", "-o", "plain.npz"]) == 0
    assert main([*on, "1.npz", "--relations", "none.jsonl", "-o", "none.npz"]) == 0
    assert arrays("none.npz", "model") == arrays("plain.npz", "model") != arrays("2.npz", "model")

"""embed, align and relate as commands: what they write, leave out and tell."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from llmhd_tools.cli.app import main
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.tables import read_table
from llmhd_tools.files.tensors import Tensors, read_tensors, write_tensors


@pytest.fixture(autouse=True)
def _in_folder(trained, monkeypatch):
    monkeypatch.chdir(trained)


def llmhd(line):
    return main(line.split())


def records(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_embed_takes_one_file_or_both_in_any_order():
    assert llmhd("embed profiles.jsonl items.jsonl -o a.npz -q") == 0
    assert llmhd("embed items.jsonl profiles.jsonl -o b.npz -q") == 0
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes() == Path("vectors.npz").read_bytes()
    both = read_tensors("a.npz", "vectors")
    assert len(both.users) == 30 and len(both.items) == 20 and both.meta["made"]["params"]["llm"] == "lexical/1"
    assert llmhd("embed items.jsonl --width 5 -o c.npz -q") == 0
    items = read_tensors("c.npz", "vectors")
    assert list(items.arrays) == ["item"] and items.arrays["item"].shape == (20, 5)
    assert llmhd("validate a.npz c.npz -q") == 0


def test_embed_leaves_out_texts_without_a_vector(capfd):
    Path("few.jsonl").write_text('{"item": 1, "profile": "dragon"}\n{"item": 2, "profile": "!"}\n')
    assert llmhd("embed few.jsonl -o few.npz") == 0
    assert "1 texts have a vector by lexical/1, 1 have none" in capfd.readouterr().err
    assert read_tensors("few.npz", "vectors").items.names == [1]
    Path("none.jsonl").write_text('{"item": 2, "profile": "!"}\n')
    assert llmhd("embed none.jsonl -o none.npz") == 1 and not Path("none.npz").exists()


def test_embed_refuses_other_kinds(capfd):
    assert llmhd("embed train.jsonl -o v.npz") == 1
    assert "train.jsonl: holds interactions, but items or profiles are wanted here" in capfd.readouterr().err


def test_align_is_the_same_for_the_same_seed_and_tells_before_and_after(capfd):
    line = "align vectors.npz train.jsonl --dim 6 --epochs 8 --lr 0.01 --test test.jsonl"
    assert llmhd(f"{line} --seed 1 -o a.npz --auc a.jsonl") == 0
    told = capfd.readouterr().err
    assert llmhd(f"{line} --seed 1 -o b.npz --auc b.jsonl -q") == 0
    assert llmhd(f"{line} --seed 2 -o c.npz -q") == 0
    assert Path("a.npz").read_bytes() == Path("b.npz").read_bytes() != Path("c.npz").read_bytes()
    aligned, vectors = read_tensors("a.npz", "vectors"), read_tensors("vectors.npz", "vectors")
    assert aligned.arrays["user"].shape == (30, 6) and aligned.users.names == vectors.users.names
    for side in aligned.arrays.values():
        assert np.linalg.norm(side, axis=1) == pytest.approx(np.ones(len(side)), abs=1e-6)
    rows = records("a.jsonl")
    assert {row["metric"] for row in rows} == {"relevance-auc"} and len(rows) == 6
    for split in ("train", "test", "held-out"):
        before, after = (row for row in rows if row["split"] == split)
        assert before["epoch"] == 0 < after["epoch"] <= 8
        assert f"{split}: AUC of relevance {before['value']:.4f} before, {after['value']:.4f} after" in told
    assert len(read_table("a.jsonl", "metrics")) == 6


def test_align_chooses_on_valid_where_it_is_given():
    assert llmhd("align vectors.npz train.jsonl --valid valid.jsonl --epochs 2 -o a.npz --auc a.jsonl -q") == 0
    assert {row["split"] for row in records("a.jsonl")} == {"train", "valid"}


def test_align_takes_anyones_vectors_and_works_with_those_it_has(capfd):
    """The documented five lines of NumPy; some users of the training data have no vector."""
    rng, users, items = np.random.default_rng(0), [f"u{n}" for n in range(25)], [f"i{n}" for n in range(20)]
    u, i = rng.standard_normal((25, 7)), rng.standard_normal((20, 7))
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    exec(page.split("```python\n")[1].split("```")[0], {"users": users, "items": items, "u": u, "i": i})
    assert llmhd("align vectors.npz train.jsonl --epochs 2 --dim 3 -o a.npz") == 0
    assert "rows of train.jsonl are repeated or have no vectors, and are left out" in capfd.readouterr().err
    assert read_tensors("a.npz", "vectors").users.names == users


def test_align_needs_both_sides_and_pairs_to_choose_by(capfd):
    assert llmhd("embed items.jsonl -o i.npz -q") == 0
    assert llmhd("align i.npz train.jsonl -o a.npz") == 1
    assert "i.npz: has vectors of one side only" in capfd.readouterr().err
    other = Tensors("vectors", {s: np.ones((1, 2), dtype=np.float32) for s in ("user", "item")}, Ids(["x"]), Ids(["y"]))
    write_tensors("o.npz", other)
    assert llmhd("align o.npz train.jsonl -o a.npz") == 1
    assert "o.npz: no train pair has vectors on both sides" in capfd.readouterr().err


RELATE = "relate emb-3.npz --train train.jsonl --profiles profiles.jsonl --items items.jsonl"


def test_relate_judges_by_both_views(capfd):
    assert llmhd(f"{RELATE} --highest 2 -o r.jsonl") == 0
    rows = records("r.jsonl")
    train = {(row["user"], row["item"]) for row in records("train.jsonl")}
    for row in rows:
        assert ((row["user"], row["item"]) in train) == (row["label"] == 1) and row["model"] == "lexical/1"
        both = (row["user_view"], row["item_view"])
        assert set(both) <= {"High", "Mid", "Low"}
        assert row["verdict"] == ("hard" if both == ("High", "High") else "noisy")
    hard = sum(row["verdict"] == "hard" for row in rows)
    told = capfd.readouterr().err
    assert "not a language model" in told and 0 < hard < len(rows)
    assert f"{len(rows)} disputed pairs judged by lexical/1: {hard} hard, {len(rows) - hard} noisy, 0 without" in told
    assert sum(row["label"] == 0 for row in rows) == 60  # two of each user
    assert llmhd(f"{RELATE} --highest 2 -o r.npz -q") == 0
    assert read_table("r.npz", "relations").digest() == read_table("r.jsonl", "relations").digest()
    assert llmhd("convert r.npz back.jsonl -q") == 0
    assert Path("back.jsonl").read_bytes() == Path("r.jsonl").read_bytes()


def test_relate_says_why_a_pair_has_no_verdict():
    profiles, items = records("profiles.jsonl"), records("items.jsonl")
    Path("profiles.jsonl").write_text("".join(json.dumps(row) + "\n" for row in profiles if row["user"] != "u3"))
    for row in items:
        row["profile"] = "" if row["item"] == "i4" else row["profile"]
    Path("items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in items))
    assert llmhd(f"{RELATE} --lowest 1 -o r.jsonl -q") == 0
    rows = records("r.jsonl")
    for row in rows:
        wanted = (
            "item 'i4' has no text"
            if row["item"] == "i4"
            else "user 'u3' has no profile"
            if row["user"] == "u3"
            else None
        )
        assert row.get("error") == wanted and ("verdict" in row) == (wanted is None)
    assert any("i4" in row.get("error", "") for row in rows) and any("u3" in row.get("error", "") for row in rows)


def test_relate_with_nothing_to_judge(capfd):
    assert llmhd(f"{RELATE} --lowest 0 --highest 0 -o r.jsonl") == 0
    assert Path("r.jsonl").read_bytes() == b"" and "0 disputed pairs" in capfd.readouterr().err
    Path("items.jsonl").write_text('{"item": "i1", "profile": ""}\n')
    assert llmhd(f"{RELATE} -o r.jsonl -q") == 1
    assert all("error" in row and "verdict" not in row for row in records("r.jsonl"))

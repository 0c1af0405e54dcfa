"""``denoise``: every row comes back as it was, with what a model fitted to all of them makes of it."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from helpers import write_jsonl

import llmhd_tools as llmhd
from llmhd_tools.cli.app import main
from llmhd_tools.core.auc import auc
from llmhd_tools.core.linear import ease
from llmhd_tools.files.tables import read_table
from llmhd_tools.stages.dataset import dataset_of, touched
from llmhd_tools.stages.denoise import FIELDS

GENRES, USERS, EACH = 3, 24, 8


def clicks(seed=0):
    """Users of one taste each, who touch items of it, and one item of another: (user, item, whether it is the other)."""
    rng = np.random.default_rng(seed)
    for user in range(USERS):
        for item in sorted(rng.choice(12, EACH, replace=False)):
            yield f"u{user}", f"g{user % GENRES}-{item}", False
        yield f"u{user}", f"g{(user + 1) % GENRES}-{rng.integers(12)}", True


@pytest.fixture
def table(tmp_path):
    """A CSV with columns of its own, cells with commas, quotes and line ends, and a pair that stands there twice."""
    path = tmp_path / "clicks.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["note", "visitor", "sku", "when"])
        for number, (user, item, _) in enumerate(clicks()):
            rows.writerow([['a, "b"', "two\nlines", ""][number % 3], user, item, f"2026-01-{number % 28 + 1:02}"])
        rows.writerow(["again", "u0", next(clicks())[1], "2026-02-01"])
    return path


def cells(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def run(*words):
    return main([str(word) for word in words])


def test_rows_of_a_csv_come_back_as_they_were_with_four_columns_more(table, tmp_path):
    out = tmp_path / "judged.csv"
    assert run("denoise", table, "--user", "visitor", "--item", "sku", "--share", 0.1, "-q", "-o", out) == 0
    before, after = cells(table), cells(out)
    assert [row[:4] for row in after] == before
    assert after[0][4:] == list(FIELDS)
    weight, score, noise, _ = zip(*(row[4:] for row in after[1:]), strict=True)
    score = np.array(score, float)
    assert set(noise) == {"True", "False"} and noise.count("True") == len(noise) // 10
    assert score.min() == 0 and score.max() == 1
    assert score[np.array(noise) == "True"].min() >= score[np.array(noise) == "False"].max()
    assert (np.diff(np.array(weight, float)[np.argsort(score)]) <= 1e-12).all()
    assert after[1][4:6] == after[-1][4:6]  # the pair that stands there twice


def test_what_is_out_of_place_is_found(tmp_path):
    rows = [{"user": user, "item": item} for user, item, _ in clicks()]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    found = llmhd.denoise(read_table(str(tmp_path / "rows.jsonl"), "interactions"), share=0.1)
    score = np.array([record["noise_score"] for record in found.extra])
    assert auc(score, np.array([other for *_, other in clicks()])) > 0.9


def test_a_prediction_is_what_the_users_other_items_say(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", [{"user": user, "item": item} for user, item, _ in clicks()])
    table = read_table(str(tmp_path / "rows.jsonl"), "interactions")
    found, dataset = llmhd.denoise(table), dataset_of(table)
    x = touched(dataset, None)
    wanted = (x @ ease(x, 50.0))[dataset.graph.user, dataset.graph.item]
    assert [record["prediction"] for record in found.extra] == pytest.approx(wanted, abs=1e-5)


def test_unknown_fields_stay_and_weights_are_multiplied(tmp_path):
    rows = [
        {"user": user, "item": item, "rating": 3, "weight": 2.0, "page": {"deep": [n]}}
        for n, (user, item, _) in enumerate(clicks())
    ]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    write_jsonl(tmp_path / "plain.jsonl", [{"user": row["user"], "item": row["item"]} for row in rows])
    for name in ("rows", "plain"):
        assert run("denoise", tmp_path / f"{name}.jsonl", "-q", "-o", tmp_path / f"{name}.out.jsonl") == 0
    found, plain = (
        [json.loads(line) for line in (tmp_path / f"{name}.out.jsonl").open()] for name in ("rows", "plain")
    )
    assert [{k: v for k, v in row.items() if k not in FIELDS} | {"weight": 2.0} for row in found] == rows
    assert all(0 <= row["weight"] <= 1 for row in plain)
    assert run("validate", tmp_path / "rows.out.jsonl", "-q") == 0


@pytest.mark.parametrize("suffix", ["jsonl", "npz"])
def test_kept_and_rejected_rows_are_all_rows(tmp_path, suffix):
    write_jsonl(tmp_path / "rows.jsonl", [{"user": user, "item": item} for user, item, _ in clicks()])
    clean, noise = tmp_path / f"clean.{suffix}", tmp_path / f"noise.{suffix}"
    assert run("denoise", tmp_path / "rows.jsonl", "--drop", "--rejected", noise, "-q", "-o", clean) == 0
    kept, left = (read_table(str(path), "interactions") for path in (clean, noise))
    assert len(left) == int(0.05 * (len(kept) + len(left)))

    def pairs(table):
        columns = table.to_columns()
        return set(zip(columns["user"], columns["item"], strict=True))

    assert pairs(kept) | pairs(left) == {(user, item) for user, item, _ in clicks()} and not pairs(kept) & pairs(left)
    assert {record["is_noise"] for record in kept.extra} == {False} and {r["is_noise"] for r in left.extra} == {True}


@pytest.mark.parametrize(("words", "told"), [
    (["--user", "visitor"], "column 'item' is not among the columns note, visitor, sku, when"),
    (["--user", "visitor", "--item", "sku", "-o", "OUT/x.jsonl"], "the rows of a CSV or TSV stay one; name it .csv"),
    (["--user", "visitor", "--item", "sku", "--rejected", "OUT/x.csv"], "give --drop"),
    (["--user", "visitor", "--item", "sku", "--model", "l3ae"], "l3ae reads texts of the items"),
])  # fmt: skip
def test_what_does_not_fit_is_told_in_one_line(table, tmp_path, capsys, words, told):
    assert run("denoise", table, *[word.replace("OUT", str(tmp_path)) for word in words]) in (1, 2)
    said = capsys.readouterr()
    assert told in said.err and not said.out and said.err.count("\n") == 1
    assert not (tmp_path / "x.csv").exists()


def test_a_judged_csv_is_not_judged_again(table, tmp_path, capsys):
    words = ["--user", "visitor", "--item", "sku", "-q"]
    assert run("denoise", table, *words, "-o", tmp_path / "judged.csv") == 0
    assert run("denoise", tmp_path / "judged.csv", *words) == 1
    assert "has a column 'weight' already; rename it" in capsys.readouterr().err


def test_a_row_without_an_id_is_named(tmp_path, capsys):
    (tmp_path / "a.tsv").write_text("user\titem\nu\ti\nu\t \n")
    assert run("denoise", tmp_path / "a.tsv") == 1
    assert "a.tsv:3: a row without user or item" in capsys.readouterr().err

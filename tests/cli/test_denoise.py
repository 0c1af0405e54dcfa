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
from llmhd_tools.stages.denoise import FIELDS, judge_rows

ADDED = (*FIELDS, "prediction")
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
    assert after[0][4:] == list(ADDED)
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
    assert [{k: v for k, v in row.items() if k not in ADDED} | {"weight": 2.0} for row in found] == rows
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


@pytest.fixture
def suspects(table, tmp_path):
    """Suspects of the rows of ``table``, in another order and under ids that are spelt alike; every tenth is cut."""
    pairs = sorted({(user, item) for user, item, _ in clicks()})
    rows = [
        {"user": user, "item": item, "suspicion": n / 10, "likeness": 0.5, "cut": n >= len(pairs) * 0.9}
        for n, (user, item) in enumerate(pairs)
    ]
    return write_jsonl(tmp_path / "suspects.jsonl", reversed(rows))


def test_rows_are_judged_by_suspects(table, suspects, tmp_path):
    words = ["--user", "visitor", "--item", "sku", "--suspects", suspects, "-q"]
    assert run("denoise", table, *words, "-o", tmp_path / "judged.csv") == 0
    header, *rows = cells(tmp_path / "judged.csv")
    assert header[4:] == [*FIELDS, "likeness", "suspicion"]
    known = {(row["user"], row["item"]): row for row in map(json.loads, suspects.open())}
    for row in rows:
        given, told = known[row[1], row[2]], dict(zip(header, row, strict=True))
        assert float(told["suspicion"]) == given["suspicion"] and float(told["likeness"]) == 0.5
        assert told["is_noise"] == str(given["cut"])
        assert float(told["noise_score"]) == pytest.approx(given["suspicion"] * 10 / (len(known) - 1))
    assert run("denoise", table, *words, "--share", 0.5, "-o", tmp_path / "half.csv") == 0
    half = [dict(zip(header, row, strict=True)) for row in cells(tmp_path / "half.csv")[1:]]
    line = sorted((row["suspicion"] for row in known.values()), reverse=True)[len(known) // 2 - 1]
    assert all((row["is_noise"] == "True") == (float(row["suspicion"]) >= line) for row in half)


def test_suspects_that_weigh_and_cut_none_give_their_weights(tmp_path):
    rows = [{"user": user, "item": item} for user, item, _ in clicks()]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    told = [row | {"suspicion": n / 7, "cut": False, "weight": 1 / (n + 1)} for n, row in enumerate(rows)]
    write_jsonl(tmp_path / "soft.jsonl", told)
    found = judge_rows(llmhd.read(str(tmp_path / "rows.jsonl")), suspects=llmhd.read(str(tmp_path / "soft.jsonl")))
    assert found.weight == pytest.approx([1 / (n + 1) for n in range(len(rows))])
    assert np.flatnonzero(found.is_noise).tolist() == list(range(len(rows) - int(0.05 * len(rows)), len(rows)))


@pytest.mark.parametrize("side", ["user", "item"])
def test_users_and_items_are_told_by_their_rows(tmp_path, side):
    rows = [{"user": u, "item": i, "noise": other} for u, i, other in clicks()]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    write_jsonl(tmp_path / "items.jsonl", [{"item": i, "profile": f"a {i}"} for i in {row["item"] for row in rows}])
    words = ["denoise", tmp_path / "rows.jsonl", "--share", 0.1, "-q"]
    assert run(*words, "-o", tmp_path / "judged.jsonl") == 0
    assert run(*words, "--by", side, "-o", tmp_path / "doubts.jsonl") == 0
    judged, found = ([json.loads(line) for line in (tmp_path / f"{n}.jsonl").open()] for n in ("judged", "doubts"))
    for one in found:
        own = [row for row in judged if row[side] == one[side]]
        assert one["rows"] == len(own)
        assert one["noise_score"] == pytest.approx(np.mean([row["noise_score"] for row in own]))
        assert one["noise_share"] == pytest.approx(np.mean([row["is_noise"] for row in own]))
        assert one["known_noise"] == pytest.approx(np.mean([row["noise"] for row in own]))
        assert one["z"] == pytest.approx((one["noise_score"] - 0.5) / np.sqrt(1 / 12 / len(own)))
    assert [one["z"] for one in found] == sorted((one["z"] for one in found), reverse=True)
    assert {one[side] for one in found} == {row[side] for row in rows} and len(found) == len({r[side] for r in rows})
    assert run("validate", tmp_path / "doubts.jsonl", "-q") == 0


def test_a_user_who_clicks_at_random_comes_first(tmp_path):
    draw = np.random.default_rng(5)
    rows = [{"user": user, "item": item} for user, item, other in clicks() if not other]
    at_random = [f"g{g}-{n}" for g in range(GENRES) for n in range(12)]
    rows += [{"user": "bot", "item": item} for item in draw.choice(at_random, EACH, replace=False).tolist()]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    assert run("denoise", tmp_path / "rows.jsonl", "--by", "user", "-q", "-o", tmp_path / "users.jsonl") == 0
    assert json.loads((tmp_path / "users.jsonl").open().readline())["user"] == "bot"


def test_known_noise_says_what_the_score_is_worth(tmp_path, capsys):
    rows = [{"user": u, "item": i, "noise": other} for u, i, other in clicks()]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    assert run("denoise", tmp_path / "rows.jsonl", "-o", tmp_path / "judged.jsonl") == 0
    judged = [json.loads(line) for line in (tmp_path / "judged.jsonl").open()]
    value = auc(np.array([row["noise_score"] for row in judged]), np.array([row["noise"] for row in judged]))
    told = capsys.readouterr().err
    assert f"known noise, 11.1% of 216 rows: AUC of noise_score {value:.3f};" in told
    line = next(line for line in told.splitlines() if "calibration" in line)
    tenths = [float(part.rstrip("%")) for part in line.split(": ")[-1].split()]
    assert len(tenths) == 10 and np.mean(tenths) == pytest.approx(100 / 9, abs=0.5) and tenths[-1] > tenths[0]
    write_jsonl(tmp_path / "rows.jsonl", [{"user": row["user"], "item": row["item"]} for row in rows])
    assert run("denoise", tmp_path / "rows.jsonl", "-o", tmp_path / "judged.jsonl") == 0
    assert "noise_score ranks the rows; it is no probability" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "told"), [
    (["rows.jsonl", "--suspects", "less.jsonl"], "less.jsonl: does not judge user 'u23' with item 'g0-"),
    (["rows.jsonl", "--suspects", "bare.jsonl"], "bare.jsonl: has no suspicion to judge by; `llmhd suspect` writes it"),
    (["rows.jsonl", "--suspects", "more.jsonl"], "more.jsonl:1: user \"nobody\" is unknown here"),
    (["rows.jsonl", "--suspects", "full.jsonl", "--model", "ease"], "--suspects have been judged already; leave out --model"),
    (["rows.jsonl", "--by", "user", "--drop"], "--by writes users or items, not rows"),
    (["rows.jsonl", "--by", "genre"], "'genre' is unknown; choose from user, item"),
    (["", "--suspects", "full.jsonl"], "the run has its own suspects"),
    ([""], "is not the folder of a run"),
])  # fmt: skip
def test_suspects_that_do_not_fit_are_told(tmp_path, capsys, words, told):
    rows = [{"user": user, "item": item} for user, item, _ in clicks()]
    full = [row | {"suspicion": 0.5, "cut": False} for row in rows]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    write_jsonl(tmp_path / "full.jsonl", full)
    write_jsonl(tmp_path / "less.jsonl", full[:-1])
    write_jsonl(tmp_path / "bare.jsonl", [row | {"cut": False} for row in rows])
    write_jsonl(tmp_path / "more.jsonl", [full[0] | {"user": "nobody"}, *full])
    words = [tmp_path / word if word == "" or word.endswith(".jsonl") else word for word in words]
    assert run("denoise", *words) in (1, 2)
    said = capsys.readouterr()
    assert told in said.err and not said.out and said.err.count("\n") == 1

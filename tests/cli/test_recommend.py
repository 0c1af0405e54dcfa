"""``recommend``: from a file that ranks and from a run's folder, for some users and for all, in one line where it cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import read_jsonl, write_jsonl

import llmhd_tools as llmhd
from llmhd_tools.cli.app import main


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def models(trained_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data with an EASE, a blend and a short run."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("train", "valid", "items"):
        (folder / f"{name}.jsonl").write_bytes((trained_once / f"{name}.jsonl").read_bytes())
    (folder / "emb.npz").write_bytes((trained_once / "emb-3.npz").read_bytes())
    train, valid = folder / "train.jsonl", folder / "valid.jsonl"
    assert run("fit", "ease", train, "-q", "-o", folder / "ease.npz") == 0
    parts = folder / "ease.npz", folder / "emb.npz"
    assert run("blend", *parts, "--exclude", train, "--valid", valid, "-q", "-o", folder / "blend.npz") == 0
    small = ("--dim", 8, "--epochs", 2, "--device", "cpu", "--items", folder / "items.jsonl", "--denoise", "llmhd")
    assert run("run", train, "--valid", valid, *small, "-q", "-o", folder / "run") == 0
    return folder


@pytest.fixture(params=["emb.npz", "ease.npz", "blend.npz", "run"])
def words(request: pytest.FixtureRequest, models: Path) -> list[object]:
    more = ["--exclude", models / "train.jsonl"] if request.param == "emb.npz" else []
    return ["recommend", models / request.param, *more, "-q"]


def test_no_list_holds_what_the_user_has(words: list[object], models: Path, tmp_path: Path) -> None:
    seen = {(row["user"], row["item"]) for row in read_jsonl(models / "train.jsonl")}
    assert run(*words, "--all", "--top", 100, "--why", "-o", tmp_path / "recs.jsonl") == 0
    found = read_jsonl(tmp_path / "recs.jsonl")
    assert {row["user"] for row in found} == {user for user, _ in seen}
    pairs = [(row["user"], row["item"]) for row in found]
    assert len(set(pairs)) == len(pairs) and not seen & set(pairs)
    assert len(pairs) == 30 * 20 - len(seen)  # all that there is
    for before, row in zip(found, found[1:], strict=False):
        assert row["rank"] == (before["rank"] + 1 if row["user"] == before["user"] else 1)
        assert row["user"] != before["user"] or row["score"] <= before["score"]
        assert {(row["user"], one["item"]) for one in row["because"]} <= seen and len(row["because"]) <= 3
    assert run("validate", tmp_path / "recs.jsonl", "-q") == 0


def test_some_users_lists_are_those_among_all(
    words: list[object], models: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(*words, "--all", "--items", models / "items.jsonl", "-o", tmp_path / "recs.jsonl") == 0
    assert run(*words, "--user", "u7", "--user", "u3", "--items", models / "items.jsonl") == 0
    found = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    every = read_jsonl(tmp_path / "recs.jsonl")
    wanted = [row for user in ("u7", "u3") for row in every if row["user"] == user]
    assert [(row["user"], row["item"], row["title"]) for row in found] == [
        (row["user"], row["item"], row["title"]) for row in wanted
    ]
    assert found[0]["title"].startswith(("a detective", "a starship", "recipes for", "an empire"))


@pytest.mark.parametrize("suffix", ["jsonl", "npz"])
def test_a_file_holds_what_python_gives(models: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"recs.{suffix}"
    assert run("recommend", models / "ease.npz", "--all", "--why", "--top", 4, "-q", "-o", path) == 0
    made = llmhd.recommend(llmhd.read(str(models / "ease.npz")), top=4, why=True)
    llmhd.write(str(tmp_path / f"python.{suffix}"), made)
    assert path.read_bytes() == (tmp_path / f"python.{suffix}").read_bytes()
    assert llmhd.read(str(path)).to_columns() == made.to_columns()


def test_addends_of_a_fitted_model_are_its_scores(models: Path) -> None:
    found = llmhd.recommend(llmhd.read(str(models / "ease.npz")), ["u11"], top=30, why=True)
    own = [row for row in read_jsonl(models / "train.jsonl") if row["user"] == "u11"]
    for score, reasons in zip(found["score"], found.columns["because"], strict=True):
        parts = [one["part"] for one in reasons]
        assert parts == sorted(parts, reverse=True)
        if len(own) <= 3:
            assert sum(parts) == pytest.approx(score, abs=1e-5)


def test_what_is_like_an_item(words: list[object], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(*words, "--like", "i4", "--top", 100) == 0
    found = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert {row["like"] for row in found} == {"i4"} and not any("user" in row for row in found)
    assert sorted(row["item"] for row in found) == sorted(f"i{n}" for n in range(20) if n != 4)


def test_a_table_for_the_eye(models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["recommend", models / "run", "--user", "u7", "--top", 2, "--why", "--format", "table"]
    assert run(*words) == 0
    out, err = capfd.readouterr()
    lines = out.split("\n")
    assert lines[1].split() == ["user", "rank", "item", "title", "score", "because"] and err == ""
    assert next(line.split()[0] for line in lines[3:] if line.strip()) == "u7"
    assert sum(line.startswith(" u7") for line in lines) == 1


@pytest.mark.parametrize(("words", "told"), [
    (["ease.npz"], "whose list? give --user ID, --all, or --like ITEM"),
    (["ease.npz", "--all", "--like", "i1"], "whose list?"),
    (["ease.npz", "--user", "nobody"], "ease.npz: knows no user 'nobody'"),
    (["ease.npz", "--like", "nothing"], "ease.npz: knows no item 'nothing'"),
    (["ease.npz", "--like", "i1", "--why"], "--like is about an item"),
    (["emb.npz", "--user", "u1", "--why"], "--why needs what users touched; give it with --exclude"),
    (["items.jsonl", "--all"], "items.jsonl"),
    (["", "--all"], "is not the folder of a run"),
])  # fmt: skip
def test_what_cannot_be_is_told(models: Path, capfd: pytest.CaptureFixture[str], words: list[str], told: str) -> None:
    assert run("recommend", models / words[0], *words[1:], "-q") in (1, 2)
    out, err = capfd.readouterr()
    assert told in err and err.count("\n") == 1 and not out


def test_a_run_is_asked_with_its_own_training_pairs(
    models: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train = write_jsonl(tmp_path / "train.jsonl", read_jsonl(models / "train.jsonl"))
    small = ("--dim", 4, "--epochs", 1, "--device", "cpu", "-q")
    assert run("run", train, "--valid", models / "valid.jsonl", *small, "-o", tmp_path / "run") == 0
    write_jsonl(train, read_jsonl(models / "train.jsonl")[1:])
    assert run("recommend", tmp_path / "run", "--all") == 1
    assert "train.jsonl: holds other interactions than when the run in" in capfd.readouterr().err
    train.unlink()
    assert run("recommend", tmp_path / "run", "--all") == 1
    assert "train.jsonl: is not there; the run in" in capfd.readouterr().err


def test_without_seen_pairs_it_is_said(models: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run("recommend", models / "emb.npz", "--user", "u1") == 0
    assert "without --exclude what users have touched is recommended again" in capfd.readouterr().err

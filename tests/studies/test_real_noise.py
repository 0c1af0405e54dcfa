"""MovieLens-1M with real noise, and the diagnosis study on it, on a made-up source of the same form."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SHARES = ("0", "0.1", "0.2")


def environment() -> dict[str, str]:
    return os.environ | {"LLMHD_PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pairs(path: Path) -> set[tuple[str, str]]:
    found = [(row["user"], row["item"]) for row in lines(path)]
    assert len(set(found)) == len(found)
    return set(found)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 users, 40 films, rated 1 to 5 or unknown below 4 (0); users like films of their own parity."""
    folder, rng = tmp_path_factory.mktemp("source"), np.random.default_rng(8)
    user, item = (c.astype(np.int32) + 1 for c in np.nonzero(rng.random((60, 40)) < 0.6))
    liked = rng.random(len(user)) < np.where(user % 2 == item % 2, 0.85, 0.3)
    rating = np.where(liked, rng.integers(4, 6, len(user)), rng.integers(0, 4, len(user))).astype(np.int8)
    np.savez(folder / "ratings.npz", user=user, item=item, rating=rating, liked=liked)
    texts = ({"item": str(n), "profile": f"film {n} of kind {n % 2}"} for n in range(1, 41))
    (folder / "items.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
    return folder


def prepare(*words: object) -> subprocess.CompletedProcess:
    line = [EXAMPLES / "ml-1m" / "prepare", *map(str, words)]
    return subprocess.run(line, env=environment(), capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def prepared(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    done = prepare(source, folder, 3)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_share_has_the_same_held_out_files(prepared: Path) -> None:
    assert sorted(path.name for path in prepared.iterdir() if path.is_dir()) == [f"noise-{share}" for share in SHARES]
    for name in ("valid", "test", "disliked", "items"):
        assert len({(prepared / f"noise-{share}" / f"{name}.jsonl").read_bytes() for share in SHARES}) == 1


@pytest.mark.parametrize("share", SHARES)
def test_what_each_file_holds(source: Path, prepared: Path, share: str) -> None:
    with np.load(source / "ratings.npz") as given:
        columns = [given[name].tolist() for name in ("user", "item", "liked")]
    liked = {(str(u), str(i)) for u, i, good in zip(*columns, strict=True) if good}
    low = {(str(u), str(i)) for u, i, good in zip(*columns, strict=True) if not good}
    folder = prepared / f"noise-{share}"
    parts = {name: pairs(folder / f"{name}.jsonl") for name in ("train", "valid", "test", "disliked")}
    rows = lines(folder / "train.jsonl")
    noise = {(row["user"], row["item"]) for row in rows if row["noise"]}
    clean = parts["train"] - noise
    assert clean | parts["valid"] | parts["test"] == liked
    assert len(clean) + len(parts["valid"]) + len(parts["test"]) == len(liked)
    assert len(parts["valid"]) == pytest.approx(0.2 * len(liked), rel=0.05)
    assert len(noise) == int(float(share) * len(clean) + 0.5) and noise <= low
    assert parts["disliked"] <= low - noise and len(parts["disliked"]) == int(0.6 * len(clean) + 0.5)
    assert not any("noise" in row for name in ("valid", "test", "disliked") for row in lines(folder / f"{name}.jsonl"))
    assert {user for user, _ in parts["disliked"]} <= {user for user, _ in clean}


def test_same_seed_same_bytes(source: Path, prepared: Path, tmp_path: Path) -> None:
    for name, seed, shares in (("again", 3, ["0.2"]), ("other", 4, ["0.2"])):
        assert prepare(source, tmp_path / name, seed, *shares).returncode == 0
    for file in ("train", "valid", "test", "disliked"):
        first, again, other = (
            (folder / "noise-0.2" / f"{file}.jsonl").read_bytes()
            for folder in (prepared, tmp_path / "again", tmp_path / "other")
        )
        assert first == again != other


def test_grouplens_own_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = [f"{u}::{i}::{rng.integers(1, 6)}::97{u:03}{i:04}" for u in range(1, 31) for i in range(1, 21)]
    (tmp_path / "ratings.dat").write_text("\n".join(rows) + "\n")
    (tmp_path / "movies.dat").write_text("".join(f"{i}::Film {i} (1990)::Drama\n" for i in range(1, 21)))
    assert prepare(tmp_path, tmp_path / "out", 1, "0.1").returncode == 0
    folder = tmp_path / "out" / "noise-0.1"
    assert {row["rating"] for row in lines(folder / "test.jsonl")} == {4, 5}
    assert {row["rating"] for row in lines(folder / "disliked.jsonl")} == {1, 2, 3}
    assert len(lines(folder / "items.jsonl")) == 20


def test_usage_is_told() -> None:
    done = prepare("only-one")
    assert done.returncode == 2 and "Usage: prepare SOURCE FOLDER" in done.stderr


def test_the_diagnosis_study(source: Path, tmp_path: Path) -> None:
    """From the source to the tables; a second call has nothing to do."""
    if shutil.which("make") is None:
        pytest.skip("GNU Make is not installed")
    made = ["make", "-C", EXAMPLES / "diagnostics", f"ML={source}", f"WORK={tmp_path}", "SETS=ml-0.2", "EPOCHS=3"]
    made += ["TRAINING=--dim 8 --batch 128 --threads 1", f"PYTHON={sys.executable}"]
    done = subprocess.run(made, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tables = (tmp_path / "table.md").read_text().split("\n\n")
    assert [text for text in tables if text.startswith("**")] == [
        "**ml-0.2, inside the high-loss set**",
        "**ml-0.2, samples of Figure 1**",
    ]
    found = {(r["epoch"], r["within"], r["group"], r["statistic"], r.get("measure")): r["value"]
             for r in lines(tmp_path / "ml-0.2" / "sigmoid.jsonl") if "against" not in r}  # fmt: skip
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in tables[1].splitlines()]
    assert [row[0] for row in rows] == ["epoch", "---", "2"]
    assert rows[2][1] == f"{found[2, 'high-loss', 'noisy', 'share', None]:.3f}"
    loss = [[cell.strip() for cell in row.split("|")[1:-1]] for row in tables[3].splitlines()][2][3]
    assert loss == f"{found[2, 'all', 'noisy', 'q50', 'loss']:.2g}"
    again = subprocess.run(made, env=environment(), capture_output=True, text=True, check=False)
    assert "is up to date" in again.stdout

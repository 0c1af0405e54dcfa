"""Tiny data for all tests: 30 users with one taste each, 20 items in four genres, and three epochs trained on them."""

from __future__ import annotations

import os
import pickle
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import write_jsonl
from hypothesis import settings

import llmhd_tools

# Processes that a test starts in another folder run the package that the test itself imports, installed or not.
_HOME = str(Path(llmhd_tools.__file__).parents[1])
os.environ["PYTHONPATH"] = os.pathsep.join([_HOME, *filter(None, [os.environ.get("PYTHONPATH")])])

# No example has to be quick: a busy machine is no fault.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# Where real processes are started, killed and compared byte by byte, or a model is trained for what it learns:
# `bin/test fast` leaves these out.
SLOW = (
    "cli/test_bad_inputs.py",
    "cli/test_good_cases.py",
    "cli/test_help.py",
    "faults",
    "parity",
    "run",
    "service",
    "studies",
    "test_imports.py",
    "train/test_align.py",
    "train/test_sharded.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow by where it lies."""
    here = Path(__file__).parent
    for item in items:
        if any(item.path.is_relative_to(here / name) for name in SLOW):
            item.add_marker(pytest.mark.slow)


USERS, ITEMS = 30, 20
GENRES = {
    "crime": "a detective follows a murder and its clues",
    "space": "a starship crosses the galaxy among planets",
    "cooking": "recipes for bread and soup from a small kitchen",
    "history": "an empire falls and its kings go to war",
}


def make_tiny(folder: Path) -> Path:
    """Write train, valid and test.jsonl, items.jsonl and profiles.jsonl into ``folder``.

    User ``u7`` likes the five items of genre 7 mod 4; three of them and two others are trained on, one each is held out.
    """
    draw, genres = random.Random(7), list(GENRES)
    splits: dict[str, list[dict[str, str]]] = {"train": [], "valid": [], "test": []}
    for user in range(USERS):
        taste = [item for item in range(ITEMS) if item % 4 == user % 4]
        liked, other = draw.sample(taste, 5), draw.sample([item for item in range(ITEMS) if item not in taste], 2)
        for split, items in (("train", [*liked[:3], *other]), ("valid", liked[3:4]), ("test", liked[4:])):
            splits[split] += [{"user": f"u{user}", "item": f"i{item}"} for item in items]
    splits["train"] += [{"user": f"u{item}", "item": f"i{item}"} for item in range(ITEMS)]  # every item has a row
    unique = {split: list({tuple(row.items()): row for row in rows}.values()) for split, rows in splits.items()}
    held = unique["train"]
    for split, rows in unique.items():
        write_jsonl(folder / f"{split}.jsonl", rows if split == "train" else [row for row in rows if row not in held])
    texts = [f"{GENRES[genres[item % 4]]}, volume {item}" for item in range(ITEMS)]
    write_jsonl(folder / "items.jsonl", [{"item": f"i{i}", "profile": text} for i, text in enumerate(texts)])
    likes = [f"likes books where {GENRES[genres[user % 4]]}" for user in range(USERS)]
    write_jsonl(folder / "profiles.jsonl", [{"user": f"u{u}", "profile": text} for u, text in enumerate(likes)])
    return folder


@pytest.fixture(scope="session")
def tiny_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data set, shared by all tests: read it, never write to it."""
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def tiny(tiny_once: Path, tmp_path: Path) -> Path:
    """A folder of the test's own with train, valid, test, items and profiles.jsonl."""
    return Path(shutil.copytree(tiny_once, tmp_path / "tiny"))


@pytest.fixture(scope="session")
def trained_once(tiny_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data and three epochs of it, made by the commands; shared by all tests: read it, never write to it.

    model-1..3, emb-1..3, samples-2..4.npz, noisy-3, judged-3, verdicts-3.jsonl, profiles-2.jsonl and
    flags.npz (of epoch 2, so that epoch 3 can still be flagged); vectors.npz.
    """
    from llmhd_tools.cli.app import main

    folder = Path(shutil.copytree(tiny_once, tmp_path_factory.mktemp("trained") / "data"))

    def llmhd(command: str) -> None:
        words = [str(folder / word[1:]) if word.startswith("@") else word for word in command.split()]
        assert main([*words, "-q"]) == 0, command

    first = "train-epoch @train.jsonl --dim 8 --batch 64 --layers 2 --lr 0.05 --seed 1"
    llmhd(f"{first} -o @model-1.npz --embeddings @emb-1.npz --next @samples-2.npz")
    go_on = "train-epoch @train.jsonl --from @model-{0}.npz --samples @samples-{1}.npz -o @model-{1}.npz"
    go_on += " --embeddings @emb-{1}.npz --next @samples-{2}.npz"
    llmhd(go_on.format(1, 2, 3))
    history, rate = "--history @emb-1.npz --history @emb-2.npz", "--alpha 2 --max-noise 0.3"
    texts = "--items @items.jsonl --llm lexical"
    llmhd("embed @items.jsonl @profiles.jsonl --llm lexical -o @vectors.npz")
    llmhd(f"prune @samples-3.npz {history} {rate} -o @noisy-3.jsonl")
    llmhd(f"score @noisy-3.jsonl --profiles @profiles.jsonl {texts} -o @judged-3.jsonl")
    llmhd(go_on.format(2, 3, 4) + " --judged @judged-3.jsonl --verdicts @verdicts-3.jsonl")
    llmhd(
        f"update-profiles @profiles.jsonl --train @train.jsonl {texts} {history} {rate}"
        " --model @model-2.npz --flags @flags.npz --confidence 1 -o @profiles-2.jsonl"
    )
    return folder


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """A folder of the test's own with everything that ``trained_once`` has."""
    return Path(shutil.copytree(trained_once, tmp_path / "trained"))


@pytest.fixture
def rlmrec(tmp_path: Path) -> Path:
    """A folder such as RLMRec publishes, of 40 users and 30 items; its matrices are pickles."""
    source, words = tmp_path / "source", ["castle", "dragon", "murder", "clue", "summer", "letter", "robot", "planet"]
    source.mkdir()
    part = np.random.default_rng(1).choice(4, (40, 30), p=[0.3, 0.1, 0.1, 0.5])
    for number, name in enumerate(("trn_mat", "val_mat", "tst_mat")):
        (source / f"{name}.pkl").write_bytes(pickle.dumps(sp.coo_matrix((part == number).astype(np.float32))))
    rng = random.Random(1)
    texts = [{"item": str(item), "profile": f"A tale of {' and '.join(rng.sample(words, 3))}."} for item in range(30)]
    write_jsonl(source / "items.jsonl", texts)
    return source

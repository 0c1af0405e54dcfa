"""``--shuffle-texts``: the same run with each text in another's place; pipe and ``run`` agree, and records name the seed."""

from __future__ import annotations

import json

import numpy as np

from llmhd_tools.files.npz import read_arrays, unpack_json
from llmhd_tools.files.table import from_records
from llmhd_tools.files.tensors import read_tensors
from llmhd_tools.stages.texts import shuffle_of, shuffle_texts, shuffle_vectors, shuffled

TEXTS = ["run", "train.jsonl", "--valid", "valid.jsonl", "--backbone", "alpharec", "--loss", "softmax", "--dim", 8]
TEXTS += ["--batch", 64, "--seed", 3, "--device", "cpu", "--threads", 1, "--vectors", "vectors.npz", "--epochs", 2]
SHUFFLED = ("--shuffle-texts", 4)


def made(path):
    return unpack_json(read_arrays(str(path))["meta"], str(path), "meta")["made"]["params"]


def test_run_and_pipe_train_on_the_same_shuffled_vectors(llmhd):
    llmhd(*TEXTS, "-o", "own")
    llmhd(*TEXTS, *SHUFFLED, "-o", "shuffled")
    pipe = ["train-epoch", "train.jsonl", *TEXTS[4:], *SHUFFLED, "-o", "model.npz"]
    llmhd(*pipe)
    own, other = (llmhd.folder / name / "epoch-2" / "model.npz" for name in ("own", "shuffled"))
    assert other.read_bytes() == (llmhd.folder / "model.npz").read_bytes() != own.read_bytes()
    assert made(other)["shuffle_texts"] == 4 and "shuffle_texts" not in made(own)
    assert json.loads((llmhd.folder / "shuffled" / "settings.json").read_text())["shuffle_texts"] == 4
    code, _ = llmhd.run(*TEXTS, "--resume", "-o", "shuffled")
    assert code == 2 and "--shuffle-texts differs" in llmhd.err


def test_texts_that_are_judged_are_shuffled_too(llmhd, words):
    llmhd(*words("bpr", "llmhd", "-o", "own"))
    llmhd(*words("bpr", "llmhd", *SHUFFLED, "-o", "shuffled"))
    own, other = ((llmhd.folder / name / "profiles.jsonl").read_bytes() for name in ("own", "shuffled"))
    assert own != other
    code, _ = llmhd.run(*words("bpr", "llmhd", *SHUFFLED, "--scorer", "cat", "-o", "none"))
    assert code == 2 and "--scorer reads the texts from their file" in llmhd.err


def test_every_text_goes_to_one_item_and_says_so(world):
    vectors = read_tensors(str(world / "vectors.npz"), "vectors")
    other = shuffle_vectors(vectors, 4)
    order = shuffled(len(vectors.items), 4)
    assert sorted(order) == list(range(len(vectors.items)))
    assert np.array_equal(other.arrays["item"], vectors.arrays["item"][order])
    assert shuffle_of(vectors, other, None) == {"shuffle_texts": 4} and shuffle_of(vectors) == {}
    assert shuffle_vectors(vectors, None) is vectors
    items = from_records("items", [{"item": n, "profile": f"text {n}"} for n in range(9)], "items")
    mixed = shuffle_texts(items, 4)
    assert sorted(mixed.columns["profile"]) == sorted(items.columns["profile"]) != list(mixed.columns["profile"])
    assert list(mixed["item"]) == list(items["item"]) and shuffle_texts(items, None) is items

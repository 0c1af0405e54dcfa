"""A binary file says how it was made, and says the same for the same work, whatever the files are called."""

import json

import pytest

from llmhd_tools.cli.app import main
from llmhd_tools.files.npz import read_arrays, unpack_json


def made(path):
    return unpack_json(read_arrays(str(path))["meta"], str(path), "meta")["made"]


def test_binary_outputs_say_how_they_were_made(trained, tmp_path):
    noisy, pruned, metrics = tmp_path / "a.npz", tmp_path / "b.npz", tmp_path / "c.npz"
    assert main(["inject-noise", str(trained / "train.jsonl"), "--ratio", "0.1", "--seed", "7", "-o", str(noisy)]) == 0
    history = ["--history", str(trained / "emb-1.npz"), "--history", str(trained / "emb-2.npz")]
    assert main(["prune", str(trained / "samples-3.npz"), *history, "--alpha", "10", "-o", str(pruned)]) == 0
    words = [
        "evaluate",
        str(trained / "emb-3.npz"),
        str(trained / "test.jsonl"),
        "--unknown",
        "miss",
        "--exclude",
        str(trained / "train.jsonl"),
        "-o",
        str(metrics),
    ]
    assert main(words) == 0
    assert made(noisy)["command"] == "inject-noise" and made(noisy)["params"] == {"ratio": 0.1, "seed": 7}
    assert made(pruned)["params"]["alpha"] == 10 and len(made(pruned)["inputs"]["history"]) == 2
    assert made(metrics)["inputs"].keys() == {"embeddings", "test", "exclude"}
    assert len(made(metrics)["inputs"]["exclude"]) == 1
    verdicts = tmp_path / "v.npz"
    words = ["train-epoch", str(trained / "train.jsonl"), "--from", str(trained / "model-2.npz"), "--verdicts"]
    words += [str(verdicts), "--judged", str(trained / "judged-3.jsonl"), "-o", str(tmp_path / "m.npz")]
    assert main(words) == 0
    assert made(verdicts) == made(tmp_path / "m.npz")
    assert made(trained / "model-3.npz")["command"] == "train-epoch"
    judged, texts = (
        tmp_path / "d.npz",
        ["--profiles", str(trained / "profiles.jsonl"), "--items", str(trained / "items.jsonl")],
    )
    assert main(["score", str(pruned), *texts, "-o", str(judged)]) == 0
    assert made(judged)["inputs"].keys() == {"noisy", "profiles", "items"}


@pytest.mark.parametrize("form", ["copy.jsonl", "copy.npz", "copy.jsonl.gz"])
def test_the_record_does_not_depend_on_the_input_s_name_or_form(trained, tmp_path, form):
    first, second, copy = tmp_path / "first.npz", tmp_path / "second.npz", tmp_path / form
    assert main(["convert", str(trained / "train.jsonl"), str(copy)]) == 0
    for source, target in ((trained / "train.jsonl", first), (copy, second)):
        assert main(["inject-noise", str(source), "--ratio", "0.2", "-o", str(target)]) == 0
    assert first.read_bytes() == second.read_bytes()
    assert str(tmp_path) not in json.dumps(made(first))

"""In the pipe between prune and train-epoch no row is lost untold; rows that are left out on purpose say so."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from llmhd_tools.cli.app import main


@pytest.fixture
def train(trained, capfd):
    """Trains epoch 3 on these judged rows; gives exit code, the model's parameters as bytes and what was told."""

    def run(rows: list[dict], name: str = "mine.jsonl") -> tuple[int, bytes, str]:
        judged, out = trained / "mine.jsonl", trained / "out.npz"
        judged.write_text("".join(json.dumps(row) + "\n" for row in rows))
        if name != judged.name:
            assert main(["convert", str(judged), str(trained / name), "--kind", "judged", "-q"]) == 0
        out.unlink(missing_ok=True)
        words = ["train-epoch", trained / "train.jsonl", "--from", trained / "model-2.npz", "-o", out, "-q"]
        words += ["--samples", trained / "samples-3.npz", "--judged", trained / name]
        code = main([str(word) for word in words])
        made = b""
        if out.exists():
            with np.load(out) as arrays:
                made = b"".join(arrays[name].tobytes() for name in sorted(arrays) if name.startswith("param."))
        return code, made, capfd.readouterr().err

    return run


@pytest.fixture
def rows(trained):
    return [json.loads(line) for line in (trained / "judged-3.jsonl").read_text().splitlines()]


def test_every_row_says_how_many_there_are(rows):
    assert {row["noisy_rows"] for row in rows} == {len(rows)} and len(rows) > 20


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.npz"])
def test_a_program_that_loses_rows_is_noticed(name, rows, train):
    candidates = [row for row in rows if row["candidate"]]
    assert 0 < len(candidates) < len(rows)
    for kept in (candidates, rows[1:], rows[:1]):
        code, made, told = train(kept, name)
        assert code == 1 and not made
        assert f"{name}: holds {len(kept)} of the epoch's {len(rows)} noisy rows; pass every row through" in told


def test_rows_twice_are_refused_and_their_order_is_free(rows, train):
    whole = train(rows)
    assert whole[0] == 0
    assert train(random.Random(1).sample(rows, len(rows)))[:2] == whole[:2]  # shuf, split and cat, parallel
    code, _, told = train([*rows, *rows])
    assert code == 1 and "holds a row twice" in told
    code, _, told = train([*rows[1:], rows[1]])
    assert code == 1 and f"holds {len(rows) - 1} of" in told


def test_rows_left_out_on_purpose_are_trained_on(rows, train):
    """jq 'select(.candidate) | del(.noisy_rows)', or a program that writes fields of its own."""
    kept = [{k: v for k, v in row.items() if k != "noisy_rows"} for row in rows if row["candidate"]]
    assert train(kept)[0] == 0 and train(kept)[1] != train(rows)[1]
    assert train([])[0] == 0

"""A small world of readers and books, the commands run in this process, and the pipe that ``run`` must equal."""

from __future__ import annotations

import io
import json
import os
import random
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from llmhd_tools.cli import app as cli
from llmhd_tools.files.ids import Ids
from llmhd_tools.files.tensors import Tensors, write_tensors

ROOT = Path(__file__).parents[2]
USERS, ITEMS = 60, 40
THEMES = (
    "dragon castle sword wizard quest throne",
    "murder detective clue police alibi suspect",
    "kiss wedding heart summer letter longing",
    "rocket planet robot alien engine orbit",
)


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def write_vectors(path):
    """Vectors of users and items that tell nothing."""
    rng = np.random.default_rng(5)
    rows = {side: rng.normal(size=(n, 6)).astype(np.float32) for side, n in (("user", USERS), ("item", ITEMS))}
    users, items = Ids([f"u{n}" for n in range(USERS)]), Ids(list(range(ITEMS)))
    write_tensors(str(path), Tensors("vectors", rows, users, items))


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A folder with train, valid and test interactions (user ids are text, item ids integers) and item texts."""
    folder, rng = tmp_path_factory.mktemp("world"), random.Random(1)
    themes = [item % 4 for item in range(ITEMS)]
    texts = [
        f"A tale of {' and '.join(rng.sample(THEMES[theme].split(), 3))}, set in place{rng.randrange(9)}."
        for theme in themes
    ]
    write_vectors(folder / "vectors.npz")
    write(folder / "items.jsonl", ({"item": item, "profile": text} for item, text in enumerate(texts)))
    parts = {"train": [], "valid": [], "test": []}
    for user in range(USERS):
        mine = [item for item in range(ITEMS) if themes[item] == user % 4]
        liked = rng.sample(mine, 8) + rng.sample(range(ITEMS), 4)
        liked = list(dict.fromkeys(liked))
        rng.shuffle(liked)
        for at, item in enumerate(liked):
            part = "valid" if at == 0 else "test" if at == 1 else "train"
            parts[part].append({"user": f"u{user}", "item": item})
        wrong = rng.choice([item for item in range(ITEMS) if item not in liked])
        parts["train"].append({"user": f"u{user}", "item": wrong})
    for row, record in enumerate(parts["train"]):
        record["noise"] = row % 7 == 3
    assert {record["item"] for record in parts["train"]} == set(range(ITEMS))
    for name, records in parts.items():
        write(folder / f"{name}.jsonl", records)
    return folder


class Cli:
    """The commands, in this process, in one working folder."""

    def __init__(self, folder):
        self.folder = folder
        self.err = ""

    def run(self, *args, stdin=b""):
        """(exit code, stdout); what was said on stderr is in ``err``."""
        kept = sys.stdin, sys.stdout, sys.stderr, os.getcwd()
        sys.stdin, sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.BytesIO(stdin)),
            io.TextIOWrapper(io.BytesIO()),
            io.StringIO(),
        )
        os.chdir(self.folder)
        try:
            code = cli.main([str(arg) for arg in args])
            sys.stdout.flush()
            return code, sys.stdout.buffer.getvalue()
        finally:
            self.err = sys.stderr.getvalue()
            sys.stdin, sys.stdout, sys.stderr = kept[:3]
            os.chdir(kept[3])

    def __call__(self, *args, stdin=b""):
        """The stdout of a command that must succeed."""
        code, out = self.run(*args, stdin=stdin)
        assert code == 0, self.err
        return out

    def refused(self, code, *args, stdin=b""):
        """The one line on stderr of a command that must fail with ``code``, without a word on stdout."""
        found, out = self.run(*args, stdin=stdin)
        assert (found, out) == (code, b""), self.err
        assert self.err.count("\n") == 1 and self.err.startswith("llmhd"), self.err
        return self.err

    def stages(self, stages):
        """Run pipes, each a list of commands, one after the other."""
        for pipe in stages:
            data = b""
            for command in pipe:
                data = self(*command, stdin=data)

    def shell(self, stages):
        """The same, by a real shell with real pipes."""
        script = "\n".join(" | ".join(f"llmhd {shlex.join(map(str, c))}" for c in pipe) for pipe in stages)
        head = f'set -eu -o pipefail\nllmhd() {{ {shlex.quote(sys.executable)} -m llmhd_tools "$@"; }}\n'
        done = subprocess.run(["bash", "-c", head + script], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def llmhd(tmp_path, world):
    """Commands in a fresh folder that has the world's files."""
    for path in world.iterdir():
        os.link(path, tmp_path / path.name)
    return Cli(tmp_path)


ON = ("--device", "cpu", "--threads", 1)  # these tables are too small for more
TRAINING = ("--dim", 8, "--layers", 2, "--batch", 64, "--lr", 0.02, "--reg", 1e-4, "--seed", 3)
PRUNING = ("--alpha", 12, "--max-noise", 0.3, "--candidates", 0.7)
WINDOW = 3


def run_words(loss, denoise, *more):
    """``run`` with the settings of these tests."""
    words = ["run", "train.jsonl", "--valid", "valid.jsonl", "--test", "test.jsonl", "--items", "items.jsonl"]
    words += ["--loss", loss, "--denoise", denoise, *ON, *TRAINING, *PRUNING]
    return [*words, "--warm-up", 2, "--window", WINDOW, "--confidence", 1, "--epochs", 4, *more]


def pipe_stages(loss, denoise, epochs=4, *, selection="variance", scope="noisy", training=(), always=(), **judging):
    """The same run as separate commands over files epoch-N-*; as README's epoch, which begins after two warm-up epochs."""
    history = {
        epoch: [
            w for e in range(max(1, epoch - WINDOW + 1), epoch + 1) for w in ("--history", f"epoch-{e}-embeddings.npz")
        ]
        for epoch in range(1, epochs + 1)
    }
    stages = []
    if denoise == "llmhd":
        stages += [[["summarize", "train.jsonl", "--items", "items.jsonl", "-o", "profiles-2.jsonl"]]]
    for epoch in range(1, epochs + 1):
        train = ["train-epoch", "train.jsonl", *ON, *always, "-o", f"epoch-{epoch}-model.npz"]
        train += ["--embeddings", f"epoch-{epoch}-embeddings.npz"]
        train += ["--from", f"epoch-{epoch - 1}-model.npz"] if epoch > 1 else ["--loss", loss, *TRAINING, *training]
        if denoise != "none" and epoch >= 2:
            train += ["--next", f"epoch-{epoch + 1}-samples.npz"]
        if denoise == "none" or epoch <= 2:
            stages.append([train])
            continue
        train += ["--samples", f"epoch-{epoch}-samples.npz", "--alpha", 12]
        train += [
            "--verdicts",
            f"epoch-{epoch}-verdicts.jsonl",
            *(w for n, v in judging.items() for w in (f"--{n}", v)),
        ]
        prune = ["prune", f"epoch-{epoch}-samples.npz", *history[epoch - 1], *PRUNING]
        prune += ["--selection", selection, "--seed", 3]
        if denoise == "loss":
            stages.append([[*prune, "--candidates", 0], [*train, "--judged", "-"]])
            continue
        score = ["score", "-", "--items", "items.jsonl", "--profiles", f"profiles-{epoch - 1}.jsonl"]
        stages.append([prune, [*score, "-o", f"epoch-{epoch}-judged.jsonl"]])
        stages.append([[*train, "--judged", f"epoch-{epoch}-judged.jsonl"]])
        update = ["update-profiles", f"profiles-{epoch - 1}.jsonl", "--train", "train.jsonl", "--items", "items.jsonl"]
        update += ["--model", f"epoch-{epoch}-model.npz", "--flags", "flags.npz", *history[epoch], *PRUNING]
        stages.append([[*update, "--confidence", 1, "--scope", scope, "-o", f"profiles-{epoch}.jsonl"]])
    return stages


@pytest.fixture
def words():
    """How these tests call ``run``."""
    return run_words


@pytest.fixture
def stages():
    """The pipe that equals ``run``."""
    return pipe_stages


@pytest.fixture
def snapshot():
    """All that a folder holds: bytes by relative path, None for a folder."""

    def take(folder):
        return {
            str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")
        }

    return take

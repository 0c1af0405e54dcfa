"""kill -9 at each step of writing: the file at the final name is the old one or the new one, and a rerun mends all."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from llmhd_tools.cli.app import main

ROOT = Path(__file__).parents[2]
# Patch one step so that the process dies before or after its Nth call, as if the power had gone.
KILLER = """
import os, signal, sys, tempfile
module, step, number, when = sys.argv[1:5]
owner = {"os": os, "tempfile": tempfile}[module]
real, calls = getattr(owner, step), 0
def deadly(*args, **named):
    global calls
    calls += 1
    if calls == int(number) and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*args, **named)
    if calls == int(number) and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, step, deadly)
from llmhd_tools.cli.app import main
sys.exit(main(sys.argv[5:]))
"""
STEPS = [
    ("tempfile mkstemp 1 after", "old"),
    ("os fchmod 1 before", "old"),
    ("os fsync 1 before", "old"),
    ("os replace 1 before", "old"),
    ("os replace 1 after", "new"),
    ("os fsync 2 before", "new"),
]


def killed(step: str, line: list[str]) -> None:
    command = [sys.executable, "-c", KILLER, *step.split(), *line]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(("step", "left"), STEPS, ids=[step for step, _ in STEPS])
def test_killed_while_writing(tiny: Path, step: str, left: str) -> None:
    out = tiny / "out.npz"
    assert main(["convert", str(tiny / "valid.jsonl"), str(out)]) == 0
    old = out.read_bytes()
    line = ["convert", str(tiny / "train.jsonl"), str(out)]
    assert main([*line[:2], str(tiny / "whole.npz")]) == 0
    new = (tiny / "whole.npz").read_bytes()
    killed(step, line)
    assert out.read_bytes() == (old if left == "old" else new)
    assert main(["validate", str(out)]) == 0
    assert main(line) == 0 and out.read_bytes() == new
    strays = [path.name for path in tiny.iterdir() if path.name.startswith(".")]
    assert len(strays) == (left == "old") and all(name.startswith(".out.npz.") for name in strays)


def test_an_epoch_whose_model_is_there_is_all_there(trained: Path) -> None:
    """train-epoch writes its model last: killed before, the epoch is simply done again."""
    names = ("model-2.npz", "emb-2.npz", "samples-3.npz")
    whole = {name: (trained / name).read_bytes() for name in names}
    for name in names:
        (trained / name).unlink()
    files = {
        "--from": "model-1.npz",
        "--samples": "samples-2.npz",
        "-o": names[0],
        "--embeddings": names[1],
        "--next": names[2],
    }
    options = [word for option, name in files.items() for word in (option, str(trained / name))]
    line = ["train-epoch", str(trained / "train.jsonl"), *options, "-q"]
    killed("os replace 3 before", line)
    assert not (trained / names[0]).exists()
    assert all((trained / name).read_bytes() == whole[name] for name in names[1:])
    assert main(line) == 0
    assert {name: (trained / name).read_bytes() for name in names} == whole


def test_profiles_are_kept_before_their_flags_say_sent(trained: Path) -> None:
    """update-profiles, killed between its two files, asks again about the same pairs, and gets the same profiles."""
    for name in ("flags.npz", "profiles-2.jsonl"):
        (trained / name).rename(trained / f"whole-{name}")
    history = [word for n in (1, 2) for word in ("--history", str(trained / f"emb-{n}.npz"))]
    files = {"--train": "train.jsonl", "--items": "items.jsonl", "--model": "model-2.npz", "--flags": "flags.npz"}
    options = [
        word for option, name in (files | {"-o": "profiles-2.jsonl"}).items() for word in (option, str(trained / name))
    ]
    rate = ["--alpha", "2", "--max-noise", "0.3", "--confidence", "1", "-q"]
    line = ["update-profiles", str(trained / "profiles.jsonl"), *options, *history, *rate]
    killed("os replace 2 before", line)
    assert (trained / "profiles-2.jsonl").exists() and not (trained / "flags.npz").exists()
    assert main(line) == 0
    for name in ("flags.npz", "profiles-2.jsonl"):
        assert (trained / name).read_bytes() == (trained / f"whole-{name}").read_bytes()

"""A run that was killed with SIGKILL, again and again, and resumed leaves the folder of an unbroken run."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def doomed():
    """Runs a command in a process that dies before its n-th change of the disk; returns the exit status."""
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("doomed.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(folder, words, writes):
        task = {"folder": str(folder), "words": [*map(str, words), "-q"], "writes": writes}
        server.stdin.write(json.dumps(task) + "\n")
        server.stdin.flush()
        return int(server.stdout.readline())

    yield run
    server.stdin.close()
    server.wait()


def kill_until_done(doomed, folder, words, writes):
    """Start, kill after some number of writes, resume, kill again, and so on to the end; returns how often it was killed."""
    for kills in itertools.count():
        status = doomed(folder, words, next(writes))
        assert status in (0, -signal.SIGKILL)
        if status == 0:
            return kills
        words = words if "--resume" in words else [*words, "--resume"]


@pytest.mark.parametrize(
    ("loss", "denoise", "more"),
    [
        ("bpr", "none", []),
        ("bce", "loss", []),
        ("bpr", "loss", ["--keep"]),
        ("bce", "none", ["--keep"]),
        ("bpr", "llmhd", []),
        ("bce", "llmhd", []),
        ("bpr", "llmhd", ["--keep", "--selection", "random", "--noise"]),
        ("bpr", "llmhd", ["--live"]),
        ("bpr", "none", ["--clean", "graph", "--clean-at", "1,3", "--noise"]),
        ("bce", "llmhd", ["--clean", "graph", "--clean-at", "2"]),
        ("bpr", "llmhd", ["--negatives", "semantic", "--aligned", "vectors.npz", "--set", "uniform-epochs=2"]),
        ("bpr", "llmhni", ["--relate-at", "2", "--set", "cross-weight=0.1", "--set", "uniform-epochs=1"]),
        ("bpr", "llmhni", ["--relate-at", "1", "--clean", "graph", "--clean-at", "2", "--keep"]),
    ],
)
def test_killed_at_any_write_and_resumed(doomed, llmhd, words, snapshot, loss, denoise, more):
    start = [*words(loss, denoise, *more), "--epochs", 5, "--patience", 5]
    llmhd(*start, "-o", "unbroken")
    wanted = snapshot(llmhd.folder / "unbroken")
    for seed in range(2 if denoise == "llmhd" else 1):
        killed, rng = f"killed-{seed}", random.Random(seed)
        writes = (rng.randrange(20, 40) for _ in itertools.count())  # about an epoch's
        assert kill_until_done(doomed, llmhd.folder, [*start, "-o", killed], writes) >= 1
        assert snapshot(llmhd.folder / killed) == wanted


@pytest.mark.parametrize(
    ("denoise", "first"), [("llmhd", n) for n in range(1, 12)] + [("llmhni", n) for n in (6, 9, 12)]
)
def test_killed_while_it_opens_its_folder(doomed, llmhd, words, snapshot, denoise, first):
    start = [*words("bpr", denoise, "--relate-at", "0"), "--epochs", 1]
    llmhd(*start, "-o", "unbroken")
    assert kill_until_done(doomed, llmhd.folder, [*start, "-o", "killed"], iter([first, 1000])) == 1
    assert snapshot(llmhd.folder / "killed") == snapshot(llmhd.folder / "unbroken")


def wait_for_epoch(process, path, epoch):
    """Wait until the run has finished an epoch, or has ended."""
    while process.poll() is None:
        if path.exists() and json.loads(path.read_text())["epoch"] >= epoch:
            return
        time.sleep(0.005)


def wait_for_lock(folder):
    """The shell is gone before the run that it started, which holds its folder until it is gone too."""
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.close(handle)


def test_process_group_killed_at_random_moments(llmhd, words, snapshot):
    start = [str(word) for word in [*words("bpr", "llmhd"), "--epochs", 6]]
    llmhd(*start, "-o", "unbroken")
    rng = random.Random(2)
    for epoch in (1, 3):
        process = subprocess.Popen(
            ["bash", "-c", '"$0" -m llmhd_tools "$@" | cat', sys.executable, *start, "-q", "-o", "killed", "--resume"],
            cwd=llmhd.folder,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for_epoch(process, llmhd.folder / "killed" / "progress.json", epoch)
        time.sleep(rng.random() * 0.1)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL  # it was still running
        wait_for_lock(llmhd.folder / "killed")
    llmhd(*start, "-o", "killed", "--resume")
    assert snapshot(llmhd.folder / "killed") == snapshot(llmhd.folder / "unbroken")


def test_resuming_a_finished_run_changes_nothing(llmhd, words, snapshot):
    out = llmhd(*words("bpr", "llmhd"), "-o", "run")
    before = snapshot(llmhd.folder / "run")
    assert llmhd(*words("bpr", "llmhd"), "-o", "run", "--resume") == out
    assert snapshot(llmhd.folder / "run") == before


def test_a_longer_run_goes_on_from_a_shorter_one(llmhd, words, snapshot):
    llmhd(*words("bce", "llmhd"), "--epochs", 5, "-o", "unbroken")
    llmhd(*words("bce", "llmhd"), "--epochs", 3, "-o", "run")
    llmhd(*words("bce", "llmhd"), "--epochs", 5, "-o", "run", "--resume")
    assert snapshot(llmhd.folder / "run") == snapshot(llmhd.folder / "unbroken")

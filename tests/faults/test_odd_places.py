"""Outputs to odd places: full, too large, read-only, closed, themselves an input; and names that are no text."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

RUN = [sys.executable, "-m", "llmhd_tools"]


def sh(script: str, folder: Path, **more: str) -> subprocess.CompletedProcess[bytes]:
    line = f'llmhd() {{ {" ".join(RUN)} "$@"; }}; {script}'
    return subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, env=os.environ | more)


COMMANDS = {
    "convert": "llmhd convert train.jsonl",
    "prune": "llmhd prune samples-3.npz --history emb-1.npz --history emb-2.npz --alpha 2 --max-noise .3 -o",
    "inject-noise": "llmhd inject-noise train.jsonl --ratio .1 -o",
    "evaluate": "llmhd evaluate emb-3.npz test.jsonl --exclude train.jsonl -o",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_is_one_line_and_exit_1(name: str, trained: Path) -> None:
    for out in ("- > /dev/full", "/dev/full"):
        done = sh(f"{COMMANDS[name]} {out}", trained)
        assert done.returncode == 1 and b"no space left" in done.stderr.splitlines()[-1], done.stderr
        assert b"Traceback" not in done.stderr


def test_a_file_that_may_not_grow_keeps_the_old_one(trained: Path) -> None:
    (trained / "out.npz").write_bytes(b"old")
    done = sh("ulimit -f 1; llmhd convert samples-3.npz out.npz", trained)
    assert done.returncode == 1 and b"file too large" in done.stderr and (trained / "out.npz").read_bytes() == b"old"
    assert not list(trained.glob(".*.part"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into read-only folders")
def test_a_read_only_folder(trained: Path) -> None:
    (trained / "shut").mkdir(mode=0o500)
    done = sh("llmhd convert train.jsonl shut/out.npz", trained)
    assert done.returncode == 1 and b"cannot be written to" in done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_closed_streams(name: str, trained: Path) -> None:
    done = sh(f"{COMMANDS[name]} - >&-", trained)
    assert done.returncode == 1 and b"stdout: is closed" in done.stderr, done.stderr
    done = sh(f"{COMMANDS[name]} out.jsonl <&- 2>&-", trained)
    assert done.returncode == 0 and (trained / "out.jsonl").stat().st_size
    done = sh("llmhd convert - out2.npz <&-", trained)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1 and b"Traceback" not in done.stderr
    done = sh(f"set -o pipefail; {{ {COMMANDS[name]} - || echo $? >&2; }} | true", trained)
    codes = [line for line in done.stderr.splitlines() if line.isdigit()]  # none where it was quicker than the reader
    assert codes in ([], [b"141"]) and b"Traceback" not in done.stderr


@pytest.mark.parametrize("way", ["itself", "link", "hard", "folder", "around"])
def test_an_output_that_is_an_input_is_refused_before_any_work(way: str, trained: Path) -> None:
    whole = (trained / "train.jsonl").read_bytes()
    (trained / "link.jsonl").symlink_to("train.jsonl")
    os.link(trained / "train.jsonl", trained / "hard.jsonl")
    (trained / "folder").mkdir()
    (trained / "around").symlink_to(".")
    out = {"itself": "train.jsonl", "folder": "folder", "around": "around/train.jsonl"}.get(way, f"{way}.jsonl")
    done = sh(f"llmhd inject-noise train.jsonl --ratio .1 -o {out}", trained)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1
    assert (trained / "train.jsonl").read_bytes() == whole


def test_a_link_to_elsewhere_is_replaced_and_its_target_spared(trained: Path) -> None:
    (trained / "precious").write_bytes(b"precious")
    (trained / "out.jsonl").symlink_to("precious")
    assert sh("llmhd convert train.jsonl out.jsonl", trained).returncode == 0
    assert (trained / "precious").read_bytes() == b"precious"
    assert (trained / "out.jsonl").read_bytes()


def test_dev_stdout_is_stdout(trained: Path) -> None:
    done = sh("llmhd convert train.npz - 2>/dev/null || llmhd convert train.jsonl /dev/stdout | cat", trained)
    assert done.returncode == 0 and done.stdout == (trained / "train.jsonl").read_bytes()


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_the_umask_is_kept(mask: int, trained: Path) -> None:
    assert sh(f"umask {mask:04o}; llmhd convert train.jsonl out.npz", trained).returncode == 0
    assert stat.S_IMODE((trained / "out.npz").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_that_are_no_text(locale: str, trained: Path) -> None:
    name = os.fsencode(str(trained)) + b"/caf\xe9.jsonl"
    Path(os.fsdecode(name)).write_bytes((trained / "train.jsonl").read_bytes())
    done = sh(
        "f=$'caf\\xe9'; llmhd convert $f.jsonl $f.npz && llmhd validate $f.npz && llmhd stat $f.npz",
        trained,
        LC_ALL=locale,
    )
    assert done.returncode == 0, done.stderr
    done = sh("llmhd validate $'no\\xe9.jsonl'", trained, LC_ALL=locale)
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1

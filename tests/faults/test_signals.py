"""A signal in the midst of writing: one line, the documented exit code, nothing half written left."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

# The process signals itself as it is about to make its file final, so that the moment is the same each time.
STOPPER = """
import os, signal, sys
number = int(sys.argv[1])  # heeded as from a shell, also where this suite runs under nohup
signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
real = os.fsync
def fsync(handle):
    os.kill(os.getpid(), int(sys.argv[1]))
    real(handle)
os.fsync = fsync
from llmhd_tools.cli.app import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_command_that_is_told_to_stop_stops_tidily(tiny: Path, number: signal.Signals) -> None:
    out = tiny / "out.npz"
    line = ["convert", str(tiny / "train.jsonl"), str(out)]
    done = subprocess.run([sys.executable, "-c", STOPPER, str(int(number)), *line], capture_output=True, text=True)
    assert done.returncode == 128 + number
    assert done.stderr == "llmhd convert: interrupted\n"
    assert not out.exists() and not [path for path in tiny.iterdir() if path.name.endswith(".part")]

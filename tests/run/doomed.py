"""Runs commands that are to die: a process that has imported what is slow to import forks one child for each.

stdin has a JSON line for each: ``folder``, ``words`` and ``writes``. The child runs the command and kills itself with
SIGKILL right before its ``writes``-th change of the disk. stdout tells each child's exit status (negative: the signal).
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys

from llmhd_tools.cli import app as cli

WRITES = {"os.mkdir", "os.rmdir", "os.rename", "os.remove", "tempfile.mkstemp"}


def run(folder, words, writes):
    left = writes

    def strike(event, _):
        nonlocal left
        if event in WRITES:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.dont_write_bytecode = True
    os.chdir(folder)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the life of this process
    sys.addaudithook(strike)
    return cli.main(words)


def main():
    for module in ("runs.loop", "train.trainer", "train.backbones.lightgcn", "llm.local.lexical"):
        importlib.import_module(f"llmhd_tools.{module}")
    importlib.import_module("torch._dynamo")  # every optimiser asks for it
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(run(**json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

"""A training step with and without one busy process beside it. Called by ``bin/bench neighbour``.

Usage: neighbour.py DATA [--backbone lightgcn] [--rounds 10] [--steps 20]      DATA has train, valid and test.jsonl.

The competitor is one process that only counts. On P processors with it there are P + 1 threads that want to run, so its
fair share costs the step's threads a factor (P + 1) / P of wall time, and none of processor time. Rounds with and
without it take turns, so whatever else the machine does hits both. ``bound`` runs the step bound to the one processor
that the competitor is bound to as well: the step's share is then a half, and a factor of 2 is fair.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from compare import Side

OURS = str(Path(__file__).parent / "ours.py")


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--backbone", default="lightgcn")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    print(f"{asked.backbone}, {len(cpus)} processors, load {os.getloadavg()[0]:.1f}; median (min) ms a step")
    print("| case | wall alone | wall beside one busy process | ratio | fair | ratio of CPU time |")
    print("|---|---|---|---|---|---|")
    for name, own in (("free", cpus), ("bound", cpus[:1])):
        os.sched_setaffinity(0, own)
        side = Side(sys.executable, OURS, asked.data, asked.backbone, str(len(own)))
        side.ask("steps 5")
        rounds = []
        for _ in range(asked.rounds):
            alone = side.ask(f"steps {asked.steps}")
            rival = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            try:
                rounds.append((alone, side.ask(f"steps {asked.steps}")))
            finally:
                rival.kill()
                rival.wait()
        side.process.stdin.close()
        side.process.wait()
        print(_row(name, rounds, asked.steps, (len(own) + 1) / len(own)), flush=True)
    return 0


def _row(name: str, rounds: list[tuple[dict[str, float], ...]], steps: int, fair: float) -> str:
    def times(k: int) -> str:
        values = [one[k]["wall"] / steps * 1e3 for one in rounds]
        return f"{statistics.median(values):.1f} ({min(values):.1f})"

    wall, cpu = (statistics.median(b[key] / a[key] for a, b in rounds) for key in ("wall", "cpu"))
    return f"| {name} | {times(0)} | {times(1)} | {wall:.2f} | {fair:.2f} | {cpu:.2f} |"


if __name__ == "__main__":
    sys.exit(main())

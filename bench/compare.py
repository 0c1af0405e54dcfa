"""Time our side against RecBole's in turns, and print ratios. Called by bin/bench; see there.

Both sides are loaded once and then take turns, so that whatever else the machine does hits both; a row's ratio is the
median over the rounds of theirs over ours.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


class Side:
    """One side's process."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout is None or self.process.stdout.readline() != "ready\n":
            sys.exit(f"bench: {command[1]} did not start")

    def ask(self, request: str) -> dict[str, float]:
        """Wall and processor seconds, and peak memory, of one piece of work."""
        self.process.stdin.write(f"{request}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def main() -> None:
    """Print a table: work, ours, theirs, ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder with train.jsonl, valid.jsonl, test.jsonl")
    parser.add_argument("--recbole", required=True, help="python of an environment with RecBole")
    parser.add_argument("--backbones", default="lightgcn")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--eval-batch", default="10000000", help="RecBole's eval_batch_size: scores, not users")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for both sides")
    args = parser.parse_args()
    setting = f"{args.device}, {args.threads} threads, {args.rounds} rounds of {args.steps} steps"
    print(f"{setting}; median (min) milliseconds; load {os.getloadavg()[0]:.1f}")
    print("| backbone | work | ours | RecBole | ratio of wall | of processor time | peak MB ours, RecBole |")
    print("|---|---|---|---|---|---|---|")
    for backbone in args.backbones.split(","):
        sides = (
            Side(sys.executable, str(HERE / "ours.py"), args.data, backbone, str(args.threads), args.device),
            Side(
                args.recbole,
                str(HERE / "recbole_side.py"),
                args.data,
                backbone,
                str(args.threads),
                args.eval_batch,
                args.device,
            ),
        )
        for request, per in ((f"steps {args.steps}", args.steps), ("evaluate 1", 1)):
            if backbone != "lightgcn" and request.startswith("evaluate"):
                continue  # the same for all
            for side in sides:
                side.ask("steps 3" if per > 1 else request)  # warm
            rounds = [[side.ask(request) for side in sides] for _ in range(args.rounds)]
            print(_row(backbone, request, rounds, per), flush=True)


def _row(backbone: str, request: str, rounds: list[list[dict[str, float]]], per: int) -> str:
    def times(side: int) -> str:
        values = [one[side]["wall"] / per * 1e3 for one in rounds]
        return f"{statistics.median(values):.1f} ({min(values):.1f})"

    def ratio(key: str) -> str:
        return f"{statistics.median(one[1][key] / one[0][key] for one in rounds):.1f}"

    peaks = ", ".join(f"{rounds[-1][side]['peak_mb']:.0f}" for side in (0, 1))
    return f"| {backbone} | {request} | {times(0)} | {times(1)} | {ratio('wall')} | {ratio('cpu')} | {peaks} |"


if __name__ == "__main__":
    main()

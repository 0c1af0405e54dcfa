"""Staged against live: which samples each takes for noisy and hard, how well each ranks, what each costs.

Called by ``bin/bench live``.

Usage: live.py TRAIN --valid FILE --items FILE [--test FILE] [--profiles FILE] [--epochs 8] [OPTION of run ...]

Runs ``llmhd run --denoise llmhd`` twice with the same options, ``--staged`` and ``--live``, each in a folder of its own that
is removed, and prints one row an epoch: the sizes of B_N, B_HC and B_H, and the Jaccard overlap of the two runs' sets.
An epoch has the same samples in both runs, so rows can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from llmhd_tools.cli.app import main as llmhd

MODES = ("staged", "live")
SETS = ("noisy", "candidate", "hard")  # B_N, B_HC, B_H
Rows = dict[str, set[int]]


def main() -> int:
    """Run both, print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("--epochs", type=int, default=8)
    asked, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        cost = {}
        for mode in MODES:
            before = time.perf_counter(), time.process_time()
            words = ["run", asked.train, "--denoise", "llmhd", f"--{mode}", "--keep", "--epochs", str(asked.epochs)]
            out = os.dup(1)
            os.dup2(2, 1)  # the run's own records are talk here
            code = llmhd([*words, *options, "-o", f"{folder}/{mode}"])
            os.dup2(out, 1)
            if code:
                return code
            cost[mode] = time.perf_counter() - before[0], time.process_time() - before[1]
        print("| epoch | B_N staged, live | B_HC | B_H | overlap of B_N | of B_HC | of B_H |\n" + "|---" * 7 + "|")
        for epoch in range(1, asked.epochs + 1):
            if (Path(folder) / "live" / f"epoch-{epoch}" / "judged.jsonl").exists():
                one, other = (_rows(Path(folder) / mode / f"epoch-{epoch}") for mode in MODES)
                sizes = " | ".join(f"{len(one[name]):,}, {len(other[name]):,}" for name in SETS)
                overlaps = " | ".join(_overlap(one[name], other[name]) for name in SETS)
                print(f"| {epoch} | {sizes} | {overlaps} |")
        records = {mode: _records(Path(folder) / mode / "metrics.jsonl") for mode in MODES}
        _tell(records, cost, asked.epochs)
    return 0


def _rows(folder: Path) -> Rows:
    """Rows of the samples that one epoch took for noisy, for candidates and for hard."""
    judged, verdicts = _records(folder / "judged.jsonl"), _records(folder / "verdicts.jsonl")
    return {
        "noisy": {r["row"] for r in judged},
        "candidate": {r["row"] for r in judged if r["candidate"]},
        "hard": {r["row"] for r, v in zip(judged, verdicts, strict=True) if v["verdict"] == "hard"},
    }


def _overlap(one: set[int], other: set[int]) -> str:
    """The Jaccard index |A ∩ B| / |A ∪ B|; a dash where both are empty."""
    return f"{len(one & other) / len(one | other):.3f}" if one | other else "-"


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _tell(records: dict[str, list[dict[str, Any]]], cost: dict[str, tuple[float, float]], epochs: int) -> None:
    found = {
        mode: {
            f"{r['split']} {r['metric']}@{r['k']}": r["value"]
            for r in records[mode]
            if "k" in r and (r["split"] == "test" or r["epoch"] == epochs)
        }
        for mode in MODES
    }
    names = list(found["staged"])
    print(f"\n| | {' | '.join(names)} | s | CPU s |\n|{'---|' * (len(names) + 3)}")
    for mode in MODES:
        values = " | ".join(f"{found[mode][name]:.4f}" for name in names)
        print(f"| {mode} | {values} | {cost[mode][0]:.0f} | {cost[mode][1]:.0f} |")


if __name__ == "__main__":
    sys.exit(main())

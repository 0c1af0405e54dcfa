"""Weak and strong scaling of sharded training on this machine, as the table in docs/scale.md.

Usage: python bench/scaling.py TRAIN [--rounds N] [--steps N] [--processes 1,2]

Strong: TRAIN and its batch as they are, whatever P. Weak: a random graph of P times TRAIN's users, items, interactions
and batch. One thread a process. Rounds take turns; of all steps, timed five at a time, the best and the median are
told, and the least processor time of rank 0 (all its threads), which neighbours disturb least.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import Samples, draw_samples
from llmhd_tools.train.config import Config

ROOT = Path(__file__).parents[1]
BATCH = 1024
_TIMED = 5  # steps at a time


def main() -> int:
    """Run every case in processes of its own, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--processes", default="1,2")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        return _case(asked.train, asked.case, asked.steps)
    counts = [int(p) for p in asked.processes.split(",")]
    cases = [(name, p) for name in ("strong", "weak") for p in counts]
    found = [[_spawn(asked, name, p) for name, p in cases] for _ in range(asked.rounds)]
    names = (
        "P | nodes | interactions | batch | best ms a step | median | CPU ms | rows a rank | halo rows | MB sent a step"
    )
    print(f"| | {names} |\n" + "|---" * 11 + "|")
    for (name, p), tries in zip(cases, zip(*found, strict=True), strict=True):
        case = tries[0]
        seconds, cpu = (np.concatenate([tried[key] for tried in tries]) * 1e3 for key in ("seconds", "cpu"))
        counts_told = " | ".join(f"{case[key]:,}" for key in ("nodes", "edges", "batch"))
        times = f"{seconds.min():.1f} | {np.median(seconds):.1f} | {cpu.min():.1f}"
        print(
            f"| {name} | {p} | {counts_told} | {times} | {case['rows']:,} | {case['halo']:,} | {case['sent'] / 1e6:.2f} |"
        )
    return 0


def _spawn(asked: argparse.Namespace, name: str, processes: int) -> dict[str, Any]:
    words = [__file__, asked.train, "--steps", str(asked.steps), "--case", f"{name}-{processes}"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *(torchrun if processes > 1 else []), *words]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _case(train: str, case: str, steps: int) -> int:
    name, processes = case.split("-")
    size = int(processes)
    if size == 1:
        return _measure(train, name, 1, steps)
    from llmhd_tools.cli.torchrun import one_of_several

    return one_of_several("train-epoch", "scaling", lambda: _measure(train, name, size, steps))


def _measure(train: str, name: str, size: int, steps: int) -> int:
    """Print seconds a step, and what the busiest rank holds and sends, as JSON."""
    from llmhd_tools.train.devices import pick_device
    from llmhd_tools.train.distributed.trainer import ShardedTrainer
    from llmhd_tools.train.ops.threads import use_threads
    from llmhd_tools.train.trainer import Trainer

    graph, config = _graph(train, size if name == "weak" else 1), Config(seed=1, batch=BATCH * _factor(name, size))
    use_threads(1)
    trainer = Trainer(config, graph, pick_device("cpu")) if size == 1 else ShardedTrainer(config, graph, "cpu", 1, None)
    drawn = draw_samples(graph, "bpr", config.batch, 1, 1)
    few, more = (_first(drawn, count * _TIMED * config.batch) for count in (1, 2))
    trainer.train(few)  # warms up
    seconds, cpu = [], []
    for _ in range(steps // _TIMED):
        before, used = time.perf_counter(), time.process_time()
        trainer.train(few)
        seconds.append((time.perf_counter() - before) / _TIMED)
        cpu.append((time.process_time() - used) / _TIMED)
    sent = [_shares(trainer)["sent"]]
    for part in (few, more):  # their difference leaves out what an epoch's end sends
        trainer.train(part)
        sent.append(_shares(trainer)["sent"])
    shares = _shares(trainer) | {"seconds": seconds, "cpu": cpu, "sent": (sent[2] - 2 * sent[1] + sent[0]) / _TIMED}
    shares |= {"nodes": graph.n_users + graph.n_items, "edges": len(graph), "batch": config.batch}
    json.dump(shares, sys.stdout)
    return 0


def _factor(name: str, size: int) -> int:
    return size if name == "weak" else 1


def _graph(train: str, factor: int) -> Graph:
    """TRAIN's graph, or a random one ``factor`` times its size: each side's ends drawn from TRAIN's own degrees."""
    from llmhd_tools.stages.dataset import read_dataset

    graph = read_dataset(train).graph
    if factor == 1:
        return graph
    rng = np.random.default_rng(1)
    ends = []
    for codes, count in ((graph.user, graph.n_users), (graph.item, graph.n_items)):
        drawn = rng.permutation(np.concatenate([codes + np.int32(copy * count) for copy in range(factor)]))
        ends.append(drawn.astype(np.int32))
    return Graph.of(*ends, factor * graph.n_users, factor * graph.n_items)


def _first(samples: Samples, count: int) -> Samples:
    assert samples.negative is not None
    part = slice(0, count)
    return Samples(samples.batch[part], samples.user[part], samples.item[part], samples.negative[part])


def _shares(trainer: object) -> dict[str, Any]:
    """What the busiest rank holds and has sent."""
    if hasattr(trainer, "sizes"):
        return {name: max(size[name] for size in trainer.sizes()) for name in ("rows", "entries", "halo", "sent")}
    return {"rows": len(trainer.params["embedding"]), "entries": 0, "halo": 0, "sent": 0}  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())

"""How an epoch, ``prune`` and ``evaluate`` grow with the rows. Called by ``bin/bench growth``.

Usage: growth.py ROWS.npz [--rows 100000,1000209,10000000] [--seconds 60]

ROWS.npz has columns ``user`` and ``item`` (ML-1M's). Fewer rows than it has are a random part of it; more are generated:
copies of its users and items, both ends of each row drawn from their degrees. Each case runs in a process of its own.
An epoch that would take over --seconds is measured by as many of its steps as fit, at least 8, and says so.

What the counts predict, next to the first size, for K layers and in units of one row of ``dim`` floats: a step reads one
for each entry in each of its 2K - 1 whole products, and for each entry in the batch's rows of the last (or all entries,
where those are fewer), and passes 2K + 11 times over a table of all nodes (products written, Adam, the gradient's
zeros); an epoch is steps times that. ``prune`` reads (noisy rows · epochs · 4) and sorts rows: both grow as the rows.
``evaluate`` makes users · items scores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from llmhd_tools.core.graph import Graph
from llmhd_tools.core.sampling import Samples, draw_samples
from llmhd_tools.train.config import Config
from llmhd_tools.train.devices import pick_device
from llmhd_tools.train.trainer import Trainer

WORKS = ("epoch", "prune", "evaluate")
EPOCHS = 5  # of history, as `run` keeps by default
ROOT = Path(__file__).parents[1]


def main() -> int:
    """Run every case in a process of its own, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--rows", default="100000,1000209,10000000")
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", default="cpu", help="of the epoch")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case:
        print(json.dumps(_case(asked)))
        return 0
    print("| work | rows | users, items | seconds | CPU seconds | peak MB | CPU grows | counts predict | measured |")
    print("|---" * 9 + "|")
    for work in asked.works.split(","):
        first: dict[str, Any] | None = None
        for rows in asked.rows.split(","):
            case = _spawn(f"{work}-{rows}")
            first = first or case
            grows, predicted = (case[key] / first[key] for key in ("cpu", "predicted"))
            sizes = f"{case['rows']:,} | {case['users']:,}, {case['items']:,}"
            times = f"{case['wall']:.2f} | {case['cpu']:.2f} | {case['peak_mb']:.0f}"
            print(f"| {work} | {sizes} | {times} | {grows:.1f}× | {predicted:.1f}× | {case['measured']} |", flush=True)
    return 0


def _spawn(case: str) -> dict[str, Any]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "passive"}
    done = subprocess.run(
        [sys.executable, *sys.argv, "--case", case], env=environment, stdout=subprocess.PIPE, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _case(asked: argparse.Namespace) -> dict[str, Any]:
    from llmhd_tools.train.ops.threads import use_threads

    work, rows = asked.case.split("-")
    use_threads(asked.threads)
    graph = _graph(asked.data, int(rows))
    found = {"epoch": _epoch, "prune": _prune, "evaluate": _evaluate}[work](graph, asked)
    sizes = {"rows": len(graph), "users": graph.n_users, "items": graph.n_items}
    return found | sizes | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _graph(path: str, rows: int) -> Graph:
    """A part of the file's rows, all of them, or a random graph with ``rows`` ends drawn from their degrees."""
    with np.load(path) as arrays:
        user, item = (np.unique(arrays[name], return_inverse=True)[1].astype(np.int64) for name in ("user", "item"))
    rng = np.random.default_rng(1)
    if rows <= len(user):
        kept = np.sort(rng.permutation(len(user))[:rows])
        ends = [np.unique(column[kept], return_inverse=True)[1].astype(np.int32) for column in (user, item)]
        return Graph.of(ends[0], ends[1], int(ends[0].max()) + 1, int(ends[1].max()) + 1)
    copies = -(-rows // len(user))
    sizes = [copies * (int(column.max()) + 1) for column in (user, item)]
    keys = np.zeros(0, np.int64)
    while len(keys) < rows:  # a pair that is drawn twice counts once, so draw again for those
        more = [rng.choice(column, rows - len(keys)) for column in (user, item)]
        places = [
            drawn * copies + rng.integers(copies, size=len(drawn)) for drawn in more
        ]  # one of the copies of a user, of an item
        keys = np.unique(np.concatenate([keys, places[0] * sizes[1] + places[1]]))
    keys = rng.permutation(keys)
    return Graph(sizes[0], sizes[1], (keys // sizes[1]).astype(np.int32), (keys % sizes[1]).astype(np.int32))


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _least(work: Callable[[], object], seconds: float) -> dict[str, Any]:
    """The least wall and processor seconds of up to three runs."""
    runs = [_timed(work)]
    while len(runs) < 3 and sum(wall for wall, _ in runs) < seconds:
        runs.append(_timed(work))
    wall, cpu = (min(column) for column in zip(*runs, strict=True))
    return {"wall": wall, "cpu": cpu, "measured": f"best of {len(runs)}"}


def _epoch(graph: Graph, asked: argparse.Namespace) -> dict[str, Any]:
    config = Config(seed=1)
    trainer = Trainer(config, graph, pick_device(asked.device))
    samples = draw_samples(graph, "bpr", config.batch, 1, 1)
    steps = int(samples.batch[-1]) + 1
    trainer.train(_first(samples, 5))  # warms up, and captures where that is done
    trial = _timed(lambda: trainer.train(_first(samples, 4)))[0] / 4
    part = min(steps, max(8, int(asked.seconds / trial)))
    wall, cpu = (value * steps / part for value in _timed(lambda: trainer.train(_first(samples, part))))
    measured = f"all {steps:,} steps" if part == steps else f"{part:,} of {steps:,} steps"
    return {"wall": wall, "cpu": cpu, "measured": measured, "predicted": steps * _work(graph, samples, config)}


def _work(graph: Graph, samples: Samples, config: Config) -> float:
    """Rows of ``dim`` floats that a step reads or writes, as the counts predict."""
    degree = [np.bincount(codes, minlength=n) for codes, n in zip(*_sides(graph), strict=True)]
    asked = degree[0][samples.user].mean() + degree[1][samples.item].mean() + degree[1][samples.negative].mean()
    entries, nodes, layers = 2 * len(graph), graph.n_users + graph.n_items, config.layers
    return float((2 * layers - 1) * entries + min(config.batch * asked, entries) + (2 * layers + 11) * nodes)


def _sides(graph: Graph) -> tuple[tuple[Any, Any], tuple[int, int]]:
    return (graph.user, graph.item), (graph.n_users, graph.n_items)


def _first(samples: Samples, steps: int) -> Samples:
    assert samples.negative is not None
    part = slice(0, int(np.searchsorted(samples.batch, steps)))
    return Samples(samples.batch[part], samples.user[part], samples.item[part], samples.negative[part])


def _tables(graph: Graph, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(n, 64)).astype(np.float32) for n in _sides(graph)[1])  # type: ignore[return-value]


def _prune(graph: Graph, asked: argparse.Namespace) -> dict[str, Any]:
    """Of an epoch's samples and five epochs' embeddings, 10 % noisy."""
    from llmhd_tools.core.pruning import NoiseRate
    from llmhd_tools.files.ids import Ids
    from llmhd_tools.files.table import Table
    from llmhd_tools.stages.prune import prune

    history = [_tables(graph, seed) for seed in range(EPOCHS)]
    drawn = draw_samples(graph, "bpr", 1024, 1, 1)
    loss = np.random.default_rng(9).exponential(size=len(drawn)).astype(np.float32)
    columns = {name: getattr(drawn, name) for name in ("batch", "user", "item", "negative")} | {"loss": loss}
    table = Table("samples", columns, *(Ids(range(n)) for n in _sides(graph)[1]))
    rate = NoiseRate(1, 0.1)
    return _least(lambda: prune(table, history, rate, 1), asked.seconds) | {"predicted": float(len(graph))}


def _evaluate(graph: Graph, asked: argparse.Namespace) -> dict[str, Any]:
    """All users with one row in ten held out, the others hidden."""
    from llmhd_tools.core.metrics import ByUser, hits_at
    from llmhd_tools.core.rankers import Dot

    held_out = np.random.default_rng(2).random(len(graph)) < 0.1
    test, hidden = (ByUser.of(graph.user[rows], graph.item[rows], graph.n_users) for rows in (held_out, ~held_out))
    users, items = _tables(graph, 3)
    wanted = int(np.count_nonzero(np.diff(test.start)))
    found = _least(lambda: hits_at(Dot(users, items), test, [hidden], 20), asked.seconds)
    return found | {"predicted": float(wanted * graph.n_items)}


if __name__ == "__main__":
    sys.exit(main())

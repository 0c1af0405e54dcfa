"""What LLMHNI's losses cost: epochs of training with them against plain ones, in turns. Called by ``bin/bench terms``.

Usage: terms.py TRAIN [--relations FILE] [--backbone lightgcn] [--rounds 3] [--threads 1]

Prints processor and wall seconds of an epoch's training (medians over rounds) and their ratio to plain training: with the
views' contrast on G alone, and with ``--relations`` with all terms. Drawing samples and measuring are not in it, they
cost the same in all.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

from llmhd_tools.core.sampling import draw_samples
from llmhd_tools.stages.dataset import read_dataset
from llmhd_tools.stages.edges import read_relations
from llmhd_tools.train.config import Config
from llmhd_tools.train.devices import pick_device
from llmhd_tools.train.ops.threads import use_threads
from llmhd_tools.train.trainer import Trainer


def main() -> None:
    """Train in turns, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("--relations")
    parser.add_argument("--backbone", default="lightgcn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    dataset = read_dataset(asked.train)
    use_threads(asked.threads)
    graph = dataset.graph
    edges = {"plain": graph, "views of G": graph}
    if asked.relations:
        edges["all terms"] = read_relations(asked.relations, dataset).corrected(graph)
    trainers = {
        name: Trainer(
            Config(backbone=asked.backbone, denoise="none" if name == "plain" else "llmhni", seed=1),
            graph,
            pick_device("cpu"),
            edges=propagated,
        )
        for name, propagated in edges.items()
    }
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in trainers}
    for epoch in range(1, asked.rounds + 2):
        for name, trainer in trainers.items():
            samples = draw_samples(edges[name], "bpr", 1024, 1, epoch)
            before = time.process_time(), time.perf_counter()
            trainer.train(samples)
            if epoch > 1:  # the first warms up
                spent[name].append((time.process_time() - before[0], time.perf_counter() - before[1]))
    print("| losses | CPU s an epoch | wall s | CPU against plain |\n|---|---|---|---|")
    plain = median(cpu for cpu, _ in spent["plain"])
    for name, times in spent.items():
        cpu, wall = (median(column) for column in zip(*times, strict=True))
        print(f"| {name} | {cpu:.2f} | {wall:.2f} | {cpu / plain:.2f} |")


if __name__ == "__main__":
    main()

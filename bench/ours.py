"""Our side of bin/bench: training steps and a full evaluation. Usage: ours.py DATA BACKBONE THREADS DEVICE"""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace

import numpy as np
from worker import serve

from llmhd_tools.core.metrics import hits_at, ndcg, recall
from llmhd_tools.core.rankers import Dot
from llmhd_tools.core.sampling import Samples, draw_samples
from llmhd_tools.files.tables import read_table
from llmhd_tools.stages.dataset import by_user, read_dataset
from llmhd_tools.train import ranking
from llmhd_tools.train.config import Config
from llmhd_tools.train.devices import pick_device
from llmhd_tools.train.ops.threads import use_threads
from llmhd_tools.train.trainer import Trainer


def main() -> None:
    """Load once, then serve ``steps N`` and ``evaluate 1``."""
    data, backbone, threads, device = sys.argv[1], sys.argv[2], int(sys.argv[3]), pick_device(sys.argv[4])
    dataset = read_dataset(f"{data}/train.jsonl")
    use_threads(threads)
    trainer = Trainer(Config(backbone=backbone, seed=1), dataset.graph, device)
    epochs = (draw_samples(dataset.graph, "bpr", 1024, 1, epoch) for epoch in itertools.count(1))
    waiting: list[Samples] = []

    def steps(count: int) -> None:
        while count:
            if not waiting:
                waiting.append(next(epochs))
            part, rest = _first(waiting.pop(), count)
            waiting.extend(rest)
            trainer.train(part)
            count -= int(part.batch[-1]) + 1

    test = by_user(read_table(f"{data}/test.jsonl", "interactions"), dataset.users, dataset.items)
    hidden = [
        by_user(read_table(f"{data}/{split}.jsonl", "interactions"), dataset.users, dataset.items)
        for split in ("train", "valid")
    ]

    def on_card(_: int) -> None:
        _, hits, relevant = ranking.hits_at(Dot(*trainer.embeddings()), test, hidden, 20, device)
        for k in (10, 20):
            recall(hits[:, :k], relevant).mean(), ndcg(hits[:, :k], relevant).mean()

    def evaluate(_: int) -> None:
        _, hits, relevant = hits_at(Dot(*trainer.embeddings()), test, hidden, 20)
        for k in (10, 20):
            recall(hits[:, :k], relevant).mean(), ndcg(hits[:, :k], relevant).mean()

    serve({"steps": steps, "evaluate": evaluate if device.type == "cpu" else on_card})


def _first(samples: Samples, batches: int) -> tuple[Samples, list[Samples]]:
    """The first batches of an epoch, and the rest of it where there is one."""
    end = int(np.searchsorted(samples.batch, batches))

    def part(rows: slice) -> Samples:
        columns = ("user", "item", "negative")
        cut = {name: getattr(samples, name)[rows] for name in columns}
        return replace(samples, batch=samples.batch[rows] - samples.batch[rows][0], **cut)

    return part(slice(0, end)), [part(slice(end, None))] if end < len(samples) else []


if __name__ == "__main__":
    main()

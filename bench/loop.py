"""What the loop around training costs in ``llmhd run --denoise llmhd``. Called by ``bin/bench loop``.

Usage: loop.py TRAIN --valid FILE --items FILE --profiles FILE [--epochs 8] [--llm lexical] [--scores cached|asked]

Runs the loop in this process into a folder of its own and times its stages by wall and processor time, over the denoised
epochs. With ``--scores cached`` every answer is kept and the loop runs twice, the second time with all answers at hand:
what is told is that one. Starting up and reading the inputs are told apart.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from llmhd_tools.cli.app import main as llmhd
from llmhd_tools.llm import requests as provider
from llmhd_tools.llm.requests import Answer, Request
from llmhd_tools.run import loop
from llmhd_tools.run.measuring import Measuring
from llmhd_tools.stages.model import Run
from llmhd_tools.train.trainer import Trainer

Seconds = dict[str, list[float]]
STAGES: list[tuple[Any, str, str]] = [  # whose function, its name, the stage
    (Trainer, "train", "training"),
    (Run, "next_samples", "next epoch's samples"),
    (Run, "train", "decide, digests"),
    (loop, "prune", "prune"),
    (loop, "score", "score"),
    (loop, "texts_of", "score"),
    (loop, "update_profiles", "update-profiles"),
    (Measuring, "epoch", "evaluate"),
    (loop, "write_table", "writing tables"),
    (loop, "write_tensors", "writing embeddings and model"),
    (Run, "model", "writing embeddings and model"),
    (loop, "write_records", "writing metrics"),
    (loop.Loop, "_epoch", "rest"),
    (loop.Loop, "_load", "start: reading"),
]


class Clock:
    """Time spent in stages; a stage within another counts for itself only."""

    def __init__(self) -> None:
        self.spent: Seconds = defaultdict(lambda: [0.0, 0.0])
        self.open: list[list[float]] = []
        self.on = True

    def timed(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """``work`` whose time is counted."""

        def run(*args: Any, **kwargs: Any) -> Any:
            before, inner = [time.perf_counter(), time.process_time()], [0.0, 0.0]
            self.open.append(inner)
            try:
                return work(*args, **kwargs)
            finally:
                took = [time.perf_counter() - before[0], time.process_time() - before[1]]
                self.open.pop()
                for kind in (0, 1):
                    if self.on:
                        self.spent[stage][kind] += took[kind] - inner[kind]
                    if self.open:
                        self.open[-1][kind] += took[kind]

        return run


class Remembering:
    """A provider whose answers are kept from run to run."""

    def __init__(self, asked: Any, kept: dict[Request, Answer]) -> None:
        self.asked, self.kept, self.name, self.notice = asked, kept, asked.name, asked.notice

    def answer(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The kept answer, else the provider's."""
        for request in requests:
            if request not in self.kept:
                (self.kept[request],) = self.asked.answer([request])
            yield self.kept[request]


def main() -> int:
    """Run, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--scores", choices=("cached", "asked"), default="cached")
    asked, options = parser.parse_known_args()
    clock, kept = Clock(), {}
    for owner, name, stage in STAGES:
        setattr(owner, name, clock.timed(stage, getattr(owner, name)))
    if asked.scores == "cached":
        opened = provider.open_provider
        provider.open_provider = lambda *a, **k: Remembering(opened(*a, **k), kept)  # type: ignore[assignment]
    epoch = loop.Loop._epoch

    def denoised_only(self: Any, number: int) -> None:
        clock.on = number > asked.warm_up
        epoch(self, number)

    loop.Loop._epoch = denoised_only  # type: ignore[method-assign]
    for _ in range(2 if asked.scores == "cached" else 1):
        clock.spent.clear()
        clock.on = True
        with tempfile.TemporaryDirectory() as folder:
            words = ["run", asked.train, "--denoise", "llmhd", "--epochs", str(asked.epochs), "-o", f"{folder}/run"]
            words += ["--warm-up", str(asked.warm_up), "--patience", "1000", "--quiet", *options]
            with contextlib.redirect_stdout(sys.stderr):
                _run(words)
    _tell(clock.spent, asked.epochs - asked.warm_up)
    return 0


def _run(words: list[str]) -> None:
    sys.argv = ["llmhd", *words]
    with contextlib.suppress(SystemExit):
        llmhd()


def _tell(spent: Seconds, epochs: int) -> None:
    start = spent.pop("start: reading", [0.0, 0.0])
    dataset = spent["training"]
    around = [sum(stage[kind] for stage in spent.values()) - dataset[kind] for kind in (0, 1)]
    print("| stage | s an epoch | CPU s an epoch | of training's CPU |\n|---|---|---|---|")
    for name, stage in sorted(spent.items(), key=lambda pair: -pair[1][1]):
        print(_row(name, stage, dataset, epochs))
    print(_row("**all around training**", around, dataset, epochs))
    print(f"\nReading the inputs at the start, once: {start[0]:.1f} s, {start[1]:.1f} s of the processor.")


def _row(name: str, stage: list[float], dataset: list[float], epochs: int) -> str:
    return f"| {name} | {stage[0] / epochs:.2f} | {stage[1] / epochs:.2f} | {stage[1] / dataset[1]:.0%} |"


if __name__ == "__main__":
    sys.exit(main())

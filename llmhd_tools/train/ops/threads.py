"""How many CPU threads torch uses, and where.

Passes over whole tables (products with the adjacency, Adam) gain from more threads; the rest of a step is too small.
So torch runs on one thread and is widened for those passes only. Together with sleeping at barriers instead of spinning
(``OMP_WAIT_POLICY``, set in this package's ``__init__``), a busy neighbour then costs no more than its share of the
processor. Results do not depend on the number of threads: each output row is computed by one of them, and sums over
rows are made lane by lane, of which there are as many whatever the threads.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

_MANY = 8  # beyond that a table's pass is limited by memory
LANES = 8

Part = TypeVar("Part")


class _Width:
    threads = 1
    pool: ThreadPoolExecutor | None = None  # made when first needed


def use_threads(count: int | None) -> None:
    """Let whole-table passes use ``count`` threads; None: the processors that this process may run on, at most 8."""
    _Width.threads, _Width.pool = count or min(len(os.sched_getaffinity(0)), _MANY), None
    torch.set_num_threads(1)


@contextlib.contextmanager
def wide() -> Iterator[None]:
    """Run a pass over a whole table on all threads."""
    if _Width.threads == 1:
        yield
        return
    torch.set_num_threads(_Width.threads)
    try:
        yield
    finally:
        torch.set_num_threads(1)


def over(parts: Sequence[Part], work: Callable[[int, Part], None]) -> None:
    """Call ``work(lane, part)`` for every part; lanes run side by side, the parts of one lane in turn.

    For many passes over the same few rows: one barrier, where ``wide`` would have one a pass. What ``work`` adds up
    belongs to its lane. Tensors that require a gradient must not be written to: threads have no autograd mode of ours.
    """

    def run(lane: int) -> None:
        for part in parts[lane::LANES]:
            work(lane, part)

    lanes = range(min(LANES, len(parts)))
    if _Width.threads == 1 or len(lanes) == 1:
        for lane in lanes:
            run(lane)
        return
    if _Width.pool is None:
        _Width.pool = ThreadPoolExecutor(_Width.threads, "llmhd", torch.set_num_threads, (1,))
    for _ in _Width.pool.map(run, lanes):
        pass

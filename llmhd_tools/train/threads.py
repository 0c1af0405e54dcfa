"""How many CPU threads torch uses, and where.

Passes over whole tables (products with the adjacency, Adam) gain from more threads; the rest of a step is too small.
So torch runs on one thread and is widened for those passes only. Together with sleeping at barriers instead of spinning
(``OMP_WAIT_POLICY``, set in this package's ``__init__``), a busy neighbour then costs no more than its share of the
processor. Results do not depend on the number of threads: each output row is computed by one of them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

_MANY = 8  # beyond that a table's pass is limited by memory


class _Width:
    threads = 1


def use_threads(count: int | None) -> None:
    """Let whole-table passes use ``count`` threads; None: the processors that this process may run on, at most 8."""
    _Width.threads = count or min(len(os.sched_getaffinity(0)), _MANY)
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

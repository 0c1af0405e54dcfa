"""The two sides of a benchmark talk to its driver in lines: a request ``steps 40`` is answered with one JSON record."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable


def serve(work: dict[str, Callable[[int], None]]) -> None:
    """Answer each ``NAME COUNT`` on stdin with the wall and processor seconds of ``work[NAME](COUNT)``."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever a library prints must not get between the answers
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        name, count = line.split()
        wall, processor = time.perf_counter(), time.process_time()
        work[name](int(count))
        record = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - processor,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(record), file=answers, flush=True)

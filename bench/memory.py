"""Peak memory of ``llmhd score`` over a long stream of noisy rows, answered by a server on loopback.

    python bench/memory.py [--rows 1000000] [--pairs 2000]

Every row is a candidate of one of PAIRS pairs, so that the first of each goes to the server and the others to the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SERVER = Path(__file__).parents[1] / "tests" / "service" / "fault_server.py"


def main() -> None:
    """Stream the rows through one process and print its peak memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=2000)
    args = parser.parse_args()
    server = subprocess.Popen([sys.executable, str(SERVER), "0"], stdout=subprocess.PIPE, text=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            _measure(Path(folder), server.stdout.readline().strip(), args.rows, args.pairs)
    finally:
        server.kill()


def _measure(folder: Path, address: str, rows: int, pairs: int) -> None:
    (folder / "profiles.jsonl").write_text('{"user": "u", "profile": "likes quiet books about the sea"}\n')
    items = (json.dumps({"item": n, "profile": f"book number {n}, about the sea"}) for n in range(pairs))
    (folder / "items.jsonl").write_text("\n".join(items) + "\n")
    with (folder / "noisy.jsonl").open("w") as out:
        for n in range(rows):
            row = {
                "row": n,
                "batch": n // 1000,
                "user": "u",
                "item": n % pairs,
                "label": 1,
                "loss": 1.0,
                "candidate": True,
            }
            out.write(json.dumps(row) + "\n")
    words = [
        "score",
        f"{folder}/noisy.jsonl",
        "--profiles",
        f"{folder}/profiles.jsonl",
        "--items",
        f"{folder}/items.jsonl",
    ]
    words += ["--llm", "openai:m", "--cache", f"{folder}/cache.sqlite", "-o", f"{folder}/judged.jsonl"]
    started = time.perf_counter()
    environment = os.environ | {"OPENAI_BASE_URL": address, "OPENAI_API_KEY": "none"}
    process = subprocess.Popen([sys.executable, "-m", "llmhd_tools", *words], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - started
    print(
        f"{rows:,} rows, exit {os.waitstatus_to_exitcode(status)}: peak {usage.ru_maxrss / 1024:.0f} MiB, {took:.0f} s"
    )


if __name__ == "__main__":
    main()

"""Kill a 2,000-call run with SIGKILL twenty times at random moments, finish it, and count what was sent again.

python bench/kill.py [--kills 20] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "service"))
from fault_server import FaultServer  # noqa: E402

CALLS = 2000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    moment = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        files = {
            "p.jsonl": ({"user": f"u{n}", "profile": f"Likes {n}."} for n in range(50)),
            "i.jsonl": ({"item": f"i{n}", "profile": f"A book about {n}."} for n in range(CALLS)),
            "n.jsonl": (
                {"batch": 0, "user": f"u{n % 50}", "item": f"i{n}", "label": 1, "loss": 1, "row": n, "candidate": True}
                for n in range(CALLS)
            ),
        }
        for name, records in files.items():
            Path(name).write_text("".join(json.dumps(record) + "\n" for record in records))
        with FaultServer(latency=0.05) as server:
            words = [
                sys.executable,
                "-m",
                "llmhd_tools",
                "score",
                "n.jsonl",
                "--profiles",
                "p.jsonl",
                "--items",
                "i.jsonl",
            ]
            words += ["--llm", "openai:m", "--base-url", server.url, "-q"]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            subprocess.run([*words, "-o", "unbroken.jsonl", "--cache", "a"], check=True, env=environment)
            server.answered.clear()
            killed = 0
            while killed < given.kills:
                goal = CALLS * (killed + moment.random()) / given.kills
                process = subprocess.Popen([*words, "-o", "broken.jsonl", "--cache", "b"], env=environment)
                while process.poll() is None and len(server.answered) < goal:
                    time.sleep(0.002)
                process.kill()
                process.wait()
                killed += 1
            subprocess.run([*words, "-o", "broken.jsonl", "--cache", "b"], check=True, env=environment)
            again = sum(server.answered.values()) - CALLS
        same = Path("broken.jsonl").read_bytes() == Path("unbroken.jsonl").read_bytes()
    print(f"{killed} kills: {again} answers sent again ({again / killed:.1f} a kill, in flight when it fell), "
          f"output {'byte-equal' if same else 'DIFFERENT'}")  # fmt: skip
    return int(not same or again > 64 * killed)


if __name__ == "__main__":
    sys.exit(main())

"""Scoring calls a second through our engine, beside a bare aiohttp loop on the same server in the same run.

    python bench/calls.py [--calls 10000] [--latency 0.2]

The server is tests/service/fault_server.py, a process of its own, which answers after LATENCY seconds ± a half. Both
sides send the same bodies, 64 at a time. The bare loop posts and reads JSON; ours renders prompts, looks them up in the
cache, sends by openai, checks, parses and commits every answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from llmhd_tools.llm.cache import Cache
from llmhd_tools.llm.prompts import load_templates
from llmhd_tools.llm.requests import Score
from llmhd_tools.llm.service.asking import Asker
from llmhd_tools.llm.service.client import Client
from llmhd_tools.llm.service.limits import Limits
from llmhd_tools.llm.service.provider import Service

SERVER = Path(__file__).parents[1] / "tests" / "service" / "fault_server.py"
IN_FLIGHT = 64


async def bare(url: str, bodies: list[dict]) -> None:
    import aiohttp

    waiting = iter(bodies)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:

        async def work() -> None:
            for body in waiting:
                async with session.post(f"{url}/chat/completions", json=body) as answer:
                    json.loads(await answer.read())["choices"][0]["message"]["content"]

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


def ours(url: str, asker: Asker, requests: list[Score], folder: str) -> None:
    limits = Limits(IN_FLIGHT)
    limits.limit = IN_FLIGHT  # as after the first seconds of a long run
    service = Service(asker, Cache(f"{folder}/cache"), Client(url, "none", deadline=60, most=IN_FLIGHT), limits)
    assert all(answer.error is None for answer in service.answer(requests))
    service.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.2)
    given = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, str(SERVER), str(given.latency)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        asker = Asker("m", "h", load_templates("books"))
        requests = [Score(f"Likes number {n % 500}. " * 20, f"A book about {n}. " * 20) for n in range(given.calls)]
        bodies = [asker.question(request).call.body for request in requests]  # type: ignore[union-attr]
        rates = {}
        with tempfile.TemporaryDirectory() as folder:
            for name, work in (
                ("bare aiohttp", lambda: asyncio.run(bare(url, bodies))),
                ("llmhd", lambda: ours(url, asker, requests, folder)),
            ):
                wall, cpu = time.perf_counter(), time.process_time()
                work()
                rates[name] = given.calls / (time.perf_counter() - wall)
                used = (time.process_time() - cpu) / given.calls * 1000
                print(f"{name}: {rates[name]:,.0f} calls a second, {used:.2f} ms of CPU a call", flush=True)
        print(f"ratio {rates['llmhd'] / rates['bare aiohttp']:.2f}; {given.calls:,} calls, {given.latency:g} s latency, "
              f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")  # fmt: skip
    finally:
        server.kill()


if __name__ == "__main__":
    main()

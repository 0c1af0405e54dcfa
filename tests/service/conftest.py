"""A shop of one's own size, and the tool as a process against a server on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
KEY = "sk-canary-7f3d9a51c2"


@pytest.fixture
def shop(tmp_path):
    """Writes noisy.jsonl, profiles.jsonl and items.jsonl: ``rows`` candidates of ``users`` users."""

    def make(rows: int, users: int = 10) -> list[str]:
        def write(name: str, records) -> str:
            path = tmp_path / name
            path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
            return str(path)

        profiles = write("profiles.jsonl", ({"user": f"u{u}", "profile": f"Likes number {u}."} for u in range(users)))
        items = write("items.jsonl", ({"item": f"i{i}", "profile": f"A book about {i}."} for i in range(rows)))
        noisy = write(
            "noisy.jsonl",
            (
                {
                    "row": n,
                    "batch": 0,
                    "user": f"u{n % users}",
                    "item": f"i{n}",
                    "label": 1,
                    "loss": 1,
                    "candidate": True,
                }
                for n in range(rows)
            ),
        )
        return ["score", noisy, "--profiles", profiles, "--items", items]

    return make


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """What the tool's process sees: a key, no other address, a cache of its own."""
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-home"))
    return os.environ


@pytest.fixture
def llmhd(environment):
    """Runs the tool; gives the finished process with stdout and stderr as text."""

    def run(*args: str, server=None, **more) -> subprocess.CompletedProcess:
        return subprocess.run(command(*args, server=server), capture_output=True, text=True, timeout=60, **more)

    return run


def command(*args: str, server=None) -> list[str]:
    address = ["--llm", "openai:m", "--base-url", server if isinstance(server, str) else server.url] if server else []
    return [sys.executable, "-m", "llmhd_tools", *args, *address]

"""A service behind every stage: summarise, the loop, and updates; by pipe pieces and by ``run`` the same prompts."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from fault_server import FaultServer

SIZE = ["--dim", "8", "--batch", "64", "--alpha", "2", "--max-noise", "0.3", "--confidence", "1", "--scope", "all"]


@pytest.mark.parametrize("mode", ["--staged", "--live"])
def test_run_with_a_service_and_again_without(trained_once, tmp_path, llmhd, mode):
    data = {name: str(trained_once / f"{name}.jsonl") for name in ("train", "valid", "items")}
    words = ["run", data["train"], "--valid", data["valid"], "--items", data["items"], "--denoise", "llmhd"]
    words += ["--epochs", "5", mode, *SIZE, "--cache", str(tmp_path / "cache")]
    with FaultServer() as server:
        first = llmhd(*words, "-o", str(tmp_path / "a"), "--usage", str(tmp_path / "usage.jsonl"), server=server)
        assert first.returncode == 0, first.stderr
        sent = len(server.times)
        used = {r["template"]: r for r in map(json.loads, (tmp_path / "usage.jsonl").read_text().splitlines())}
        assert {"summarize", "score", "false-positive"} <= set(used) and sum(r["sent"] for r in used.values()) == sent
        second = llmhd(*words, "-o", str(tmp_path / "b"), "--offline", server=server)
        assert second.returncode == 0 and len(server.times) == sent, second.stderr
    for folder, _, files in os.walk(tmp_path / "a"):
        for name in set(files) - {"settings.json"}:
            path = os.path.join(folder, name)
            with open(path, "rb") as a, open(path.replace(str(tmp_path / "a"), str(tmp_path / "b")), "rb") as b:
                assert a.read() == b.read(), path
    changed = llmhd(*words, "-o", str(tmp_path / "a"), "--resume", "--domain", "books", "--offline", server=server)
    assert changed.returncode == 2 and "--domain" in changed.stderr
    shutil.rmtree(tmp_path / "b")


def test_summarize_with_a_service(trained_once, llmhd):
    with FaultServer() as server:
        done = llmhd(
            "summarize", str(trained_once / "train.jsonl"), "--items", str(trained_once / "items.jsonl"), server=server
        )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and all(row["profile"].startswith("Reads about") for row in rows), done.stderr

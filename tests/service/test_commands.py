"""cache, prompts and batch as commands."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path

import pytest
from fault_server import FaultServer


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_cache_is_counted_exported_and_pruned(shop, llmhd):
    with FaultServer(lambda body, number: "length" if "about 2." in str(body) else None) as server:
        llmhd(*shop(5), server=server)
    (stats,) = map(json.loads, llmhd("cache", "stats").stdout.splitlines())
    assert (stats["model"], stats["template"], stats["answers"], stats["prompt_tokens"]) == ("m", "score", 5, 500)
    assert len(llmhd("cache", "export", "--model", "m").stdout.splitlines()) == 5
    assert llmhd("cache", "prune").returncode == 2
    assert "1 answers deleted" in llmhd("cache", "prune", "--unfinished").stderr
    assert len(llmhd("cache", "export").stdout.splitlines()) == 4
    assert llmhd("cache", "stats", "--cache", "none").returncode == 1


def test_prompts_are_shown_filled_in(shop, llmhd):
    shop(3)
    done = llmhd("prompts", "profiles.jsonl", "--items", "items.jsonl", "--item", "i2", "--domain", "games")
    assert done.returncode == 0 and done.stdout.count("=== ") == 16
    assert done.stdout.count("A book about 2.") == 9 and done.stdout.count("Likes number 0.") == 5
    assert llmhd("prompts", "profiles.jsonl", "--items", "items.jsonl", "--user", "x").returncode == 1


@pytest.mark.skipif(importlib.util.find_spec("llmock") is None, reason="llmock is not installed (pip install llmock)")
def test_a_batch_goes_through_a_service(request, shop, llmhd):
    llmock = request.getfixturevalue("llmock")
    words, server = shop(6), llmock.base_url("openai")
    llmhd(*words, "--requests", "r.jsonl", server=server)
    (submitted,) = map(json.loads, llmhd("batch", "submit", "r.jsonl", "--base-url", server).stdout.splitlines())
    for _ in range(20):
        fetched = llmhd("batch", "fetch", submitted["id"], "--base-url", server, "-o", "a.jsonl")
        if fetched.returncode == 0:
            break
        assert fetched.returncode == 1 and not Path("a.jsonl").exists()
        time.sleep(0.2)
    assert json.loads(llmhd("batch", "status", submitted["id"], "--base-url", server).stdout)["status"] == "completed"
    done = llmhd(*words, "--responses", "a.jsonl", server=server)
    errors = [json.loads(line)["error"] for line in done.stdout.splitlines()]  # llmock's batches chat: no score in them
    assert len(errors) == 6 and all("no <s>N</s>" in error for error in errors), done.stderr
    assert llmhd("batch", "status", "nonsense", "--base-url", server).returncode == 3

"""What a person reads: one prefix, a reason where nothing worked, and no error numbers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fault_server import FaultServer


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_command_is_named_once(shop, llmhd):
    with FaultServer() as server:
        done = llmhd(*shop(3), server=server)
        assert "score: 3 calls (0 asked again)" in done.stderr and "score: score:" not in done.stderr
        done = llmhd(*shop(4), "--requests", "r.jsonl", server=server)
        assert "score: 1 requests written to r.jsonl; 3 answered by the cache" in done.stderr
        assert "score: score:" not in done.stderr


@pytest.mark.parametrize("more", [(), ("-q",)])
def test_where_nothing_has_a_score_the_reason_is_told(more, shop, llmhd):
    words = shop(3)
    Path("one.jsonl").write_text('{"item": "i0", "profile": "A book about 0."}\n')
    done = llmhd(*words[:-1], "one.jsonl", *more)  # no profile shares a word with it
    assert done.returncode == 1 and "0 candidates scored by lexical/1, 3 without a score (mostly: " in done.stderr
    Path("other.jsonl").write_text('{"item": "x", "profile": "A book."}\n')
    done = llmhd("summarize", "noisy.jsonl", "--items", "other.jsonl", *more)
    assert done.returncode == 1 and "(the reason: none of the user's items has a text)" in done.stderr
    with FaultServer(lambda body, number: "chatty") as server:
        done = llmhd(*words, *more, server=server)
        assert done.returncode == 1 and "(the reason: no <s>N</s> with a whole number N from 1 to 10" in done.stderr


def test_input_that_is_wrong_on_stdin(shop, llmhd):
    words = shop(3)
    done = llmhd("score", "-", *words[2:], input="{no\n")
    assert done.returncode == 1 and "llmhd score: stdin:1: is not a JSON record" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_folder_that_cannot_be_written(shop, llmhd):
    Path("shut").mkdir(mode=0o500)
    done = llmhd(*shop(1), "--cache", "shut/answers.sqlite", server="http://h/v1")
    assert done.returncode == 1 and "cannot be the cache" in done.stderr and "Errno" not in done.stderr


def test_a_cache_that_cannot_be(shop, llmhd, environment):
    Path("file").write_text("x")
    environment["XDG_CACHE_HOME"] = str(Path("file").absolute())
    done = llmhd(*shop(1), server="http://127.0.0.1:9/v1")
    told = f"llmhd score: {Path('file').absolute()}/llmhd/answers.sqlite: cannot be the cache: "
    assert done.returncode == 1 and done.stderr.startswith(told) and "Errno" not in done.stderr

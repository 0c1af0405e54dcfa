"""An independent judge of our manners: llmock grades every client that connects to it."""

from __future__ import annotations

import importlib.util
import json

import pytest

if importlib.util.find_spec("llmock") is None:
    pytest.skip("llmock is not installed (pip install llmock): nobody judges the client", allow_module_level=True)


@pytest.fixture
def judged(llmock, shop, llmhd):
    """Runs the scoring of some rows against llmock."""

    def run(rows: int, *args: str):
        done = llmhd(*shop(rows), *args, server=llmock.base_url("openai"))
        return done, [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_429_with_retry_after(llmock, judged):
    llmock.reply("<s>7</s>", times=None).rate_limit(times=3, retry_after=1.0)
    done, rows = judged(40)
    assert done.returncode == 0 and [row["score"] for row in rows] == [7] * 40, done.stderr
    llmock.assert_resilient(strict=True)


def test_503s(llmock, judged):
    llmock.reply("<s>7</s>", times=None).fail(503, times=8)
    done, rows = judged(30)
    assert done.returncode == 0 and [row["score"] for row in rows] == [7] * 30, done.stderr
    llmock.assert_resilient(strict=True)


def test_a_quota_of_requests_a_minute(llmock, judged):
    llmock.reply("<s>7</s>", times=None).limits(rpm=300)
    done, rows = judged(320)
    assert done.returncode == 0 and len(rows) == 320, done.stderr
    assert [row.get("error") for row in rows if "error" in row] == []
    llmock.assert_resilient(strict=True)


def test_an_outage_and_a_refused_key(llmock, judged):
    llmock.outage()
    assert judged(30, "--max-in-flight", "30", "--attempts", "2")[0].returncode == 3
    llmock.assert_resilient()
    llmock.reset()
    llmock.fail(401, times=None)
    assert judged(30)[0].returncode == 3
    llmock.assert_resilient()

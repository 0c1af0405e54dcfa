"""Whatever a server does, a call ends as an answer, a failure or a stop; never as a crash, a leak or a made-up score."""

from __future__ import annotations

import asyncio
import gc
import sys
import time

import openai  # noqa: F401 - seconds on a busy machine, which no test's clock should count
import pytest
from fault_server import FAULTS, FaultServer

from llmhd_tools.errors import ServiceError
from llmhd_tools.llm.cache import Cache
from llmhd_tools.llm.calls import Call, Denied, Failed, Refused, Reply, Retry, key_of
from llmhd_tools.llm.requests import Answer
from llmhd_tools.llm.service.attempts import Attempts
from llmhd_tools.llm.service.client import Client
from llmhd_tools.llm.service.deadline import Deadline
from llmhd_tools.llm.service.endpoint import Endpoint
from llmhd_tools.llm.service.engine import Engine
from llmhd_tools.llm.service.limits import Limits
from llmhd_tools.llm.usage import Usage

KEY = "sk-canary-7f3d9a51c2"
RETRIED = {
    "cut-json", "empty", "bad-utf8", "html", "list", "empty-object", "null-choices", "error-200", "no-choices",
    "int-content", "deep", "short-body", "reset", "close", "garbage", "429", "429-negative", "429-nan",
    "429-long", "429-date", "429-bare", "500", "502", "503", "529", "hang", "drip", "bomb", "huge",
    "5-error", "5-abort", "5-broken-choice", "9-no-system-500", "12-full", "25-elsewhere", "25-stream", "25-gzip",
}  # fmt: skip
FAILED = {
    "400", "413", "422", "7-flagged", "8-flat", "8-detail", "8-details", "8-text", "9-no-system", "10-parameter", "16-logprobs",
}  # fmt: skip
DENIED = {"403"}
STOPS = {"quota", "401", "404", "302", "307", "6-402", "6-moonshot", "6-anthropic", "6-flat", "6-in-200"}
REPLIES = {
    "length", "filtered", "refusal", "chatty", "null-content", "1-eos", "1-upper", "2-think", "4-late-number", "4-no-form",
    "14-reasoning", "14-reasoning-parts", "14-parts", "14-tool", "28-bare", "28-fractions",
}  # fmt: skip
CROWDED = {"reset", "close", "short-body", "garbage", "hang", "drip", "503", "529", "12-full"}


def call(number: int = 0) -> Call:
    body = {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]}
    return Call("score", body, key_of("h", body))


def outcome(server: FaultServer, transport: str, monkeypatch) -> Reply | Exception:
    if transport == "httpx2":
        monkeypatch.setitem(sys.modules, "aiohttp", None)  # as if it were not installed
    else:
        pytest.importorskip("aiohttp")
    client = Client(Endpoint(server.url, key=KEY), deadline=0.7, most=4)

    async def ask() -> Reply | Exception:
        try:
            return await client.ask(call())
        except (Retry, Failed, ServiceError) as error:
            return error
        finally:
            await client.close()

    return asyncio.run(ask())


def test_every_fault_has_its_expectation():
    assert set(FAULTS) == RETRIED | FAILED | DENIED | STOPS | REPLIES


@pytest.mark.parametrize("transport", ["aiohttp", "httpx2"])
@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_fault_ends_cleanly(fault, transport, monkeypatch):
    with FaultServer(lambda body, number: fault) as server, FaultServer() as elsewhere:
        server.elsewhere = elsewhere.url.removesuffix("/v1")
        found = outcome(server, transport, monkeypatch)
        kind = next(
            kind
            for names, kind in [(RETRIED, Retry), (FAILED, Refused), (DENIED, Denied), (STOPS, ServiceError), (REPLIES, Reply)]
            if fault in names
        )  # fmt: skip
        assert type(found) is kind, found
        assert len(server.times) == 1 and not elsewhere.times
        if fault == "429":
            assert found.after == 1.0 and found.slower
        if fault in ("429-negative", "429-nan", "429-date", "429-bare"):
            assert found.after is None
        if isinstance(found, Retry):
            assert found.crowded == (fault in CROWDED)
        if isinstance(found, Exception):
            assert KEY not in repr(found) and "\n" not in str(found)


class Asked:
    def __init__(self, number: int) -> None:
        self.call = call(number)

    def settle(self, _call: Call, reply: Reply) -> Answer:
        return Answer(reply.text)


def engine(server: FaultServer, cache: Cache, limits: Limits | None = None, *, deadline: float = 2, **more) -> Engine:
    limits = limits or Limits(8)
    client = Client(Endpoint(server.url, key=KEY), deadline=deadline, most=limits.most)
    return Engine(Attempts(client.ask, limits, backoff=0.02, **more), cache, Usage(), "h")


def test_a_fault_is_retried_and_only_then_a_failure(tmp_path):
    once = FaultServer(lambda body, number: "503" if number < 2 else None)
    always = FaultServer(lambda body, number: "cut-json" if "question 3" in body["messages"][0]["content"] else None)
    with once, always:
        answers = list(engine(once, Cache(tmp_path / "a")).answers(map(Asked, range(20))))
        assert all(answer.value for answer in answers) and len(once.times) == 22
        answers = list(engine(always, Cache(tmp_path / "b")).answers(map(Asked, range(20))))
        assert [n for n, answer in enumerate(answers) if answer.error] == [3]
        assert "5 attempts" in answers[3].error


@pytest.mark.parametrize("fault", sorted(STOPS))
def test_some_errors_stop_the_run_and_keep_what_was_answered(fault, tmp_path):
    with FaultServer(lambda body, number: fault if number >= 10 else None) as server:
        server.elsewhere = "http://127.0.0.1:9"
        cache = Cache(tmp_path / "cache")
        with pytest.raises(ServiceError):
            list(engine(server, cache).answers(map(Asked, range(500))))
        assert len(server.times) < 10 + 8 + 1
        assert sum(1 for _ in cache.rows()) == sum(server.answered.values()) == 10


def test_an_outage_stops_the_run(tmp_path):
    with FaultServer(lambda body, number: "close") as server:
        with pytest.raises(ServiceError, match="calls in a row failed"):
            list(engine(server, Cache(tmp_path / "c"), most=2).answers(map(Asked, range(500))))
        assert len(server.times) <= 2 * (20 + 8)


def test_all_workers_wait_as_the_server_asks(tmp_path):
    with FaultServer(lambda body, number: "429" if number == 30 else None, latency=0.02) as server:
        answers = list(engine(server, Cache(tmp_path / "c")).answers(map(Asked, range(100))))
    assert all(answer.value for answer in answers)
    gaps = [after - before for before, after in zip(server.times, server.times[1:], strict=False)]
    assert max(gaps) > 0.9  # nobody sent anything in that second
    assert len(server.times) == 101


def test_a_long_wait_is_capped(tmp_path):
    with FaultServer(lambda body, number: "429-long" if number == 0 else None) as server:
        asked = engine(server, Cache(tmp_path / "c"), Limits(8, longest_pause=0.3))
        assert len(list(asked.answers(map(Asked, range(5))))) == 5
    assert server.times[-1] - server.times[0] < 300  # what the server asks for


def test_concurrency_grows_until_429_then_shrinks_once_an_episode():
    async def run() -> Limits:
        limits = Limits(64)
        for fault in [None] * 60 + [Retry("x", slower=True)] * 5:
            await limits.acquire(1)
            limits.release(fault)
        return limits

    assert asyncio.run(run()).history == [20, 40, 64, 51]


def test_calls_lost_in_a_crowd_halve_it_once_for_all_that_were_sent_before():
    async def run() -> Limits:
        limits = Limits(64)
        while not limits.alone:
            sent = [await limits.acquire(1) for _ in range(int(limits.limit))]
            await asyncio.sleep(0.002)  # a clock may be as coarse as that
            for when in sent:
                limits.release(Retry("x", mute=True), sent=when)
            await asyncio.sleep(0.002)
        for _ in range(30):
            await limits.acquire(1)
            limits.release()
        return limits

    assert asyncio.run(run()).history == [20, 10, 5, 2, 1, 2]


def test_a_clock_starts_anew_with_each_answer_to_another_but_not_for_ever():
    async def call(seconds: float, deadline: float) -> bool:
        try:
            with Deadline(deadline):
                await asyncio.sleep(seconds)
        except TimeoutError:
            return False
        return True

    async def run() -> tuple[list[bool], float]:
        queued = await asyncio.gather(*(call(0.15 * n, 0.9) for n in range(1, 12)))  # one slot, 0.15 s an answer
        start = asyncio.get_running_loop().time()
        others = [asyncio.create_task(_later(0.15 * n, call(0.05, 0.9))) for n in range(30)]
        hanging = await call(60, 0.9)  # a server that works otherwise
        took = asyncio.get_running_loop().time() - start
        return [*queued, not hanging, *await asyncio.gather(*others)], took

    fine, took = asyncio.run(run())
    assert all(fine) and took < 4  # well before the last of the others began


async def _later(seconds: float, work):
    await asyncio.sleep(seconds)
    return await work


def test_the_bounds_of_concurrency_and_rate(tmp_path):
    with FaultServer(latency=0.05) as server:
        list(engine(server, Cache(tmp_path / "c"), Limits(6)).answers(map(Asked, range(60))))
        assert server.most <= 6
        server.times.clear()
        list(engine(server, Cache(tmp_path / "d"), Limits(8, rpm=1200)).answers(map(Asked, range(60))))
        assert server.times[-1] - server.times[0] >= (60 - 20) / 20 * 0.9


def test_memory_and_lookahead_are_bounded(tmp_path):
    pulled = 0

    def questions():
        nonlocal pulled
        for n in range(20_000):
            pulled += 1
            yield Asked(n % 40)

    with FaultServer() as server:
        running = engine(server, Cache(tmp_path / "c"))
        for told, _ in enumerate(running.answers(questions())):
            assert pulled - told <= 257
        assert len(server.times) == 40  # the others were merged or cached


def test_an_interrupt_that_lands_in_a_task_of_the_client_is_told_once(tmp_path, caplog):
    gc.collect()  # what other tests left open is told now
    caplog.clear()
    sent = 0

    async def write() -> None:
        nonlocal sent
        sent += 1
        if sent == 3:
            raise KeyboardInterrupt

    async def send(_call: Call) -> Reply:
        writing = asyncio.ensure_future(write())  # as aiohttp writes, while it waits for the answer
        await asyncio.sleep(0.01)
        assert writing.done()
        return Reply("8")

    running = Engine(Attempts(send, Limits(4)), Cache(tmp_path / "c"), Usage(), "h")
    with pytest.raises(KeyboardInterrupt):
        list(running.answers(map(Asked, range(50))))
    running.close()
    del running
    gc.collect()
    assert not caplog.records, "asyncio tells of exceptions that nobody asked for"


def test_a_slow_reader_costs_no_answer_its_deadline(tmp_path):
    with FaultServer(latency=0.03) as server:
        answers = engine(server, Cache(tmp_path / "c"), Limits(4), deadline=0.6).answers(map(Asked, range(300)))
        for n, answer in enumerate(answers):
            assert answer.value
            if n == 130:
                time.sleep(1.2)
        assert len(server.times) <= 300 + 4

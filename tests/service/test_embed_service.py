"""``embed`` as a process against a server: order, batches, the cache, faults and kills."""

from __future__ import annotations

import json
import random
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import command
from fault_server import VECTOR_FAULTS, VECTOR_SHAPES, FaultServer, embeddings, vector_of

from llmhd_tools.files.tensors import read_tensors


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def texts(tmp_path):
    """Writes items.jsonl (``count`` texts) and profiles.jsonl (three); gives the words of a call."""

    def make(count: int, *more: str) -> list[str]:
        items = [{"item": f"i{n}", "profile": f"A book about {n}."} for n in range(count)]
        profiles = [{"user": n, "profile": f"Likes number {n}."} for n in range(3)]
        for name, records in (("items", items), ("profiles", profiles)):
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        return ["embed", "items.jsonl", "profiles.jsonl", "-o", "vectors.npz", *more]

    return make


def test_every_text_gets_its_own_vector_and_a_second_run_sends_nothing(texts, llmhd):
    words = texts(200)
    with FaultServer(latency=0.02) as server:
        done = llmhd(*words, "--usage", "usage.jsonl", server=server)
        assert done.returncode == 0 and "203 texts have a vector by openai:m, 0 have none" in done.stderr
        vectors = read_tensors("vectors.npz", "vectors")
        assert vectors.users.names == [0, 1, 2] and vectors.items.names == [f"i{n}" for n in range(200)]
        for side, text in (("user", "Likes number {}."), ("item", "A book about {}.")):
            wanted = [vector_of(text.format(n)) for n in range(len(vectors.arrays[side]))]
            assert vectors.arrays[side].tolist() == np.array(wanted, dtype=np.float32).tolist()
        assert len(server.times) == 4 and set(server.bodies[0]) == {"model", "input"}  # 64 texts a call
        (usage,) = map(json.loads, Path("usage.jsonl").read_text().splitlines())
        assert (usage["template"], usage["sent"], usage["prompt_tokens"]) == ("embed", 4, 2030)
        first = Path("vectors.npz").read_bytes()
        assert llmhd(*words, server=server).returncode == 0 and Path("vectors.npz").read_bytes() == first
        assert llmhd(*words, "--offline", server=server).returncode == 0
        assert llmhd(*texts(201), server=server).returncode == 0  # a text more is a text sent
        assert len(server.times) == 5 and server.bodies[-1]["input"] == ["A book about 200."]
        stats = json.loads(llmhd("cache", "stats").stdout)
        assert (stats["template"], stats["answers"], stats["prompt_tokens"]) == ("embed", 204, 2040)


def test_the_width_can_be_asked_for_and_makes_another_vector(texts, llmhd):
    words = texts(3, "--param", "dimensions=4")
    with FaultServer() as server:
        assert llmhd(*texts(3), server=server).returncode == 0
        assert llmhd(*words, server=server).returncode == 0
        assert server.bodies[1]["dimensions"] == 4 and sum(server.answered.values()) == 12
        assert llmhd(*texts(3, "--width", "4"), server=server).returncode == 2
        assert llmhd(*texts(3, "--param", "input=x"), server=server).returncode == 2


@pytest.mark.parametrize(
    "fault",
    [
        *(name for name in VECTOR_FAULTS if not name[0].isdigit()),
        "18-too-long",
        "429",
        "close",
        "reset",
        "short-body",
        "cut-json",
        "error-200",
        "503",
        "garbage",
    ],
)
def test_a_fault_is_tried_again(fault, texts, llmhd):
    with FaultServer(lambda body, number: fault if number == 0 else None) as server:
        done = llmhd(*texts(5), server=server)
        assert done.returncode == 0 and len(server.times) == 2, done.stderr
    assert len(read_tensors("vectors.npz", "vectors").items) == 5


@pytest.mark.parametrize("shape", VECTOR_SHAPES)
def test_vectors_without_an_index_are_in_the_order_of_the_texts(shape, texts, llmhd):
    with FaultServer(lambda body, number: shape) as server:
        assert llmhd(*texts(100), server=server).returncode == 0
    vectors = read_tensors("vectors.npz", "vectors").arrays["item"]
    wanted = [vector_of(f"A book about {n}.") for n in range(100)]
    assert vectors.tolist() == np.array(wanted, dtype=np.float32).tolist()


def test_an_index_that_is_always_the_same_orders_nothing(texts, llmhd):
    """Such a server can only be asked for one text at a time: so it is, and no vector lands on another text."""
    with FaultServer(lambda body, number: "same-index") as server:
        assert llmhd(*texts(5), server=server).returncode == 0
    wanted = [vector_of(f"A book about {n}.") for n in range(5)]
    assert read_tensors("vectors.npz", "vectors").arrays["item"].tolist() == np.array(wanted, np.float32).tolist()


@pytest.mark.parametrize("fault", ["too-few", "nan", "18-too-long", "503", "hang"])
def test_a_text_that_never_gets_a_vector_takes_no_other_along_and_is_asked_for_the_next_time(fault, texts, llmhd):
    words = texts(100)
    with FaultServer(lambda body, number: fault if "A book about 7." in body["input"] else None) as server:
        done = llmhd(*words, "--attempts", "2", "--deadline", "0.3", server=server)
        assert done.returncode == 0 and "102 texts have a vector by openai:m, 1 have none (the reason: " in done.stderr
        assert "i7" not in read_tensors("vectors.npz", "vectors").items.names and max(server.answered.values()) == 1
        server.behave = lambda body, number: None
        assert llmhd(*words, server=server).returncode == 0
        assert len(read_tensors("vectors.npz", "vectors").items) == 100 and max(server.answered.values()) == 1


def test_a_text_that_the_service_refuses_does_not_take_others_along(texts, llmhd):
    def behave(body, number):
        return "400" if "A book about 7." in body["input"] else None

    with FaultServer(behave) as server:
        done = llmhd(*texts(100), server=server)
        assert done.returncode == 0 and "102 texts have a vector by openai:m, 1 have none" in done.stderr
        assert max(server.answered.values()) == 1
    assert "i7" not in read_tensors("vectors.npz", "vectors").items.names


def test_19_the_reason_is_told_whatever_the_level(texts, llmhd):
    with FaultServer(lambda body, number: "19-refused") as server:
        for more in ((), ("-q",)):
            done = llmhd(*texts(5), *more, server=server)
            assert (
                done.returncode == 1
                and "8 have none (the reason: the service refuses the request (422, no such" in done.stderr
            )


def test_20_a_service_that_takes_fewer_texts_gets_fewer(texts, llmhd):
    with FaultServer(lambda body, number: "20-too-many" if len(body["input"]) > 10 else None) as server:
        assert llmhd(*texts(100), server=server).returncode == 0
        assert len(server.answered) == 103 and max(server.answered.values()) == 1


def test_texts_at_fault_never_block_the_others(texts, llmhd):
    with FaultServer(
        lambda body, n: "400" if any(f"book about {k}." in str(body) for k in range(30)) else None
    ) as server:
        for _ in range(2):
            done = llmhd(*texts(60), server=server)
            assert done.returncode == 0 and "30 have none" in done.stderr


def test_a_service_that_refuses_all_is_left_soon(texts, llmhd):
    with FaultServer(lambda body, number: "422") as server:
        done = llmhd(*texts(2000), server=server)
        assert done.returncode == 3 and "20 calls were refused" in done.stderr and not Path("vectors.npz").exists()
        assert len(server.times) < 300


@pytest.mark.parametrize("fault", ["quota", "401", "404"])
def test_a_stop_is_3_and_the_next_run_goes_on(fault, texts, llmhd):
    words = texts(1000)
    with FaultServer(lambda body, number: fault if number >= 5 else None) as server:
        done = llmhd(*words, "--max-in-flight", "2", server=server)
        assert done.returncode == 3 and not Path("vectors.npz").exists()
        server.behave = lambda body, number: None
        assert llmhd(*words, server=server).returncode == 0 and max(server.answered.values()) == 1


def test_another_width_stops_the_run(texts, llmhd):
    with FaultServer(lambda body, number: "wider" if number == 1 else None) as server:
        done = llmhd(*texts(100), "--max-in-flight", "1", server=server)
        assert done.returncode == 3 and "vectors of 5 numbers now, of 4 before" in done.stderr
        server.behave = lambda body, number: "wider"
        done = llmhd(*texts(100), server=server)  # the first call's are in the cache
        assert done.returncode == 1 and "different widths (4, 5)" in done.stderr and not Path("vectors.npz").exists()


def test_kill_9_loses_and_repeats_nothing(texts, environment, tmp_path):
    words = texts(5000)
    environment["XDG_CACHE_HOME"] = str(tmp_path / "unbroken")
    with FaultServer() as server:
        assert subprocess.run(command(*words, server=server), timeout=60).returncode == 0
    unbroken = Path("vectors.npz").read_bytes()
    Path("vectors.npz").unlink()
    environment["XDG_CACHE_HOME"] = str(tmp_path / "broken")
    kills, moment, flight = 3, random.Random(1), 4
    slow = ("--max-in-flight", str(flight))
    with FaultServer(latency=0.05) as server:
        for kill in range(kills):
            process = subprocess.Popen(command(*words, *slow, server=server), stderr=subprocess.DEVNULL)
            _wait(lambda: len(server.answered) > 1200 * (kill + 1) + moment.randrange(300))  # noqa: B023
            process.kill()
            process.wait()
            assert not Path("vectors.npz").exists()
        assert subprocess.run(command(*words, *slow, server=server), timeout=60).returncode == 0
        again = sum(server.answered.values()) - 5003
        assert len(server.answered) == 5003 and 0 <= again <= kills * flight * 64
    assert Path("vectors.npz").read_bytes() == unbroken


def test_dry_run_and_batch_lines(texts, llmhd):
    words, server = texts(100), "http://h/v1"
    plan = llmhd(*words, "--dry-run", "--price-in", "1000", "--rpm", "1", server=server)
    assert plan.returncode == 0 and "103 requests: 0 duplicate, 0 in the cache, 103 to send, 64 a call" in plan.stderr
    assert "about 2.0 minutes" in plan.stderr and "input: Likes number 0." in plan.stderr and " 0 out" in plan.stderr
    assert llmhd(*words, "--requests", "r.jsonl", server=server).returncode == 0
    requests = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert len(requests) == 103 and requests[0]["url"] == "/v1/embeddings"
    assert requests[0]["body"] == {"model": "m", "input": "Likes number 0."}
    lines = [
        {"custom_id": r["custom_id"], "error": None, "response": {"status_code": 200, "body": embeddings(r["body"])}}
        for r in requests
    ]
    lines[1]["response"]["body"]["data"] = []
    random.Random(1).shuffle(lines)
    Path("a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = llmhd(*words, "--responses", "a.jsonl", server=server)
    assert done.returncode == 0 and "102 texts have a vector by openai:m, 1 have none" in done.stderr
    assert read_tensors("vectors.npz", "vectors").users.names == [0, 2]
    with FaultServer() as live:  # asked live, it is the same
        assert llmhd(*words, "--cache", "other", server=live).returncode == 0
    assert read_tensors("vectors.npz", "vectors").arrays["user"][2].tolist() == vector_of("Likes number 2.")


def test_a_blank_text_is_never_sent(texts, llmhd):
    words = texts(2)
    Path("profiles.jsonl").write_text('{"user": "a", "profile": ""}\n{"user": "b", "profile": "\\u200b \\u202e"}\n')
    with FaultServer() as server:
        done = llmhd(*words, server=server)
        assert done.returncode == 0 and "2 texts have a vector by openai:m, 2 have none" in done.stderr
        assert server.bodies[0]["input"] == ["A book about 0.", "A book about 1."]
    vectors = read_tensors("vectors.npz", "vectors")
    assert list(vectors.arrays) == ["item"] and not len(vectors.users)
    nothing = llmhd("embed", "profiles.jsonl", "-o", "none.npz", server="http://127.0.0.1:9/v1")
    assert nothing.returncode == 1 and not Path("none.npz").exists()


def _wait(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)

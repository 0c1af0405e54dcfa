"""The tool as a process against a server: what a run sends, keeps, tells and leaves out."""

from __future__ import annotations

import base64
import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import KEY, command
from fault_server import FAULTS, FaultServer, answer_to, completion

BATCH = {"id": "b-1", "error": None}


def test_scores_come_in_order_and_a_second_run_sends_nothing(shop, llmhd):
    words = shop(100)
    with FaultServer(latency=0.01) as server:
        first = llmhd(*words, "--usage", "usage.jsonl", server=server)
        assert first.returncode == 0, first.stderr
        rows = [json.loads(line) for line in first.stdout.splitlines()]
        assert [row["row"] for row in rows] == list(range(100)) and all(1 <= row["score"] <= 10 for row in rows)
        assert "score: 100 calls (0 asked again)" in first.stderr and rows[0]["model"] == "openai:m"
        (usage,) = map(json.loads, Path("usage.jsonl").read_text().splitlines())
        assert usage["sent"] == 100 and usage["prompt_tokens"] == 10_000 and usage["template"] == "score"
        second = llmhd(*words, server=server)
        assert second.stdout == first.stdout and len(server.times) == 100
        assert llmhd(*words, "--offline", server=server).stdout == first.stdout
    users = [body["messages"][1]["content"].split("Likes number ")[1][0] for body in server.bodies]
    assert sum(a != b for a, b in zip(users, users[1:], strict=False)) < 40  # grouped, as far as timing allows
    assert set(server.bodies[0]) == {"model", "messages"}  # nothing that was not asked for


def test_offline_fails_on_a_miss(shop, llmhd):
    done = llmhd(*shop(3), "--offline", "-o", "out.jsonl", server="http://127.0.0.1:9/v1")
    assert done.returncode == 1 and "--offline" in done.stderr and not Path("out.jsonl").exists()


def test_parameters_are_sent_only_when_given(shop, llmhd):
    with FaultServer() as server:
        llmhd(*shop(1), "--param", "temperature=0", "--param", "stop=x", server=server)
        assert server.bodies[0]["temperature"] == 0 and server.bodies[0]["stop"] == "x"
        assert llmhd(*shop(1), "--param", "model=x", server=server).returncode == 2


def test_an_answer_out_of_form_is_asked_for_again_once(shop, llmhd):
    with FaultServer(
        lambda body, n: "chatty" if len(body["messages"]) == 2 or "about 1." in str(body) else None
    ) as server:
        done = llmhd(*shop(3), server=server)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert "score" in rows[0] and "score" not in rows[1] and "no <s>N</s>" in rows[1]["error"]
        assert len(server.times) == 6
        assert "Reply again" in server.bodies[-1]["messages"][-1]["content"]
        assert llmhd(*shop(3), server=server).stdout == done.stdout and len(server.times) == 6


@pytest.mark.parametrize("fault", ["length", "filtered", "refusal"])
def test_an_answer_that_did_not_end_well_is_none(fault, shop, llmhd):
    with FaultServer(lambda body, number: fault) as server:
        done = llmhd(*shop(2), server=server)
    assert done.returncode == 1 and "error" in json.loads(done.stdout.splitlines()[0])


def test_quota_stops_with_3_and_the_next_run_goes_on(shop, llmhd):
    words = shop(300)
    with FaultServer(lambda body, number: "quota" if number >= 50 else None) as server:
        done = llmhd(*words, "-o", "out.jsonl", server=server)
        assert done.returncode == 3 and "quota" in done.stderr and not Path("out.jsonl").exists()
        server.behave = lambda body, number: None
        assert llmhd(*words, "-o", "out.jsonl", server=server).returncode == 0
        assert max(server.answered.values()) == 1 and len(server.answered) == 300


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_the_sending_and_keep_answers(number, code, shop, environment):
    words = shop(400)
    with FaultServer(latency=0.1) as server:
        process = subprocess.Popen(
            command(*words, server=server),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            # a test run in the background ignores Ctrl-C, and its children would inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        _wait(lambda: len(server.answered) > 60 or process.poll() is not None)
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
        assert process.returncode == code, told
        assert b"run the same command again to go on" in told and told.count(b"\n") < 4
        before = len(server.answered)
        assert len(server.times) < 400  # what was not yet sent stayed here
        done = subprocess.run(command(*words, "-o", "out.jsonl", server=server), check=False, timeout=60)
        assert done.returncode == 0 and len(server.answered) == 400
        again = sum(count > 1 for count in server.answered.values())
        assert again <= 64 and before > 60


def test_kill_9_loses_and_repeats_nothing(shop, environment, tmp_path):
    words = shop(2000, users=50)
    environment["XDG_CACHE_HOME"] = str(tmp_path / "unbroken")
    with FaultServer() as server:
        assert subprocess.run(command(*words, "-o", "unbroken.jsonl", server=server), timeout=60).returncode == 0
    environment["XDG_CACHE_HOME"] = str(tmp_path / "broken")
    kills, moment = 3, random.Random(1)
    with FaultServer(latency=0.03) as server:
        for kill in range(kills):
            process = subprocess.Popen(command(*words, "-o", "broken.jsonl", server=server), stderr=subprocess.DEVNULL)
            _wait(lambda: len(server.answered) > 400 * (kill + 1) + moment.randrange(100))  # noqa: B023
            process.kill()
            process.wait()
            assert not Path("broken.jsonl").exists()
        done = subprocess.run(command(*words, "-o", "broken.jsonl", server=server), timeout=60)
        assert done.returncode == 0
        again = sum(server.answered.values()) - 2000
        assert len(server.answered) == 2000 and 0 <= again <= kills * 64
    assert Path("broken.jsonl").read_bytes() == Path("unbroken.jsonl").read_bytes()


def test_the_key_leaves_no_trace(shop, llmhd, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_LOG", "debug")
    told = ""
    with FaultServer() as server:
        server.elsewhere = "http://127.0.0.1:9"
        faults = sorted(set(FAULTS) - {"hang", "drip", "429-long", "429"})
        server.behave = lambda body, number: faults[number] if number < len(faults) else None
        for _ in range(12):  # each stop ends a run; the next one meets the next faults
            done = llmhd(*shop(30), "-v", "--deadline", "1", "--usage", "usage.jsonl", server=server)
            told += done.stdout + done.stderr
            if len(server.times) > len(faults):
                break
    assert len(server.times) > len(faults)
    content = told.encode() + b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in (KEY, base64.b64encode(KEY.encode()).decode().rstrip("=")):
        assert secret.encode() not in content


def test_the_key_comes_from_a_file_and_never_from_the_address(shop, llmhd, environment):
    Path("key").write_text("sk-other\n")
    del environment["OPENAI_API_KEY"]
    with FaultServer(lambda body, number: "401") as server:
        done = llmhd(*shop(1), "--api-key-file", "key", server=server)
        assert done.returncode == 3 and "sk-other" not in done.stderr
    assert llmhd(*shop(1), server="http://user:sk-canary@h/v1").returncode == 2
    no_key = subprocess.run(command(*shop(1), "--llm", "openai:m"), capture_output=True, text=True, check=False)
    assert no_key.returncode == 2 and "OPENAI_API_KEY" in no_key.stderr


def test_dry_run_sends_nothing(shop, llmhd):
    with FaultServer() as server:
        words = shop(20, users=4)
        assert llmhd(*shop(5, users=4), server=server).returncode == 0
        prices = ("--price-in", "2", "--price-out", "8", "--rpm", "30")
        done = llmhd(*shop(20, users=4), "--dry-run", *prices, server=server)
        assert done.returncode == 0 and done.stdout == "" and len(server.times) == 5
    assert "20 requests: 0 duplicate, 5 in the cache, 15 to send" in done.stderr
    assert "0.5 minutes at 30 requests a minute" in done.stderr and "at 2 in and 8 out" in done.stderr
    assert done.stderr.count("Likes number") == 2 and words


def test_dry_run_shows_a_long_prompt_in_few_lines(shop, llmhd):
    shop(400)
    one = [{"user": "u0", "item": f"i{n}"} for n in range(400)]
    Path("train.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in one))
    done = llmhd("summarize", "train.jsonl", "--items", "items.jsonl", "--dry-run", server="http://h/v1")
    assert done.returncode == 0 and "1 requests" in done.stderr and "lines more)" in done.stderr
    assert done.stderr.count("\n") < 40 and "A book about 0." in done.stderr


def test_batch_round_trip(shop, llmhd):
    words = shop(12, users=3)
    assert llmhd(*words, "--requests", "r.jsonl", server="http://h/v1").returncode == 0
    requests = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert len(requests) == 12 and requests[0]["url"] == "/v1/chat/completions"

    def line(request, **response) -> dict:
        body = completion(answer_to(request["body"]))
        return BATCH | {"custom_id": request["custom_id"], "response": {"status_code": 200, "body": body} | response}

    lines = [line(request) for request in requests]
    lines[1] |= {"response": None, "error": {"code": "batch_expired", "message": "too late"}}
    lines[2] = line(requests[2], status_code=400, body={"error": {"message": "too long"}})
    del lines[3]
    random.Random(1).shuffle(lines)

    def run(*given: dict):
        Path("a.jsonl").write_text("".join(json.dumps(record) + "\n" for record in given))
        return llmhd(*words, "--responses", "a.jsonl", "-o", "out.jsonl", server="http://h/v1")

    foreign = run(*lines, lines[0] | {"custom_id": "foreign"})
    assert foreign.returncode == 1 and "does not ask" in foreign.stderr and not Path("out.jsonl").exists()
    doubled = run(*lines, lines[0])
    assert doubled.returncode == 1 and "second time" in doubled.stderr and "a.jsonl:12" in doubled.stderr
    assert run(*lines).returncode == 0
    rows = [json.loads(text) for text in Path("out.jsonl").read_text().splitlines()]
    assert [row["row"] for row in rows if "error" in row] == [3, 6, 9]  # requests are grouped by user
    assert "batch_expired" in rows[3]["error"] and "too long" in rows[6]["error"] and "no answer" in rows[9]["error"]
    assert llmhd(*words, "--requests", "rest.jsonl", server="http://h/v1").returncode == 0  # only what failed
    rest = [json.loads(text) for text in Path("rest.jsonl").read_text().splitlines()]
    assert [r["custom_id"] for r in rest] == [r["custom_id"] for r in requests[1:4]]


def test_expected_score_and_its_absence(shop, llmhd):
    def logprobs(number: str, chances: dict[str, float]) -> dict:
        import math

        top = [{"token": token, "logprob": math.log(chance)} for token, chance in chances.items()]
        tokens = [("<s>", []), (number, top), ("</s>", [])]
        return {"content": [{"token": token, "logprob": 0, "top_logprobs": top} for token, top in tokens]}

    with FaultServer() as server:
        done = llmhd(*shop(2), "--expected-score", server=server)
        assert "2 answers came without probabilities" in done.stderr and '"p_mass"' not in done.stdout
        assert server.bodies[0]["logprobs"] is True and server.bodies[0]["top_logprobs"] == 20
    from llmhd_tools.llm.service.expected import expectation

    assert expectation("<s>8</s>", logprobs("8", {"8": 0.5, "9": 0.25, "eight": 0.2})) == (8.333333, 0.75)
    assert expectation("<s>8</s>", logprobs("8", {"8": 0.5, "1": 0.25})) is None  # 1 or the beginning of 10?
    assert expectation("<s>8</s>", None) is None and expectation("no", logprobs("8", {"8": 1})) is None


def _wait(condition) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_dry_run_of_a_huge_history_keeps_the_estimate_in_sight(tmp_path, llmhd):
    rows, texts = tmp_path / "train.jsonl", tmp_path / "items.jsonl"
    rows.write_text("".join(f'{{"user": "u", "item": "i{n}"}}\n' for n in range(4000)))
    texts.write_text("".join(f'{{"item": "i{n}", "profile": "A book about {n}, {"x" * 900}."}}\n' for n in range(4000)))
    done = llmhd("summarize", str(rows), "--items", str(texts), "--domain", "books", "--dry-run", server="http://h/v1")
    lines = done.stderr.splitlines()
    assert done.returncode == 0 and len(lines) < 60 and max(map(len, lines)) < 500
    assert any("lines more)" in line for line in lines) and any("characters more)" in line for line in lines)
    assert any("1 requests: 0 duplicate" in line for line in lines)

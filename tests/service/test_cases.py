"""What real services were seen to do, case by case (the numbers are those of the issue): the command against each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from conftest import KEY
from fault_server import FaultServer, answer_to, completion, error, response

from llmhd_tools.llm.service.endpoint import Endpoint

ROWS = 12


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def scored(shop, llmhd):
    """Scores some rows; gives the process, the scores and the errors, by row."""

    def run(server, *args: str, rows: int = ROWS):
        done = llmhd(*shop(rows), *args, server=server)
        found = [json.loads(line) for line in done.stdout.splitlines()]
        return done, [row.get("score") for row in found], [row.get("error") for row in found]

    return run


def always(fault: str):
    return lambda body, number: fault


@pytest.mark.parametrize(
    ("fault", "score", "said", "calls"),
    [
        ("1-eos", 8, None, 1),
        ("1-upper", 8, None, 1),
        ("2-think", 9, None, 1),
        ("4-late-number", 3, None, 1),
        ("4-no-form", None, "no <s>N</s>", 2),
        ("8-flat", None, "(400, BadRequestError: context too long)", 1),
        ("8-detail", None, "(422, prompt is too long)", 1),
        ("8-details", None, "(422, temperature: must be at most 2)", 1),
        ("8-text", None, "no such thing", 1),
        ("7-flagged", None, "Your input was flagged", 1),
        ("14-reasoning", None, "holds only reasoning", 1),
        ("14-reasoning-parts", None, "holds only reasoning", 1),
        ("14-tool", None, "is the call of a tool", 1),
        ("14-parts", 8, None, 1),
        ("null-content", None, "holds no text", 1),
        ("refusal", None, "is a refusal", 1),
        ("28-bare", 8, None, 1),
        ("28-fractions", 8, None, 1),
    ],
)
def test_a_reply_is_read_rightly_and_paid_once(fault, score, said, calls, scored):
    with FaultServer(always(fault)) as server:
        done, scores, errors = scored(server, "--usage", "usage.jsonl", *["--expected-score"] * fault.startswith("4"))
        assert scores == [score] * ROWS and len(server.times) == calls * ROWS
        assert all(said in text for text in errors) if said else errors == [None] * ROWS
        assert done.returncode == (0 if score else 1)
        (usage,) = map(json.loads, Path("usage.jsonl").read_text().splitlines())
        answered = fault[0] not in "78" and not fault.startswith("28")
        assert usage["sent"] == (calls * ROWS if answered or fault.startswith("28") else 0)
        assert usage["prompt_tokens"] == (100 * calls * ROWS if answered and fault not in ("refusal",) else 0)
        again = scored(server)[0] if not fault.startswith("4") else scored(server, "--expected-score")[0]
        if answered:
            assert len(server.times) == calls * ROWS and again.stdout == done.stdout


@pytest.mark.parametrize("fault", ["5-error", "5-abort", "5-broken-choice"])
def test_5_what_broke_off_is_asked_again_and_never_kept(fault, scored):
    with FaultServer(lambda body, number: fault if "about 3." in str(body) else None) as server:
        done, scores, errors = scored(server, "--attempts", "2")
        assert [n for n, text in enumerate(errors) if text] == [3] and "2 attempts" in errors[3]
        server.behave = lambda body, number: None
        before = len(server.times)
        done, scores, errors = scored(server)
        assert done.returncode == 0 and None not in scores and len(server.times) == before + 1


@pytest.mark.parametrize("fault", ["6-402", "6-moonshot", "6-anthropic", "6-flat", "6-in-200"])
def test_6_an_empty_account_stops_the_run_and_the_same_command_goes_on(fault, scored):
    with FaultServer(lambda body, number: fault if number >= 4 else None) as server:
        done, _, _ = scored(server, "-o", "out.jsonl", rows=100)
        assert done.returncode == 3 and "quota or credit is used up" in done.stderr and not Path("out.jsonl").exists()
        assert len(server.times) <= 4 + 20 and len(server.answered) == 4
        server.behave = lambda body, number: None
        done, _, _ = scored(server, "-o", "out.jsonl", rows=100)
        assert done.returncode == 0 and len(server.answered) == 100 and max(server.answered.values()) == 1


def test_7_a_flagged_input_is_its_rows_error(scored):
    with FaultServer(lambda body, number: "7-flagged" if "about 3." in str(body) else None) as server:
        for _ in range(2):
            done, _, errors = scored(server)
            assert done.returncode == 0 and [n for n, text in enumerate(errors) if text] == [3]
            assert "Your input was flagged" in errors[3]
        assert len(server.times) == ROWS + 1


def test_7_a_403_after_answers_is_a_rows_error_and_many_in_a_row_stop(scored):
    with FaultServer(lambda body, number: "403" if number >= 10 and number % 10 == 0 else None) as server:
        done, scores, errors = scored(server, "--max-in-flight", "4", rows=60)
        assert done.returncode == 0 and 3 <= sum(score is None for score in scores) <= 5
        assert all("(403, x: no)" in text for text in errors if text)
    with FaultServer(lambda body, number: "403" if number >= 10 else None) as server:
        done, _, _ = scored(server, "--max-in-flight", "4", "--cache", "other", rows=200)
        assert done.returncode == 3 and "(403, x: no); check the key" in done.stderr
        assert len(server.times) <= 10 + 20 + 4


@pytest.mark.parametrize("rows", [1, 50])
def test_7_a_403_to_the_first_calls_stops(rows, scored):
    with FaultServer(always("403")) as server:
        done, _, _ = scored(server, rows=rows)
        assert done.returncode == 3 and "(403, x: no); check the key" in done.stderr and len(server.times) <= 3 + 20


def test_9_a_model_without_a_system_message(scored):
    def behave(body, number):
        return "9-no-system" if body["messages"][0]["role"] == "system" else None

    with FaultServer(behave) as server:
        done, scores, _ = scored(server)
        assert done.returncode == 0 and None not in scores
        assert done.stderr.count("takes no system message") == 1 and len(server.times) <= ROWS + 20
        told = server.bodies[-1]["messages"]
        assert [message["role"] for message in told] == ["user"] and told[0]["content"].startswith("You ")
        first = done.stdout
        assert scored(server, "--offline")[0].stdout == first
        before = len(server.times)
        done, scores, _ = scored(server, "--no-system")
        assert done.returncode == 0 and len(server.times) == before + ROWS and "system" not in done.stderr
        assert server.bodies[-1]["messages"][0]["role"] == "user"


def test_9_some_say_so_with_a_500(scored):
    with FaultServer(lambda b, n: "9-no-system-500" if b["messages"][0]["role"] == "system" else None) as server:
        done, scores, _ = scored(server)
        assert done.returncode == 0 and None not in scores and len(server.times) <= ROWS + 20


def test_9_an_empty_role_sends_none(scored, llmhd):
    from llmhd_tools.llm import prompts

    shutil.copytree(Path(prompts.__file__).with_name("templates") / "books", "mine")
    Path("mine/role.txt").write_text("")
    with FaultServer() as server:
        done, _, _ = scored(server, "--templates", "mine")
        assert done.returncode == 0 and [m["role"] for m in server.bodies[0]["messages"]] == ["user"]


@pytest.mark.parametrize("fault", ["10-parameter", "8-details"])
def test_10_a_service_that_refuses_everything_is_left_soon_and_says_why(fault, scored):
    with FaultServer(always(fault)) as server:
        done, _, _ = scored(server, "--param", "max_tokens=8", rows=300)
        assert done.returncode == 3 and len(server.times) <= 20 + 20
        assert ("Unsupported parameter" if fault[0] == "1" else "must be at most 2") in done.stderr


def test_10_rows_at_fault_never_block_a_run(scored):
    """Thirty rows that are always refused: the others are answered, and so it stays when only those thirty are left."""

    def behave(body, number):
        text = str(body)
        return "400" if any(f"about {n}." in text for n in range(30)) else None

    with FaultServer(behave) as server:
        for _ in range(2):
            done, _, errors = scored(server, "--max-in-flight", "1", rows=60)
            assert done.returncode == 0 and sum(text is not None for text in errors) == 30, done.stderr


def test_14_what_older_versions_kept_of_a_broken_reply_is_asked_again(scored):
    import hashlib
    import sqlite3

    with FaultServer() as server:
        assert scored(server)[0].returncode == 0
        db = sqlite3.connect(Path(os.environ["XDG_CACHE_HOME"]) / "llmhd" / "answers.sqlite")
        kept = {"abort": "<s>8</s>", "eos_token": "<s>5</s>", "length": "<s>5</s>"}
        for (key, *row), (finish, text) in zip(
            db.execute("SELECT * FROM answers").fetchall(), kept.items(), strict=False
        ):
            reply = json.loads(row[3]) | {"finish": finish, "text": text}
            del reply["grammar"]  # as it was
            made = (key, *row[:3], json.dumps(reply))
            digest = hashlib.sha256("\0".join(made).encode()).digest()[:16]
            db.execute("INSERT OR REPLACE INTO answers VALUES (?,?,?,?,?,?,?)", (*made, digest, 0.0))
        db.commit()
        before = len(server.times)
        _, scores, errors = scored(server)
        assert len(server.times) == before + 1 and scores.count(None) == 1 and scores.count(5) >= 1
        assert next(filter(None, errors)) == "the answer was cut off at the token limit"


@pytest.mark.parametrize(
    "given",
    ["{}?api-version=2024-10-21", " {}/?api-version=2024-10-21\n", "{}/chat/completions?api-version=2024-10-21"],
)
def test_15_the_query_of_an_address_stays_behind_the_path(given, scored):
    with FaultServer() as server:
        done, scores, _ = scored(given.format(server.url + "/deployments/d"), "--key-header", "api-key", rows=2)
        assert done.returncode == 0 and None not in scores, done.stderr
        line, headers = server.heads[0]
        assert line == "POST /v1/deployments/d/chat/completions?api-version=2024-10-21 HTTP/1.1"
        assert headers["api-key"] == KEY and "authorization" not in headers


def test_15_headers_from_a_file_show_up_nowhere_else(scored, llmhd, monkeypatch):
    Path("headers").write_text("# of our gateway\nX-Team: books\n\nx-gateway-key: sk-hidden-1234\n")
    monkeypatch.delenv("OPENAI_API_KEY")
    with FaultServer(lambda body, number: "401" if number else None) as server:
        done, _, _ = scored(server, "--header-file", "headers", "--max-in-flight", "1", rows=2)
        _, headers = server.heads[0]
        assert headers["x-team"] == "books" and headers["x-gateway-key"] == "sk-hidden-1234"
        assert "authorization" not in headers and done.returncode == 3
    with FaultServer() as server:
        server.routes["/v1/chat"] = lambda line, body: error(400, "x", "not for sk-hidden-1234")
        done, _, errors = scored(server, "--header-file", "headers", rows=2)
    assert "sk-hidden" not in done.stdout + done.stderr and "(key)" in errors[0]
    for bad in ("X-Team books", "X Team: books", "X-Team:", "X-Team: bücher"):
        Path("headers").write_text(f"ok: yes\n{bad}\n", encoding="utf-8")
        done, _, _ = scored("http://127.0.0.1:9/v1", "--header-file", "headers", rows=2)
        assert done.returncode == 1 and "headers:2: is not a header" in done.stderr


def test_15_a_models_words_lose_keys_and_nothing_else():
    headers = {"X-Team": "bookshop", "x-gateway-key": "gw-hidden-99"}
    endpoint = Endpoint("http://h", key="sk-hidden-1234", headers=headers)
    said = "A bookshop with sk-hidden-1234 and gw-hidden-99."
    assert endpoint.redact(said, keys_only=True) == "A bookshop with (key) and (key)."
    assert endpoint.redact(said) == "A (key) with (key) and (key)."


@pytest.mark.parametrize("url", ["http://h/v1?api-key=sk-1", "http://h/v1#x", "http://h h/v1", "http://h:x/v1", "h:80"])
def test_15_an_address_that_is_none_or_holds_a_secret_is_refused(url, scored):
    done, _, _ = scored(url)
    assert done.returncode == 2 and "--base-url" in done.stderr and "sk-1" not in done.stderr


def test_16_fewer_probabilities(scored):
    few = lambda body, number: "16-logprobs" if body.get("top_logprobs", 0) > 5 else None  # noqa: E731
    with FaultServer(few) as server:
        done, scores, _ = scored(server, "--expected-score")
        assert done.returncode == 0 and None not in scores and server.bodies[-1]["top_logprobs"] == 5
        assert done.stderr.count("at most 5 top_logprobs") == 1
        before = len(server.times)
        assert scored(server, "--expected-score", "--offline")[0].stdout == done.stdout
        done, scores, _ = scored(server, "--expected-score", "--param", "top_logprobs=5")
        assert None not in scores and len(server.times) == before + ROWS
    with FaultServer(lambda body, number: "16-logprobs" if "logprobs" in body else None) as server:
        done, scores, _ = scored(server, "--expected-score", "--cache", "other")
        assert done.returncode == 0 and "12 answers came without probabilities" in done.stderr
    assert scored("http://h/v1", "--param", "top_logprobs=5")[0].returncode == 2
    assert scored("http://h/v1", "--expected-score", "--param", "top_logprobs=21")[0].returncode == 2


def test_25_a_wrong_address_is_told_in_the_services_words(scored):
    with FaultServer() as server:
        server.routes["/v1"] = lambda line, body: response({"detail": "Not Found, ask /v2"}, 404)
        done, _, _ = scored(server)
        assert done.returncode == 3 and "(404, Not Found, ask /v2)" in done.stderr
    with FaultServer(always("25-elsewhere")) as server:
        done, _, errors = scored(server, "--attempts", "1")
        assert "Unexpected endpoint or method" in errors[0]


@pytest.mark.parametrize("fault", ["502", "529", "no-choices", "12-full", "5-error"])
def test_24_now_and_then_something_fails(fault, scored):
    with FaultServer(lambda body, number: fault if number in (3, 7, 11) else None) as server:
        done, scores, _ = scored(server, rows=30)
        assert done.returncode == 0 and None not in scores and len(server.times) == 33


@pytest.mark.parametrize("hidden", [(), ("aiohttp",)])
def test_26_a_certificate_of_ones_own(hidden, scored, monkeypatch, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here to make a certificate")
    hide(monkeypatch, tmp_path, *hidden)
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*make.split(), "-keyout", "key.pem", "-out", "cert.pem"], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain("cert.pem", "key.pem")
    with FaultServer(tls=tls) as server:
        done, _, errors = scored(server, "--attempts", "1", rows=1)
        assert done.returncode == 1 and re.search("certificate.verify.failed", errors[0].lower())
        monkeypatch.setenv("SSL_CERT_FILE", "cert.pem")
        assert scored(server, rows=1)[0].returncode == 0


def test_28_a_model_named_with_a_colon(shop, llmhd):
    with FaultServer() as server:
        done = llmhd(*shop(2), "--llm", "openai:qwen2.5:7b", "--base-url", server.url)
        assert done.returncode == 0 and server.bodies[0]["model"] == "qwen2.5:7b"


def hide(monkeypatch, folder: Path, *modules: str) -> None:
    """Let the tool's process find these modules missing."""
    for module in modules:
        (folder / "hidden").mkdir(exist_ok=True)
        (folder / "hidden" / f"{module}.py").write_text("raise ImportError('hidden')")
        monkeypatch.setenv("PYTHONPATH", f"{folder / 'hidden'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


@contextlib.contextmanager
def socks_proxy():
    """A SOCKS 5 proxy on loopback without a password; gives its port and the ports that were asked for."""
    asked: list[int] = []

    async def forward(reader, writer) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def serve(reader, writer) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        kind = (await reader.readexactly(4))[3]
        length = 4 if kind == 1 else (await reader.readexactly(1))[0]
        host = await reader.readexactly(length)
        port = int.from_bytes(await reader.readexactly(2), "big")
        asked.append(port)
        there = await asyncio.open_connection(socket.inet_ntoa(host) if kind == 1 else host.decode(), port)
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await asyncio.gather(forward(reader, there[1]), forward(there[0], writer))

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


class TestProxies:
    """11: what the environment names as proxy is used, or refused with the variable's name; never a crash."""

    @pytest.mark.parametrize("hidden", [(), ("aiohttp",)])
    def test_http_proxies_in_both_spellings_and_not_where_no_proxy_says_so(self, hidden, scored, monkeypatch, tmp_path):
        hide(monkeypatch, tmp_path, *hidden)
        with FaultServer() as proxy, FaultServer() as server:
            host = proxy.url.removesuffix("/v1")
            for value in (host, host.removeprefix("http://")):
                for name in ("HTTP_PROXY", "all_proxy", "ALL_PROXY", "http_proxy"):
                    monkeypatch.setenv(name, value)
                    before = len(proxy.times)
                    done, _, _ = scored(server, "--cache", f"{len(proxy.times)}", rows=1)
                    assert done.returncode == 0 and len(proxy.times) == before + 1 and not server.times, done.stderr
                    assert proxy.heads[-1][0].startswith(f"POST {server.url}/chat/completions")
                    monkeypatch.delenv(name)
            monkeypatch.setenv("ALL_PROXY", host)
            for number, exception in enumerate(("127.0.0.1", "localhost,127.0.0.0/8", f"127.0.0.1:{server.port}", "*")):
                monkeypatch.setenv("NO_PROXY", exception)
                assert scored(server, "--cache", f"no-{number}", rows=1)[0].returncode == 0
                assert len(server.times) == number + 1
            monkeypatch.setenv("NO_PROXY", "127.0.0.1:1,example.org")
            before = len(proxy.times)
            assert scored(server, "--cache", "no", rows=1)[0].returncode == 0 and len(proxy.times) == before + 1

    @pytest.mark.parametrize("value", ["socks5://127.0.0.1:9", "socks://127.0.0.1:9", "SOCKS5H://127.0.0.1:9"])
    def test_a_socks_proxy_needs_its_extra(self, value, scored, llmhd, monkeypatch, tmp_path):
        hide(monkeypatch, tmp_path, "socksio")
        monkeypatch.setenv("ALL_PROXY", value)
        with FaultServer() as server:
            Path("r.jsonl").write_text(json.dumps({"custom_id": "a", "url": "/v1/chat/completions", "body": {}}) + "\n")
            for done in (scored(server)[0], llmhd("batch", "submit", "r.jsonl", "--base-url", server.url)):
                assert done.returncode == 2 and "ALL_PROXY names a SOCKS proxy" in done.stderr, done.stderr
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            assert scored(server)[0].returncode == 0

    def test_a_socks_proxy_is_used(self, scored, llmhd, monkeypatch):
        pytest.importorskip("socksio", reason="socksio is not installed: no SOCKS proxy is tried")
        batch = {"id": "b-1", "object": "batch", "status": "completed"}
        with socks_proxy() as (port, asked), FaultServer() as server:
            server.routes = {"/v1/batches/b-1": lambda *_: response(batch)}
            for value in (f"socks5://127.0.0.1:{port}", f"socks://127.0.0.1:{port}", f"socks5h://127.0.0.1:{port}"):
                monkeypatch.setenv("ALL_PROXY", value)
                before = len(asked)
                done, scores, _ = scored(server, "--cache", value[:7], rows=1)
                assert done.returncode == 0 and None not in scores, done.stderr
                assert llmhd("batch", "status", "b-1", "--base-url", server.url).returncode == 0
                assert asked[before:] == [server.port, server.port]

    @pytest.mark.parametrize("value", ["ftp://h:1", "socks4://h:1", "http://", "http://h:x", "a b", "http://h:99999"])
    def test_what_is_no_proxy_is_told_by_its_name(self, value, scored, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", value)
        done, _, _ = scored("http://127.0.0.1:9/v1")
        assert done.returncode == 2 and "HTTP_PROXY is no proxy" in done.stderr and done.stderr.count("\n") == 1


class TestOneSlot:
    """12: a local server with one slot and a queue is not flooded, and every row is answered."""

    def test_the_wait_for_our_own_calls_costs_no_deadline(self, scored):
        with FaultServer(latency=0.05, slots=1) as server:
            done, scores, _ = scored(server, "--deadline", "1.5", rows=120)
            assert done.returncode == 0 and None not in scores and len(server.times) == 120, done.stderr
            assert server.most > 30  # the last of them waited for longer than the deadline

    def test_connections_that_are_reset_in_a_crowd_lower_it(self, scored):
        with FaultServer(latency=0.02, slots=1, room=2) as server:
            done, scores, _ = scored(server, rows=60)
            assert done.returncode == 0 and None not in scores and len(server.times) < 2 * 60, done.stderr
            assert re.search(r"calls at a time: 20, 10, 5, 2", done.stderr)

    def test_a_queue_that_is_full_lowers_it(self, scored):
        with FaultServer(latency=0.02, slots=1) as server:
            server.behave = lambda body, number: "12-full" if server.open > 1 else None
            done, scores, _ = scored(server, rows=40)
            assert done.returncode == 0 and None not in scores and len(server.times) < 2 * 40, done.stderr

    def test_a_service_that_answers_nothing_is_left_with_advice(self, scored):
        with FaultServer(always("hang")) as server:
            done, _, _ = scored(server, "--deadline", "0.3", rows=100)
            assert (
                done.returncode == 3 and "no whole answer within 0.3 s" in done.stderr and "--deadline" in done.stderr
            )
            assert len(server.times) <= 20 + 10 + 5 + 2 + 1 + 5 + 5

    def test_a_call_that_hangs_alone_is_one_rows_error(self, scored):
        with FaultServer(lambda body, n: "hang" if "about 3." in str(body) else None, latency=0.01) as server:
            done, _, errors = scored(server, "--deadline", "0.3", "--attempts", "1", rows=30)
            assert done.returncode == 0 and [n for n, text in enumerate(errors) if text] == [3]


def test_21_what_is_submitted_is_never_forgotten(llmhd):
    for name in ("a", "b", "c"):
        Path(f"{name}.jsonl").write_text(
            json.dumps({"custom_id": name, "url": "/v1/chat/completions", "body": {}}) + "\n"
        )
    with FaultServer() as server:
        batches = []

        def batch(line: str, body: bytes) -> bytes:
            batches.append(body)
            full = error(400, "token_limit_exceeded", "Enqueued token limit reached")
            made = {"id": f"batch_{len(batches)}", "object": "batch", "status": "validating"}
            return response(made) if len(batches) == 1 else full

        server.routes = {
            "/v1/files": lambda line, body: response({"id": "f-1", "object": "file"}),
            "/v1/batches": batch,
        }
        done = llmhd("batch", "submit", "a.jsonl", "b.jsonl", "c.jsonl", "-o", "ids.jsonl", "--base-url", server.url)
        assert done.returncode == 3 and "Enqueued token limit" in done.stderr
        assert "a.jsonl is batch batch_1" in done.stderr and "submit only b.jsonl, c.jsonl" in done.stderr
        assert [json.loads(line)["id"] for line in Path("ids.jsonl").read_text().splitlines()] == ["batch_1"]
        Path("ids.jsonl").unlink()
        done = llmhd("batch", "submit", "b.jsonl", "-o", "ids.jsonl", "--base-url", server.url)
        assert done.returncode == 3 and not Path("ids.jsonl").exists()


def test_22_an_answer_wins_over_a_failure_of_the_same_question(shop, llmhd):
    words = shop(4, users=2)
    llmhd(*words, "--requests", "r.jsonl", server="http://h/v1")
    requests = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    good = [
        {"custom_id": r["custom_id"], "error": None,
         "response": {"status_code": 200, "body": completion(answer_to(r["body"]))}}
        for r in requests
    ]  # fmt: skip
    expired = {"custom_id": requests[0]["custom_id"], "response": None, "error": {"code": "batch_expired"}}
    flat = {
        "custom_id": requests[1]["custom_id"], "error": None,
        "response": {"status_code": 400, "body": {"object": "error", "message": "too hot", "code": 400}},
    }  # fmt: skip
    never = {"custom_id": requests[3]["custom_id"], "error": None, "response": {"status_code": 0, "body": {}}}
    for name, lines in {"a1": [expired, good[1], never], "a2": [flat, good[0], good[2], never]}.items():
        Path(f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for order in (("a1.jsonl", "a2.jsonl"), ("a2.jsonl", "a1.jsonl")):
        given = [word for name in order for word in ("--responses", name)]
        done = llmhd(*words, *given, "--cache", order[0] + ".sqlite", server="http://h/v1")
        assert done.returncode == 0, done.stderr
        rows = sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda row: row["row"])
        assert sum("score" in row for row in rows) == 3
        assert [row["error"] for row in rows if "error" in row] == ["the batch answers: status 0 (no reason given)"]
    Path("a3.jsonl").write_text(json.dumps(flat) + "\n")
    done = llmhd(*words, "--responses", "a3.jsonl", "--cache", "new", server="http://h/v1")
    assert "status 400 (too hot)" in done.stdout


def test_23_a_batch_of_errors_alone_is_fetched(llmhd):
    status = {"id": "b-1", "object": "batch", "status": "in_progress", "output_file_id": None, "error_file_id": None}
    line = json.dumps({"custom_id": "a", "response": None, "error": {"code": "batch_expired"}})
    with FaultServer() as server:
        server.routes = {
            "/v1/files/e-1/content": lambda *_: response(line.encode(), kind="application/octet-stream"),
            "/v1/batches/b-1": lambda *_: response(status),
        }
        assert llmhd("batch", "fetch", "b-1", "--base-url", server.url, "-o", "a.jsonl").returncode == 1
        status.update(status="completed", error_file_id="e-1")
        assert llmhd("batch", "fetch", "b-1", "--base-url", server.url, "-o", "a.jsonl").returncode == 0
    assert Path("a.jsonl").read_text() == line + "\n"

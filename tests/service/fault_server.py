"""A server of chat completions and embeddings on loopback that answers well, or badly in every way that servers do.

In a test it runs in a thread: ``with FaultServer() as server``; for the benchmark as a process of its own:
``python tests/service/fault_server.py [LATENCY]`` prints its address. Answers depend on the messages or texts alone.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

Body = dict[str, Any]
Fault = Callable[["Connection", Body], bytes | None]


def answer_to(body: Body) -> str:
    """A legal answer by the form that the prompt asks for."""
    text = body["messages"][-1]["content"]
    digest = hashlib.sha256(json.dumps(body["messages"]).encode()).digest()
    if "<summarization>" in text:
        return f"<summarization>Reads about {digest.hex()[:8]} above all.</summarization>"
    if "<relevance>" in text:
        return f"<relevance>{('High', 'Mid', 'Low')[digest[0] % 3]}</relevance>"
    if "<profile>" in text:
        return f"<profile>Reads about {digest.hex()[:8]} now.</profile>"
    return f"<s>{1 + digest[0] % 10}</s>"


def completion(content: Any, finish: str = "stop", **more: Any) -> Body:
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish, **more}
    return {
        "id": "c-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage
    }  # fmt: skip


WIDTH = 4


def vector_of(text: str) -> list[float]:
    """A vector that depends on the text alone."""
    return [byte / 256 for byte in hashlib.sha256(text.encode()).digest()[:WIDTH]]


def embeddings(body: Body, vector: Callable[[str], Any] = vector_of) -> Body:
    """The vectors of a request's texts, in no special order, as the protocol allows."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    data = [{"object": "embedding", "index": n, "embedding": vector(text)} for n, text in enumerate(texts)]
    usage = {"prompt_tokens": 10 * len(texts), "total_tokens": 10 * len(texts)}
    return {"object": "list", "model": body["model"], "data": data[::-1], "usage": usage}


def response(value: Any, status: int = 200, *headers: str, kind: str = "application/json") -> bytes:
    """An HTTP response; a value that is not bytes is sent as JSON."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def error(status: int, code: str = "x", message: str = "no", *headers: str) -> bytes:
    return response({"error": {"code": code, "message": message, "type": code}}, status, *headers)


def _drip(connection: Connection, _body: Body) -> None:
    connection.send(response(completion("<s>8</s>"))[:60])

    async def drip() -> None:
        for byte in response(completion("<s>8</s>"))[60:]:
            await asyncio.sleep(0.2)
            connection.send(bytes([byte]))

    connection.keep(drip())


def _reset(connection: Connection, _body: Body) -> None:
    connection.transport.abort()


def _close(connection: Connection, _body: Body) -> None:
    connection.transport.close()


def _short(connection: Connection, _body: Body) -> None:
    connection.send(response(completion("<s>8</s>"))[:-20])
    connection.transport.close()


def _garbage(connection: Connection, _body: Body) -> None:
    connection.send(b"\x00\xff not http at all\r\n\r\n")
    connection.transport.close()


_BOMB = gzip.compress(b" " * (64 << 20))

FAULTS: dict[str, Fault] = {
    "cut-json": lambda c, b: response(json.dumps(completion("<s>8</s>")).encode()[:-9]),
    "empty": lambda c, b: response(b""),
    "bad-utf8": lambda c, b: response(b'{"id": "\xff"}'),
    "html": lambda c, b: response(b"<html>a proxy says hello</html>", kind="text/html"),
    "list": lambda c, b: response([1, 2]),
    "empty-object": lambda c, b: response({}),
    "null-choices": lambda c, b: response({"choices": None}),
    "error-200": lambda c, b: response({"error": {"message": "overloaded"}}),
    "no-choices": lambda c, b: response({"choices": []}),
    "null-content": lambda c, b: response(completion(None)),
    "int-content": lambda c, b: response(completion(8)),
    "deep": lambda c, b: response(b"[" * 200_000),
    "short-body": _short,
    "reset": _reset,
    "close": _close,
    "garbage": _garbage,
    "quota": lambda c, b: error(429, "insufficient_quota", "You exceeded your current quota"),
    "429": lambda c, b: error(429, "rate_limit_exceeded", "slow down", "Retry-After: 1"),
    "429-negative": lambda c, b: error(429, "rate_limit_exceeded", "slow down", "Retry-After: -5"),
    "429-nan": lambda c, b: error(429, "rate_limit_exceeded", "slow down", "Retry-After: NaN"),
    "429-long": lambda c, b: error(429, "rate_limit_exceeded", "slow down", "Retry-After: 300"),
    "429-date": lambda c, b: error(
        429, "rate_limit_exceeded", "slow down", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT"
    ),
    "429-bare": lambda c, b: error(429, "rate_limit_exceeded", "slow down"),
    "500": lambda c, b: error(500),
    "502": lambda c, b: response(b"<html>bad gateway</html>", 502, kind="text/html"),
    "503": lambda c, b: error(503),
    "529": lambda c, b: error(529),
    "400": lambda c, b: error(400, "context_length_exceeded", "too long"),
    "413": lambda c, b: error(413),
    "422": lambda c, b: error(422),
    "401": lambda c, b: error(401, "invalid_api_key", f"Incorrect API key: {c.key}"),
    "403": lambda c, b: error(403),
    "404": lambda c, b: error(404, "model_not_found", "no such model"),
    "hang": lambda c, b: None,
    "drip": _drip,
    "bomb": lambda c, b: response(_BOMB, 200, "Content-Encoding: gzip"),
    "huge": lambda c, b: response(b" " * (20 << 20)),
    "302": lambda c, b: error(302, "x", "x", f"Location: {c.server.elsewhere}/v1/chat/completions"),
    "307": lambda c, b: error(307, "x", "x", f"Location: {c.server.elsewhere}/v1/chat/completions"),
    "length": lambda c, b: response(completion("<s>8</s>", "length")),
    "filtered": lambda c, b: response(completion("<s>8</s>", "content_filter")),
    "refusal": lambda c, b: response(
        {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "refusal": "I will not"}}]}
    ),
    "chatty": lambda c, b: response(completion("Let me think about it. It could be an 8/10.")),
}
VECTOR_FAULTS: dict[str, Fault] = {
    "too-few": lambda c, b: response(embeddings(b) | {"data": embeddings(b)["data"][1:]}),
    "too-many": lambda c, b: response(
        embeddings(b) | {"data": [*embeddings(b)["data"], {"index": 99, "embedding": []}]}
    ),
    "twice": lambda c, b: response(embeddings(b) | {"data": embeddings(b)["data"][1:] * 2}),
    "nan": lambda c, b: response(embeddings(b, lambda text: [float("nan")] * WIDTH)),
    "huge-number": lambda c, b: response(embeddings(b, lambda text: [1e300] * WIDTH)),
    "null": lambda c, b: response(embeddings(b, lambda text: [None] * WIDTH)),
    "words": lambda c, b: response(embeddings(b, lambda text: ["1"] * WIDTH)),
    "booleans": lambda c, b: response(embeddings(b, lambda text: [True] * WIDTH)),
    "no-numbers": lambda c, b: response(embeddings(b, lambda text: [])),
    "ragged": lambda c, b: response(embeddings(b, lambda text: [1.0] * (1 + ("0" in text)))),
    "nested": lambda c, b: response(embeddings(b, lambda text: [[1.0]])),
    "one-number": lambda c, b: response(embeddings(b, lambda text: 1.0)),
    "completion": lambda c, b: response(completion("<s>8</s>")),
}
WIDER: dict[str, Fault] = {"wider": lambda c, b: response(embeddings(b, lambda text: [1.0] * (WIDTH + 1)))}


class FaultServer:
    """``behave(body, number)`` names the fault for a request, or None for a good answer; ``number`` counts from 0."""

    def __init__(self, behave: Callable[[Body, int], str | None] | None = None, latency: float = 0.0) -> None:
        self.behave, self.latency = behave or (lambda body, number: None), latency
        self.elsewhere = ""
        self.bodies: list[Body] = []
        self.keep_bodies = True
        self.times: list[float] = []
        self.answered: Counter[str] = Counter()  # messages, or text -> whole good answers sent
        self.open = self.most = 0  # requests being worked on
        self.routes: dict[str, Callable[[str, bytes], bytes]] = {}

    def __enter__(self) -> FaultServer:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), daemon=True)
        self._thread.start()
        started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def _serve(self, started: threading.Event | None = None) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(lambda: Connection(self), "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        if started:
            started.set()
        else:
            print(self.url, flush=True)
        await self._stop.wait()
        server.close()


class Connection(asyncio.Protocol):
    """One connection: requests in turn, with keep-alive."""

    def __init__(self, server: FaultServer) -> None:
        self.server, self.buffer, self.key = server, b"", ""
        self.tasks: set[Any] = set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, _why: Exception | None) -> None:
        for task in self.tasks:
            task.cancel()

    def send(self, data: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(data)

    def keep(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            length = int(fields.get(b"content-length", 0))
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            self.key = fields.get(b"authorization", b"").decode()
            self._request(head.split(b"\r\n")[0].decode(), rest[:length])

    def _request(self, line: str, body: bytes) -> None:
        server = self.server
        for path, route in server.routes.items():
            if f" {path}" in line:
                self.send(route(line, body))
                return
        request: Body = json.loads(body)
        number = len(server.times)
        server.times.append(asyncio.get_running_loop().time())
        if server.keep_bodies:
            server.bodies.append(request)
        server.open += 1
        server.most = max(server.most, server.open)
        if server.latency:
            delay = server.latency * random.Random(number).uniform(0.5, 1.5)
            asyncio.get_running_loop().call_later(delay, self._respond, request, number)
        else:
            self._respond(request, number)

    def _respond(self, request: Body, number: int) -> None:
        self.server.open -= 1
        fault = self.server.behave(request, number)
        if fault is not None:
            data = (FAULTS | VECTOR_FAULTS | WIDER)[fault](self, request)
            if data is not None:
                self.send(data)
        elif "input" in request and not self.transport.is_closing():
            self.server.answered.update([request["input"]] if isinstance(request["input"], str) else request["input"])
            self.send(response(embeddings(request)))
        elif not self.transport.is_closing():
            self.server.answered[json.dumps(request["messages"])] += 1
            self.send(response(completion(answer_to(request))))


if __name__ == "__main__":
    fast = FaultServer(latency=float(sys.argv[1]) if len(sys.argv) > 1 else 0.0)
    fast.keep_bodies = False
    asyncio.run(fast._serve())

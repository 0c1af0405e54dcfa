"""A server of chat completions and embeddings on loopback that answers well, or badly in every way that servers do.

In a test it runs in a thread: ``with FaultServer() as server``; for the benchmark as a process of its own:
``python tests/service/fault_server.py [LATENCY]`` prints its address. Answers depend on the messages or texts alone.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import math
import random
import re
import ssl
import sys
import threading
from collections import Counter, deque
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
    if "<scores>" in text:  # half points, of each item's line alone
        lines = [line for line in text.splitlines()[text.splitlines().index("") :] if re.match(r"\d+\. ", line)]
        last = max(n for n, line in enumerate(lines) if line.startswith("1. "))
        score = lambda line: 1 + hashlib.sha256(line.partition(". ")[2].encode()).digest()[0] % 19 / 2  # noqa: E731
        return "<scores>\n" + "".join(f"{n}: {score(s):g}\n" for n, s in enumerate(lines[last:], 1)) + "</scores>"
    return f"<s>{1 + digest[0] % 10}</s>"


def completion(content: Any, finish: str | None = "stop", message: Body | None = None, **more: Any) -> Body:
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
    said = {"role": "assistant", "content": content, **(message or {})}
    choice = {"index": 0, "message": said, "finish_reason": finish, **more}
    return {
        "id": "c-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage
    }  # fmt: skip


def logprobs(*tokens: str | tuple[str, dict[str, float]]) -> Body:
    """The logprobs of a reply: tokens that were sure, or each with the chances of all that could have stood there."""
    content = []
    for token, chances in ((t, {t: 1.0}) if isinstance(t, str) else t for t in tokens):
        top = [{"token": other, "logprob": math.log(chance)} for other, chance in chances.items()]
        content.append({"token": token, "logprob": math.log(chances[token]), "top_logprobs": top})
    return {"content": content}


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
    # the real-world cases, by their numbers in the issue on them
    "1-eos": lambda c, b: response(completion("<s>8</s>", "eos_token")),
    "1-upper": lambda c, b: response(completion("<s>8</s>", "STOP")),
    "2-think": lambda c, b: response(completion("<think>A reply looks like <s>3</s>. So ...</think>\n\n9")),
    "4-late-number": lambda c, b: response(
        completion("<s>3</s> (of 10)", logprobs=logprobs("<s>", "3", "</s>", " (", "of ", "10", ")"))
    ),
    "4-no-form": lambda c, b: response(
        completion("I say 7 of 10.", logprobs=logprobs("I say ", "7", " of ", "10", "."))
    ),
    "5-error": lambda c, b: response(completion("", "error", error={"code": 502, "message": "upstream failed"})),
    "5-abort": lambda c, b: response(completion("<s>8</s>", "abort")),
    "5-broken-choice": lambda c, b: response(completion("<s>8</s>", "stop", error={"code": 500, "message": "oh"})),
    "6-402": lambda c, b: response(
        {"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}}, 402
    ),
    "6-moonshot": lambda c, b: error(429, "exceeded_current_quota_error", "suspended, please check your plan"),
    "6-anthropic": lambda c, b: error(
        400, "invalid_request_error", "Your credit balance is too low to access the API."
    ),
    "6-flat": lambda c, b: response({"code": "Arrearage", "message": "Access denied: good standing."}, 403),
    "6-in-200": lambda c, b: response({"error": {"code": 402, "message": "requires more credits"}}),
    "7-flagged": lambda c, b: response(
        {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["violence"]}}}, 403
    ),
    "8-flat": lambda c, b: response(
        {"object": "error", "message": "context too long", "type": "BadRequestError", "code": 400}, 400
    ),
    "8-detail": lambda c, b: response({"detail": "prompt is too long"}, 422),
    "8-details": lambda c, b: response({"detail": [{"loc": ["body", "temperature"], "msg": "must be at most 2"}]}, 422),
    "8-text": lambda c, b: response(b"no such thing: <b>top_p</b>", 400, kind="text/plain"),
    "9-no-system": lambda c, b: response({"object": "error", "message": "System role not supported", "code": 400}, 400),
    "9-no-system-500": lambda c, b: error(500, "server_error", "Jinja Exception: Conversation roles must alternate"),
    "10-parameter": lambda c, b: error(400, "unsupported_parameter", "Unsupported parameter: 'max_tokens'"),
    "12-full": lambda c, b: error(503, "busy", "maximum pending requests exceeded"),
    "14-reasoning": lambda c, b: response(completion(None, message={"reasoning_content": "So <s>9</s>."})),
    "14-reasoning-parts": lambda c, b: response(completion([{"type": "thinking", "thinking": "So <s>9</s>."}])),
    "14-parts": lambda c, b: response(
        completion([{"type": "thinking", "thinking": "So <s>9</s>."}, {"type": "text", "text": "<s>8</s>"}])
    ),
    "14-tool": lambda c, b: response(
        completion(None, "tool_calls", message={"tool_calls": [{"id": "x", "function": {"name": "f"}}]})
    ),
    "16-logprobs": lambda c, b: error(400, "invalid_request_error", "top_logprobs must be between 0 and 5"),
    "25-stream": lambda c, b: response(b'data: {"choices": []}\n\ndata: [DONE]\n\n', kind="text/event-stream"),
    "25-gzip": lambda c, b: response(gzip.compress(b"{}"), 200, "Content-Encoding: gzip"),
    "25-elsewhere": lambda c, b: response({"error": "Unexpected endpoint or method. (POST /chat/completions)"}),
    "28-bare": lambda c, b: response(completion("<s>8</s>", None) | {"usage": None}),
    "28-fractions": lambda c, b: response(
        completion("<s>8</s>") | {"usage": {"prompt_tokens": 1.5, "completion_tokens": None}}
    ),
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
    "18-too-long": lambda c, b: error(500, "server_error", "input is too large to process"),
    "19-refused": lambda c, b: response({"error": "no such thing as this text"}, 422),
    "20-too-many": lambda c, b: error(413, "x", "batch size 64 > maximum allowed batch size 10"),
    "same-index": lambda c, b: response(
        embeddings(b) | {"data": [{"index": 0, "embedding": vector_of(t)} for t in b["input"]]}
    ),
}
VECTOR_SHAPES: dict[str, Fault] = {  # other ways to send good vectors
    "no-index": lambda c, b: response(
        embeddings(b) | {"data": [{"embedding": vector_of(text)} for text in b["input"]]}
    ),
    "null-index": lambda c, b: response(
        embeddings(b) | {"data": [{"index": None, "embedding": vector_of(text)} for text in b["input"]]}
    ),
}
WIDER: dict[str, Fault] = {"wider": lambda c, b: response(embeddings(b, lambda text: [1.0] * (WIDTH + 1)))}


class FaultServer:
    """``behave(body, number)`` names the fault for a request, or None for a good answer; ``number`` counts from 0.

    With ``slots`` it works on so many requests at a time, ``latency`` seconds each, in the order in which they came, whether
    their clients still wait or not; where more than ``room`` are open it resets the connection.
    """

    def __init__(
        self,
        behave: Callable[[Body, int], str | None] | None = None,
        latency: float = 0.0,
        slots: int | None = None,
        room: int = 1 << 30,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.behave, self.latency = behave or (lambda body, number: None), latency
        self.slots, self.room, self.working, self.tls = slots, room, 0, tls
        self.queue: deque[tuple[Connection, Body, int]] = deque()
        self.heads: list[tuple[str, dict[str, str]]] = []  # request lines and headers
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
        return f"http{'s' * bool(self.tls)}://127.0.0.1:{self.port}/v1"

    def serve(self) -> None:
        """Put waiting requests into free slots."""
        while self.queue and self.working < (self.slots or 0):
            self.working += 1
            asyncio.get_running_loop().call_later(self.latency, self._served, *self.queue.popleft())

    def _served(self, connection: Connection, request: Body, number: int) -> None:
        self.working -= 1
        connection.respond(request, number)
        self.serve()

    async def _serve(self, started: threading.Event | None = None) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(lambda: Connection(self), "127.0.0.1", 0, backlog=512, ssl=self.tls)
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
            lines = [line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")]
            fields = {line[0].lower(): line[1] for line in lines[1:] if len(line) == 2}
            length = int(fields.get("content-length", 0))
            if len(rest) < length:
                return
            self.buffer = rest[length:]
            self.key = fields.get("authorization", "")
            if self.server.keep_bodies:
                self.server.heads.append((lines[0][0], fields))
            self._request(lines[0][0], rest[:length])

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
        if server.open > server.room:
            server.open -= 1
            self.transport.abort()
        elif server.slots:
            server.queue.append((self, request, number))
            server.serve()
        elif server.latency:
            delay = server.latency * random.Random(number).uniform(0.5, 1.5)
            asyncio.get_running_loop().call_later(delay, self.respond, request, number)
        else:
            self.respond(request, number)

    def respond(self, request: Body, number: int) -> None:
        """Answer, well or badly."""
        self.server.open -= 1
        fault = self.server.behave(request, number)
        if fault is not None:
            data = (FAULTS | VECTOR_FAULTS | VECTOR_SHAPES | WIDER)[fault](self, request)
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

"""Batch lines of OpenAI's form: requests out, answers in, joined by ``custom_id``, which is the call's key.

The OpenAI batch service and ``vllm run-batch`` both take these files. A service answers in any order, leaves lines out,
and tells a failure in one of two shapes: ``error`` with ``response`` null, or ``error`` null and the error in the body
of a response whose status is not 200.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from llmhd_tools.errors import InputError, ServiceError
from llmhd_tools.llm.cache import Cache
from llmhd_tools.llm.calls import Call, Failed, Reply, Retry
from llmhd_tools.llm.requests import Answer
from llmhd_tools.llm.service.asking import Asks
from llmhd_tools.llm.usage import Usage

MOST_LINES, MOST_BYTES = 50_000, 200_000_000
_WRITTEN = Answer(error="written as a request, not asked")


class Requests:
    """A Provider that writes each call not in the cache as a batch line, once, and answers nothing.

    ``open_file`` opens a file that appears whole or not at all. A full one is followed by ``NAME-2.jsonl`` and so on;
    stdout (``-``) is never split.
    """

    notice = None

    def __init__(
        self,
        asker: Asks,
        cache: Cache,
        path: str,
        open_file: Callable[[str], AbstractContextManager[IO[bytes]]],
        *,
        lines: int = MOST_LINES,
        size: int = MOST_BYTES,
    ) -> None:
        self.name = f"openai:{asker.model}"
        self.asker, self._cache, self._path = asker, cache, path
        self._open_file, self._lines, self._size = open_file, lines, size
        self._seen: set[bytes] = set()
        self._open = contextlib.ExitStack()
        self._out: IO[bytes] | None = None
        self._room = (0, 0)
        self.files: list[str] = []
        self.written = self.cached = 0

    def answer(self, requests: Iterable[Any]) -> Iterator[Answer]:
        """Write each request that needs asking."""
        for request in requests:
            asked = self.asker.question(request)
            if isinstance(asked, Answer):
                yield asked
                continue
            key = bytes.fromhex(asked.call.key)
            if key not in self._seen:
                self._seen.add(key)
                reply = self._cache.get(asked.call.key)
                settled = asked.settle(asked.call, reply) if reply else asked.call
                if isinstance(settled, Answer):
                    self.cached += 1
                    yield settled  # so that prompts which depend on this answer come out right
                    continue
                self._write(asked.call if not reply else settled)
            yield _WRITTEN

    def _write(self, call: Call) -> None:
        line = {"custom_id": call.key, "method": "POST", "url": f"/v1{call.path}", "body": call.body}
        data = json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if self._out is None or (self._path != "-" and (self._room[0] < 1 or self._room[1] < len(data))):
            self._next_file()
        assert self._out is not None
        self._out.write(data)
        self._room = self._room[0] - 1, self._room[1] - len(data)
        self.written += 1

    def _next_file(self) -> None:
        self._open.close()
        path = Path(self._path)
        number = len(self.files) + 1
        name = self._path if number == 1 else str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
        self._out = self._open.enter_context(self._open_file(name))
        self._room = self._lines, self._size
        self.files.append(name)

    def finish(self) -> None:
        """Put the last file at its final name."""
        if self._out is None:
            self._next_file()
        self._open.close()

    def abandon(self, error: BaseException) -> None:
        """Leave the last file unwritten."""
        self._open.__exit__(type(error), error, error.__traceback__)

    def close(self) -> None:
        """Close the cache."""
        self._cache.close()


class Responses:
    """A Provider that answers from the cache and from files of batch answers, which go into the cache as they are used."""

    notice = None

    def __init__(self, asker: Asks, cache: Cache, lines: Iterable[tuple[str, int, Mapping[str, Any]]]) -> None:
        """``lines``: file, line number and record of every line of the files."""
        self.name = f"openai:{asker.model}"
        self.asker, self.usage, self._cache = asker, Usage(), cache
        asker.ask_again = False
        self._lines: dict[str, Reply | str] = {}
        self._where: dict[str, str] = {}
        self._used: set[str] = set()
        for path, number, record in lines:
            key = record.get("custom_id")
            if not isinstance(key, str) or not key:
                raise InputError("has no 'custom_id'; is it a file of batch answers?", where=path, line=number)
            if key in self._lines:
                raise InputError(
                    f"answers {key[:12]}… a second time, after {self._where[key]}", where=path, line=number
                )
            self._lines[key] = read_line(record, asker.read)
            self._where[key] = f"{path}:{number}"

    def answer(self, requests: Iterable[Any]) -> Iterator[Answer]:
        """The answers of the files, or what the batch did instead."""
        for request in requests:
            asked = self.asker.question(request)
            yield asked if isinstance(asked, Answer) else self._settled(asked)

    def _settled(self, asked: Any) -> Answer:
        call: Call = asked.call
        found = self._lines.get(call.key)
        if isinstance(found, Reply) and call.key not in self._used:
            self.usage.sent(call, found)
            self._cache.put(call, found, self.asker.host)
        self._used.add(call.key)
        known = found if isinstance(found, Reply) else self._cache.get(call.key)
        while known is not None:
            settled = asked.settle(call, known)
            if isinstance(settled, Answer):
                return settled
            call = settled
            known = self._cache.get(call.key)
        self.usage.failed(call)
        return Answer(error=f"the batch answers: {found}" if found else "the batch holds no answer to this request")

    def finish(self) -> None:
        """Commit; raises InputError where a file answers what nobody asked."""
        self._cache.commit()
        foreign = [key for key in self._lines if key not in self._used]
        if foreign:
            what = f"answers {foreign[0][:12]}…, which this command does not ask ({len(foreign):,} such lines)"
            raise InputError(f"{what}; was it made for other inputs or options?", where=self._where[foreign[0]])

    def close(self) -> None:
        """Close the cache."""
        self._cache.close()


def read_line(record: Mapping[str, Any], read: Callable[[Any], Reply]) -> Reply | str:
    """The reply in a batch answer's line, whose body ``read`` reads, or what went wrong."""
    response = record.get("response")
    error = record.get("error")
    if error:
        return _told(error)
    if not isinstance(response, dict):
        return "neither a response nor an error"
    body = response.get("body")
    if response.get("status_code", 200) != 200:
        inner = body.get("error") if isinstance(body, dict) else None
        return f"status {response.get('status_code')} ({_told(inner)})"
    try:
        return read(body)
    except (Retry, Failed, ServiceError) as fault:
        return str(fault)


def _told(error: Any) -> str:
    if isinstance(error, dict):
        return ": ".join(str(error[name])[:200] for name in ("code", "message") if error.get(name)) or "no reason given"
    return str(error)[:200] if error else "no reason given"

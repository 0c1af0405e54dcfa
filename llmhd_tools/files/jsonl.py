"""JSON Lines in and out: one object a line, strict on the way in, the same bytes for the same records on the way out."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jsonlines

from llmhd_tools.errors import InputError
from llmhd_tools.files.streams import STDIO, lines, open_in, open_out, suffix_of

Record = dict[str, Any]
# what a file of another form begins with -> what it is, and what to do
_OTHER_FORMS = {
    b"\x1f\x8b": "is compressed by gzip; name it .gz, or unpack it",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd; name it .zst, or unpack it",
    b"PK\x03\x04": "is a zip archive; if it is an NPZ, name it .npz",
    b"PAR1": "is Parquet; `llmhd import parquet` reads it",
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
}


def _object(pairs: list[tuple[str, Any]]) -> Record:
    record = dict(pairs)
    if len(record) != len(pairs):
        raise ValueError("a key stands twice")
    return record


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is beyond what a number holds")
    return value


# jsonlines takes orjson or ujson where they happen to be installed, and those read numbers differently: say which.
_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)

# A callback for each number is slow: only a text in which one may be infinite is read with it.
_careful = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite)
_MAY_BE_ENDLESS = re.compile(r"[0-9][eE]\+?[0-9]{2}|[0-9]{300}")


def _loads(text: str | bytes) -> Any:
    text = text if isinstance(text, str) else text.decode()
    return (_careful if _MAY_BE_ENDLESS.search(text) else _decoder).decode(text)


_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def read_records(path: str, bad: Callable[[InputError], None] | None = None) -> Iterator[tuple[int, Record]]:
    """Line numbers (from 1) and records of a JSONL file, one at a time, in constant memory.

    Raises InputError with file and line for what is not one JSON object of valid UTF-8 on a line of its own; with ``bad``
    that gets the error, and reading goes on.
    """
    number = 0

    def texts() -> Iterator[str]:
        nonlocal number
        for number, line in lines(path, stream):
            if number == 1:
                _check_form(path, line)
            try:
                text = _text(path, number, line)
            except InputError as error:
                if bad is None:
                    raise
                bad(error)
                continue
            yield text

    with open_in(path) as stream:
        reader = jsonlines.Reader(texts(), loads=_loads)
        while True:
            try:
                record = reader.read()
                if type(record) is not dict:
                    raise InputError('is not a JSON object such as {"user": …}', where=path, line=number)
            except EOFError:
                return
            except (jsonlines.InvalidLineError, RecursionError, InputError) as error:
                told = error if isinstance(error, InputError) else _told(path, number, error)
                if bad is None:
                    raise told from None
                bad(told)
                continue
            yield number, record


def _told(path: str, number: int, error: Exception) -> InputError:
    if isinstance(error, RecursionError):
        return InputError("is nested too deeply", where=path, line=number)
    if suffix_of(path) in (".csv", ".tsv"):
        return InputError("is not JSONL; `llmhd import` reads it", where=path, line=number)
    reason = str(error.__cause__ or error).split(": line 1")[0]
    return InputError(f"is not a JSON record ({reason})", where=path, line=number)


def read_all(path: str) -> tuple[list[int], list[Record]]:
    """All line numbers (from 1) and records of a JSONL file; as ``read_records``, in memory."""
    lines: list[int] = []
    records: list[Record] = []
    for number, record in read_records(path):
        lines.append(number)
        records.append(record)
    return lines, records


def _check_form(path: str, line: bytes) -> None:
    """Raise InputError where the first line shows a file of another form."""
    for start, told in _OTHER_FORMS.items():
        if line.startswith(start):
            raise InputError(told, where=path)


def _text(path: str, number: int, line: bytes) -> str:
    try:
        text = line.decode()
        if b"\\u" in line and (b"\\ud" in line or b"\\uD" in line):
            _dumps(json.loads(text)).encode()  # a lone surrogate parses but can never be written again
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 (byte {error.start + 1})", where=path, line=number) from None
    except UnicodeEncodeError:
        raise InputError("holds half of a surrogate pair", where=path, line=number) from None
    except (ValueError, RecursionError):
        pass  # the reader says what is wrong
    return text


def write_records(path: str, records: Iterable[Record]) -> None:
    """Write records as JSONL; a file appears whole or not at all, ``-`` streams to stdout."""
    with record_writer(path) as write:
        for record in records:
            write(record)


@contextlib.contextmanager
def record_writer(path: str) -> Iterator[Callable[[Record], None]]:
    """As ``write_records``, for records that come up while other work is done: yields what writes one."""
    with open_out(path) as out:

        def write(record: Record) -> None:
            try:
                line = _dumps(record).encode()
            except (ValueError, RecursionError) as error:
                where = "stdout" if path == STDIO else path
                raise InputError(f"cannot be written as JSON: {error}", where=where) from None
            out.write(line)
            out.write(b"\n")

        yield write

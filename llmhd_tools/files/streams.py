"""Bytes in and out: ``-``, ``.gz``, ``.zst``, and files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast

from llmhd_tools.errors import InputError
from llmhd_tools.files.zstd import WideWindow, Zstd

STDIO = "-"
_PART = ".part"  # the end of a name while the file is being written
TABLES = (".jsonl", ".json", ".ndjson", ".npz")  # the suffixes of what we write: the first three are JSON Lines
_UNFINISHED: set[str] = set()  # the parts that this process is writing
MAX_LINE = 64 << 20  # bytes; a longer line is refused before it fills the memory


def suffix_of(path: str) -> str:
    """The suffix that tells the format, below any compression: ``.npz`` for ``a.npz``, ``.jsonl`` for ``a.jsonl.gz``."""
    name = Path(path).name
    for packed in (".gz", ".zst"):
        name = name.removesuffix(packed)
    return Path(name).suffix


def packed(path: str) -> bool:
    """Whether the suffix says that the bytes are compressed."""
    return path.endswith((".gz", ".zst"))


@contextlib.contextmanager
def open_in(path: str) -> Iterator[IO[bytes]]:
    """Open a file, or stdin for ``-``, for reading bytes; ``.gz`` and ``.zst`` are unpacked on the way."""
    if path == STDIO:
        if sys.stdin is None or sys.stdin.closed:
            raise InputError("is closed", where=STDIO)
        if sys.stdin.isatty():
            print("llmhd: waiting for records on standard input (end with Ctrl-D)", file=sys.stderr)  # noqa: T201
        yield sys.stdin.buffer
        return
    try:
        raw: IO[bytes] = open(path, "rb")  # noqa: SIM115 - closed by the with below
    except OSError as error:
        raise InputError(_reason(error), where=path) from None
    with raw, _damage_told(path):
        yield _unpack(path, raw)


@contextlib.contextmanager
def _damage_told(path: str) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(f"the compressed data is damaged or cut off ({error})", where=path) from None
    except WideWindow:
        way_out = f"unpack it first: zstd -d --long=31 {Path(path).name}"
        raise InputError(f"is packed with a window of more than 128 MiB (zstd --long); {way_out}", where=path) from None


def _unpack(path: str, raw: IO[bytes]) -> IO[bytes]:
    if path.endswith(".gz"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw, mode="rb"))
    if path.endswith(".zst"):
        return io.BufferedReader(cast(Any, Zstd(raw)))
    return raw


def lines(path: str, stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines of a text file with their numbers from 1; a byte-order mark is dropped, blank lines are skipped.

    Raises InputError for a line over ``MAX_LINE`` bytes, and for bytes that cannot be read or unpacked.
    """
    number = 0
    while line := _read_line(path, stream):
        number += 1
        if len(line) > MAX_LINE:
            raise InputError(f"the line is longer than {MAX_LINE >> 20} MiB", where=path, line=number)
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            yield number, line


def _read_line(path: str, stream: IO[bytes]) -> bytes:
    try:
        with _damage_told(path):  # told here: a reader above would take EOFError for a good end
            return stream.readline(MAX_LINE + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {_reason(error)}", where=path) from None


def check_output(
    path: str | None, inputs: Iterable[str | None] = (), forms: Sequence[str] = TABLES, instead: str = ""
) -> None:
    """Refuse an output that cannot be written, before any work is done.

    Raises InputError where ``path`` is a folder, lies in a folder that is missing or read-only, is one of ``inputs``, to
    which other outputs may be added, or ends in a suffix that says another form than ``forms``; ``instead`` says what to
    do then.
    """
    if path is None or path == STDIO:
        return
    _check_place(path)
    target = Path(path)
    if _is_special(target):
        return
    for other in inputs:
        if other not in (None, STDIO) and _same(target, Path(str(other))):
            raise InputError("is named twice, for input or output; write to another file", where=path)
    suffix = suffix_of(path)
    if re.fullmatch(r"\.[A-Za-z]\w{0,9}", suffix) and suffix not in forms:  # run-0.05 ends in no suffix
        way_out = instead or "name it .jsonl (text; jq, pandas and DuckDB read that) or .npz (binary)"
        raise InputError(f"{suffix} is no form that this is written in; {way_out}", where=path)


def _check_place(path: str) -> None:
    target = Path(path)
    if target.is_dir():
        raise InputError("is a folder; name a file", where=path)
    if not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} does not exist; create it first", where=path)
    if not _is_special(target) and not os.access(target.parent, os.W_OK):
        raise InputError(f"the folder {target.parent} cannot be written to", where=path)


def check_binary(path: str | None) -> None:
    """Refuse a name that says another form for an output that is binary only. Raises InputError."""
    check_output(path, forms=(".npz",), instead="this file has only the binary form; name it .npz")


def _same(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _is_special(target: Path) -> bool:
    """A device or a pipe such as /dev/null or ``>(cmd)``: written in place, never replaced."""
    return target.exists() and not stat.S_ISREG(target.stat().st_mode)


@contextlib.contextmanager
def open_out(path: str) -> Iterator[IO[bytes]]:
    """Open a file, or stdout for ``-``, for writing bytes.

    A file is written beside its final name, synced and renamed, so that a reader finds the old content or the whole
    new one. Left by an exception, it changes nothing.
    """
    if path == STDIO:
        if sys.stdout is None or sys.stdout.closed:
            raise InputError("is closed", where="stdout")
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(f"cannot be written: {_reason(error)}", where="stdout") from None
        return
    _check_place(path)
    target = Path(path)
    try:
        if _is_special(target):
            with open(target, "wb") as device, _pack(path, device) as stream:
                yield stream
            return
        with _replacing(target) as raw, _pack(path, raw) as stream:
            yield stream
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise InputError(f"cannot be written: {_reason(error)}", where=path) from None


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=_PART)
    _UNFINISHED.add(name)
    try:
        with os.fdopen(handle, "w+b") as raw:
            yield raw
            raw.flush()
            os.fchmod(raw.fileno(), 0o666 & ~_umask())  # mkstemp gives 0600, which would hide the result from the team
            os.fsync(raw.fileno())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        _UNFINISHED.discard(name)
        raise
    _UNFINISHED.discard(name)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def drop_unfinished() -> None:
    """Remove what this process began to write and, stopped by a signal at an odd moment, could not remove."""
    while _UNFINISHED:
        with contextlib.suppress(OSError):
            os.unlink(_UNFINISHED.pop())


def remove_unfinished(folder: str) -> None:
    """Remove what a process that was killed while it wrote into ``folder`` left there; nobody may be writing there now."""
    for path in Path(folder).glob(f".*{_PART}"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _pack(path: str, raw: IO[bytes]) -> Iterator[IO[bytes]]:
    if path.endswith(".gz"):
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:  # no clock, no name: same bytes
            yield cast(IO[bytes], packed)
    elif path.endswith(".zst"):
        import zstandard

        with zstandard.ZstdCompressor(write_checksum=True).stream_writer(raw, closefd=False) as writer:
            yield cast(IO[bytes], writer)
    else:
        yield raw


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

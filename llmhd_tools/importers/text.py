"""Text files line by line, with the file and line of whatever is wrong. Shared by the importers."""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import sys
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from llmhd_tools.errors import InputError
from llmhd_tools.importers.source import Interactions

STDIN = Path("-")
MAX_LINE = 16 << 20  # bytes: a longer line is not a record


def shown(text: str, limit: int = 40) -> str:
    """``text`` for an error message: quoted, control characters escaped, cut."""
    return ascii(text if len(text) <= limit else text[:limit] + "…").replace("\\u2026", "…")


def need_file(path: Path) -> Path:
    """``path`` if it is a file; otherwise InputError."""
    if path.is_dir():
        raise InputError("is a folder, must be a file", where=path)
    if not path.exists():
        raise InputError("no such file", where=path)
    return path


def need_folder(path: Path) -> Path:
    """``path`` if it is a folder; otherwise InputError."""
    if not path.exists():
        raise InputError("no such folder", where=path)
    if not path.is_dir():
        raise InputError("is a file, must be the folder that holds the dataset", where=path)
    return path


def _open(path: Path) -> contextlib.AbstractContextManager[IO[bytes]]:
    if path == STDIN:
        if sys.stdin is None or sys.stdin.closed:
            raise InputError("standard input is closed", where=path)
        return contextlib.nullcontext(sys.stdin.buffer)
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if path.suffix == ".zst":
        return io.BufferedReader(_Zst(path), 1 << 16)
    return path.open("rb")


class _Zst(io.RawIOBase):
    """Unpacks zstd frames one after another; zstandard's own reader ends silently after the first one and at a cut."""

    def __init__(self, path: Path) -> None:
        import zstandard

        self._packed = path.open("rb")
        self._new = zstandard.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._error = zstandard.ZstdError
        self._ready = b""

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._packed.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            # Small bites: zstd unpacks at most 32 KiB from a byte, so a bomb cannot fill the memory at once.
            bite = (self._frame.unused_data if self._frame and self._frame.eof else b"") or self._packed.read(1024)
            if not bite:
                if self._frame and not self._frame.eof:
                    raise EOFError("the compressed data is cut short")
                return 0
            if self._frame is None or self._frame.eof:
                self._frame = self._new()
            try:
                self._ready = self._frame.decompress(bite)
            except self._error as err:
                raise OSError(str(err)) from err
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


class Lines:
    """Iterates over the lines of ``path`` (``-`` is stdin) as str, line ends kept; ``number`` is the line last given (from 1).

    UTF-8, a leading BOM dropped, ``.gz`` and ``.zst`` unpacked. With ``latin1`` a line that is not UTF-8 is read as
    Latin-1. NUL bytes, undecodable bytes, lines over ``MAX_LINE`` and cut archives are InputErrors.
    """

    def __init__(self, path: Path, *, latin1: bool = False) -> None:
        self.path = path if path == STDIN else need_file(path)
        self.number = 0
        self._latin1 = latin1

    def error(self, what: str) -> InputError:
        return InputError(what, where=self.path, line=self.number or None)

    def __iter__(self) -> Iterator[str]:
        try:
            with _open(self.path) as stream:
                while raw := stream.readline(MAX_LINE + 1):
                    self.number += 1
                    yield self._decoded(raw)
        except (OSError, EOFError, zlib.error) as err:
            raise InputError(f"cannot be read: {first_line(err)}", where=self.path) from err

    def _decoded(self, raw: bytes) -> str:
        if len(raw) > MAX_LINE:
            raise self.error(f"line is longer than {MAX_LINE >> 20} MiB")
        if self.number == 1 and raw.startswith(b"\xef\xbb\xbf"):
            raw = raw[3:]
        if b"\0" in raw:
            raise self.error(f"NUL at byte {raw.index(0) + 1} of the line; not a text file in UTF-8")
        try:
            return raw.decode()
        except UnicodeDecodeError as err:
            if self._latin1:
                return raw.decode("latin-1")
            raise self.error(f"byte {err.start + 1} of the line is not UTF-8") from err


def first_line(err: BaseException) -> str:
    """What went wrong, without path or traceback, on one line."""
    text = (err.strerror if isinstance(err, OSError) else None) or str(err)
    return text.splitlines()[0] if text else type(err).__name__


def number(text: str, name: str, at: Lines) -> float:
    """The finite number that ``text`` spells; otherwise InputError with the line of ``at``."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or "_" in text:
        raise at.error(f"'{name}' is {shown(text)}, must be a finite number")
    return value


class Rows:
    """Gathers interactions row by row. Equal ids share one string, so a million rows stay small."""

    def __init__(self, at: Lines, *, rating: str | None = None, timestamp: str | None = None) -> None:
        """``rating`` and ``timestamp``: the columns' names in the source (for messages); None where it has none."""
        self._at = at
        self._ids: dict[str, str] = {}
        self._user: list[str] = []
        self._item: list[str] = []
        self._rating: Any = array("d")
        self._timestamp: Any = array("d")
        self._names = (rating, timestamp)

    def add(self, user: str, item: str, rating: str = "", timestamp: str = "") -> None:
        if not user or not item or user.isspace() or item.isspace():
            raise self._at.error(f"empty {'item' if user and not user.isspace() else 'user'} id")
        self._user.append(self._ids.setdefault(user, user))
        self._item.append(self._ids.setdefault(item, item))
        if self._names[0] is not None:
            self._rating.append(number(rating, self._names[0], self._at))
        if self._names[1] is not None:
            self._timestamp.append(number(timestamp, self._names[1], self._at))

    def done(self) -> Interactions:
        """The rows gathered; InputError if there are none."""
        if not self._user:
            raise InputError("holds no interactions", where=self._at.path)
        columns: list[NDArray[np.float64] | None] = [
            None if name is None else np.frombuffer(values, dtype=np.float64)
            for name, values in zip(self._names, (self._rating, self._timestamp), strict=True)
        ]
        return Interactions(self._user, self._item, *columns)

"""Text files line by line, with the file and line of whatever is wrong. Shared by the importers."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.files.streams import open_in
from llmhd_tools.notes import many, visible

STDIN = Path("-")
MAX_LINE = 16 << 20  # bytes: a longer line is not a record
_CHUNK = 1 << 16

# what a file that is no text begins with -> what it is, and what to do
_OTHER_FORMS = {
    b"PK\x03\x04": "is a zip archive (or an Excel workbook); unpack it, or save the sheet as CSV",
    b"\x1f\x8b": "is compressed by gzip; name it .gz, or unpack it",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd; name it .zst, or unpack it",
    b"BZh": "is compressed by bzip2; unpack it",
    b"\xfd7zXZ": "is compressed by xz; unpack it",
    b"PAR1": "is Parquet; `llmhd import parquet` reads it",
    b"\x93NUMPY": "is an array of NumPy; put named columns into an .npz",
    b"\xff\xfe": "is UTF-16; read it with `encoding` utf-16",
    b"\xfe\xff": "is UTF-16; read it with `encoding` utf-16",
}


def shown(text: object, limit: int = 40) -> str:
    """A value for an error message: quoted where it is text, control characters escaped, cut."""
    if not isinstance(text, str):
        return ascii(text)[:limit]
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


def name_of(path: Path) -> str:
    """The file's name without its folder, for records."""
    return "stdin" if path == STDIN else visible(path.name)


class BadRows:
    """What becomes of rows that cannot be read: the first is an error, or with ``skip`` each is counted and left out.

    ``keep`` gets each row left out, a record of kind ``rejected``. ``counts`` is by the file's name, ``first`` what was
    wrong with the first of them.
    """

    def __init__(self, skip: bool = False, keep: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.skip = skip
        self.keep = keep
        self.counts: Counter[str] = Counter()
        self.first = ""

    def add(self, path: Path, line: int, reason: str, text: str | None = None, *, unit: str = "") -> None:
        """A row that cannot be read, at ``line`` (from 1) of ``path``; ``unit`` where that does not count lines.

        Raises InputError unless such rows are skipped.
        """
        error = (
            InputError(f"{unit} {line}: {reason}", where=path) if unit else InputError(reason, where=path, line=line)
        )
        if not self.skip:
            raise InputError(f"{error}; `skip_bad` leaves such rows out")
        self.counts[name_of(path)] += 1
        self.first = self.first or str(error)
        if self.keep is not None:
            record = {"file": name_of(path), "line": line, "reason": reason}
            self.keep(record if text is None else record | {"text": text.rstrip("\r\n")})


class Lines:
    """Iterates over the lines of ``path`` (``-`` is stdin) as str, line ends kept; ``number`` is the line last given (from 1).

    A byte-order mark is dropped, ``.gz`` and ``.zst`` are unpacked. With ``latin1`` a line that is not UTF-8 is read as
    Latin-1. Lines that cannot be decoded or hold NUL go to ``bad``, but for the first one, which is an InputError, as are
    lines over ``MAX_LINE`` and cut archives. ``blank`` and ``joined`` are counts that readers of rows keep: of lines without
    a row, and of lines that went on with the row of the line before.
    """

    def __init__(
        self, path: Path, *, encoding: str = "utf-8", latin1: bool = False, bad: BadRows | None = None
    ) -> None:
        self.path = path if path == STDIN else need_file(path)
        self.number = 0
        self.text = ""
        self.blank = 0
        self.joined = 0
        self.bad_rows = bad or BadRows()
        self._encoding = _checked(encoding)
        self._latin1 = latin1

    def error(self, what: str) -> InputError:
        """An error at the present line, whatever becomes of bad rows."""
        return InputError(what, where=self.path, line=self.number or None)

    def bad(self, reason: str) -> None:
        """The present line is no row, because of ``reason``. Raises InputError unless bad rows are skipped."""
        self.bad_rows.add(self.path, self.number, reason, self.text)

    def told(self) -> list[str]:
        """What a person should know of the lines that are no rows."""
        told = []
        if self.blank:
            told.append(f"{name_of(self.path)}: {many(self.blank, 'blank line')}")
        if self.joined:
            told.append(
                f"{name_of(self.path)}: {many(self.joined, 'line')} taken into the row before, by a quoted cell that goes over "
                "lines (if a quote is a mere character there: `quote` none)"
            )
        return told

    def __iter__(self) -> Iterator[str]:
        try:
            with open_in(str(self.path)) as stream:
                if self._encoding.startswith(("utf-16", "utf-32")):  # a line feed is more than a byte
                    yield from self._wide(stream)
                    return
                while raw := stream.readline(MAX_LINE + 1):
                    self.number += 1
                    if (text := self._decoded(raw)) is not None:
                        self.text = text
                        yield text
        except OSError as err:
            raise InputError(f"cannot be read: {first_line(err)}", where=self.path) from err

    def _decoded(self, raw: bytes) -> str | None:
        """The line, or None where it is bad and skipped."""
        if len(raw) > MAX_LINE:
            raise self.error(f"line is longer than {MAX_LINE >> 20} MiB")
        if self.number == 1:
            raw = self._first(raw)
        try:
            if b"\0" in raw:
                place = f"NUL at byte {raw.index(0) + 1} of the line"
                raise ValueError(f"{place}; not a text file in {self._encoding.upper()} (UTF-16? `encoding` utf-16)")
            return raw.decode(self._encoding)
        except UnicodeDecodeError as err:
            if self._latin1:
                return raw.decode("latin-1")
            reason = f"byte {err.start + 1} of the line is not {self._encoding.upper()}"
            if self._encoding == "utf-8":
                reason += "; `encoding` names another (cp1252, latin-1)"
        except ValueError as err:
            reason = str(err)
        if self.number == 1:
            raise self.error(reason)
        self.text = raw.decode("ascii", "backslashreplace")
        self.bad(reason)
        return None

    def _first(self, raw: bytes) -> bytes:
        """The first line without its mark. Raises InputError where it is that of a file of another form."""
        for start, told in _OTHER_FORMS.items():
            if raw.startswith(start):
                raise InputError(told, where=self.path)
        return raw[3:] if raw.startswith(codecs.BOM_UTF8) else raw

    def _wide(self, stream: IO[bytes]) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self._encoding)()
        rest, ended = "", False
        while not ended:
            chunk = stream.read(_CHUNK)
            ended = not chunk
            try:
                whole = (rest + decoder.decode(chunk, final=ended)).split("\n")
            except UnicodeError as err:
                self.number += 1
                raise self.error(f"what follows is not {self._encoding.upper()} ({err})") from None
            rest = whole.pop()
            if len(rest) > MAX_LINE:
                raise self.error(f"line is longer than {MAX_LINE >> 20} MiB")
            for text in [*(f"{line}\n" for line in whole), *([rest] if ended and rest else [])]:
                self.number += 1
                self.text = text.removeprefix("\ufeff") if self.number == 1 else text
                if "\0" in text:
                    self.bad("NUL in the line")
                    continue
                yield self.text


def _checked(encoding: str) -> str:
    """The encoding's own name. Raises UsageError where there is none."""
    try:
        b"a".decode(encoding)
    except UnicodeError:
        pass
    except LookupError:
        raise UsageError(f"`encoding` {encoding} is unknown; common ones are utf-8, utf-16, cp1252, latin-1") from None
    return codecs.lookup(encoding).name.replace("iso8859-1", "latin-1").replace("utf-8-sig", "utf-8")


def first_line(err: BaseException) -> str:
    """What went wrong, without path or traceback, on one line."""
    text = (err.strerror if isinstance(err, OSError) else None) or str(err)
    return text.splitlines()[0] if text else type(err).__name__

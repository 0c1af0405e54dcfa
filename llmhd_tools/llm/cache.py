"""Answers already paid for: one SQLite file, by the content of the call that each one answers.

Write-ahead log with ``synchronous=NORMAL``: a committed answer outlives a killed process; a power cut may lose the last
ones but never damages the file. Several processes may use one file. Each row carries a digest of itself, so that a
damaged or foreign row is passed over (with one note), never taken for an answer.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from llmhd_tools import notes
from llmhd_tools.errors import InputError
from llmhd_tools.llm.calls import Call, Reply

APPLICATION = 0x6C6C6D68  # "llmh"
_CREATE = """CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, host TEXT, model TEXT, template TEXT, reply TEXT, digest BLOB, made REAL) WITHOUT ROWID"""


def default_path() -> Path:
    """``$XDG_CACHE_HOME/llmhd/answers.sqlite``, or under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "llmhd" / "answers.sqlite"


class Cache:
    """The answers of one file. Raises InputError where the file is not a cache, or is damaged past reading."""

    def __init__(self, path: str | os.PathLike[str] | None = None, *, must_exist: bool = False) -> None:
        self.path = Path(path) if path else default_path()
        self._waiting: dict[str, tuple[Any, ...]] = {}
        self._noted = False
        try:
            if must_exist and not self.path.exists():
                raise InputError("there is no such cache", where=self.path)
            if not path:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(f"cannot be the cache: {reason.lower()}", where=self.path) from None
        try:
            self._open()
        except sqlite3.Error as error:
            raise self._damaged(error) from None

    def _open(self) -> None:
        if self._one("PRAGMA application_id") not in (0, APPLICATION):
            raise InputError("is a database of another program; name another file with `cache`", where=self.path)
        tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if tables and "answers" not in tables:
            raise InputError("is a database of another program; name another file with `cache`", where=self.path)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("PRAGMA wal_autocheckpoint=8192")  # pages; a checkpoint waits for the disk
        if not tables:
            self._db.execute(f"PRAGMA application_id={APPLICATION}")
            self._db.execute(_CREATE)

    def get(self, key: str) -> Reply | None:
        """The answer to the call with this key, if it is there, whole and final."""
        row = self._waiting.get(key)
        if row is None:
            try:
                row = self._db.execute("SELECT * FROM answers WHERE key = ?", (key,)).fetchone()
            except sqlite3.Error as error:
                raise self._damaged(error) from None
        reply = self._whole(row) if row is not None else None
        return reply if reply is not None and reply.final else None

    def put(self, call: Call, reply: Reply, host: str) -> None:
        """Keep an answer; ``commit`` makes it durable."""
        text = reply.to_json()
        row = (call.key, host, str(call.body.get("model")), call.template, text)
        self._waiting[call.key] = (*row, _digest(row), time.time())

    def commit(self) -> None:
        """Make what was put durable. Raises InputError where that cannot be done."""
        if not self._waiting:
            return
        try:
            if self._db.in_transaction:  # an interrupt fell between two statements
                self._db.execute("ROLLBACK")
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO answers VALUES (?,?,?,?,?,?,?)", list(self._waiting.values()))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._damaged(error) from None
        self._waiting.clear()

    def close(self) -> None:
        """Commit and close."""
        try:
            self.commit()
        finally:
            self._db.close()

    def __len__(self) -> int:
        return int(self._one("SELECT count(*) FROM answers"))

    def rows(self) -> Iterator[tuple[str, str, str, str, float, Reply]]:
        """Key, host, model, template, time and reply of every whole row, by key."""
        try:
            for row in self._db.execute("SELECT * FROM answers ORDER BY key"):
                if (reply := self._whole(row)) is not None:
                    yield row[0], row[1], row[2], row[3], row[6], reply
        except sqlite3.Error as error:
            raise self._damaged(error) from None

    def delete(self, keys: list[str]) -> None:
        """Drop answers for good."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM answers WHERE key = ?", ((key,) for key in keys))
            self._db.execute("COMMIT")
            self._db.execute("VACUUM")
        except sqlite3.Error as error:
            raise self._damaged(error) from None

    def _whole(self, row: tuple[Any, ...]) -> Reply | None:
        try:
            if row[5] == _digest(row[:5]):
                return Reply.from_json(row[4])
        except (ValueError, TypeError, AttributeError, IndexError):
            pass
        if not self._noted:
            self._noted = True
            notes.note(f"{self.path}: holds damaged or foreign rows; they are passed over")
        return None

    def _one(self, query: str) -> Any:
        return self._db.execute(query).fetchone()[0]

    def _damaged(self, error: sqlite3.Error) -> InputError:
        return InputError(
            f"cannot be used as the cache ({error}); move it away or name another `cache`", where=self.path
        )


def _digest(row: tuple[Any, ...]) -> bytes:
    return hashlib.sha256("\0".join(row).encode()).digest()[:16]

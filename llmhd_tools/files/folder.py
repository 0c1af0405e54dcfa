"""A run's folder: held by one process at a time, with small JSON records of what the run is and where it stands."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator

from llmhd_tools.errors import InputError
from llmhd_tools.files.jsonl import Record
from llmhd_tools.files.streams import open_out


def read_json(path: str) -> Record:
    """One of a run's JSON records. Raises InputError where it is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
        return dict(value)
    except (OSError, ValueError, TypeError, RecursionError):
        raise InputError("is not the record of a run", where=path) from None


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Hold the folder for this process alone. Raises InputError where another run holds it, or it cannot be made."""
    try:
        os.makedirs(folder, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"cannot be the run's folder: {(error.strerror or '').lower()}", where=folder) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the process, however that ends
        yield
    except BlockingIOError:
        raise InputError("is in use by another run", where=folder) from None
    finally:
        os.close(handle)


def write_json(path: str, value: object) -> None:
    """Write one JSON value, whole or not at all."""
    with open_out(path) as out:
        out.write(json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")

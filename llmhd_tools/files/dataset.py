"""The folder that an import writes: a set of files that belong together, and a record of them.

``import.json`` holds the SHA-256 of each file. By it a later import knows which files it may take away: those of an import,
as that wrote them. Whatever else has such a name is somebody's work and stays.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from llmhd_tools.errors import InputError
from llmhd_tools.files.folder import locked, read_json, write_json
from llmhd_tools.files.jsonl import Record, write_records
from llmhd_tools.files.table import Table
from llmhd_tools.files.tables import write_table

FILES = tuple(f"{name}.jsonl" for name in ("train", "valid", "test", "interactions", "items", "profiles"))
RECORD = "import.json"
_STAGED = ".import-"  # the start of a folder's name while a dataset is being written


@contextlib.contextmanager
def dataset_folder(folder: str) -> Iterator[None]:
    """Hold a folder, made if need be, to write a dataset into it.

    Raises InputError where it cannot be one, is held by another process, or holds files that no import wrote under the
    names of a dataset's: next to a new dataset they would be taken for a part of it.
    """
    new = not os.path.exists(folder)
    with locked(folder, "an import"):
        for stale in Path(folder).glob(f"{_STAGED}*"):  # of an import that was killed
            shutil.rmtree(stale, ignore_errors=True)
        known = _known(folder)
        if foreign := [name for name in _there(folder) if _sha256(Path(folder, name)) != known.get(name)]:
            many = len(foreign) > 1
            raise InputError(
                f"holds {' and '.join(foreign)}, which no import wrote (or which {'were' if many else 'was'} changed since); "
                f"move {'them' if many else 'it'} away, or import into another folder",
                where=folder,
            )
        try:
            yield
        except BaseException:
            if new:
                with contextlib.suppress(OSError):  # not empty
                    os.rmdir(folder)
            raise


def write_dataset(
    folder: str, parts: Mapping[str, Table], texts: Mapping[str, list[Record]], record: Record
) -> dict[str, int]:
    """Write the files of a dataset into a held folder in the place of all that an earlier import left there.

    ``parts`` are tables and ``texts`` records by name without suffix; ``record`` is kept in import.json. The old files stay
    until all the new ones are whole; a process killed after that leaves a part of the new ones, and none of the old. Parts
    without rows are left out. Returns how many records each file, by its path, has.
    """
    parts = {name: table for name, table in parts.items() if len(table)}
    staged = Path(folder)
    try:
        staged = Path(tempfile.mkdtemp(dir=folder, prefix=_STAGED))
        for name, table in parts.items():
            write_table(str(staged / f"{name}.jsonl"), table)
        for name, records in texts.items():
            write_records(str(staged / f"{name}.jsonl"), records)
        digests = {path.name: _sha256(path) for path in sorted(staged.iterdir())}
        for name in _there(folder):
            Path(folder, name).unlink()
        write_json(os.path.join(folder, RECORD), record | {"files": digests})
        for name in digests:
            os.replace(staged / name, Path(folder, name))
    except OSError as error:
        raise InputError(f"cannot be written to: {(error.strerror or str(error)).lower()}", where=folder) from None
    else:
        counts = {name: len(rows) for name, rows in parts.items()} | {name: len(rows) for name, rows in texts.items()}
        return {os.path.join(folder, f"{name}.jsonl"): count for name, count in counts.items()}
    finally:
        if staged != Path(folder):
            shutil.rmtree(staged, ignore_errors=True)


def _known(folder: str) -> dict[str, str]:
    """The digests of the files that the last import wrote."""
    path = os.path.join(folder, RECORD)
    if not os.path.exists(path):
        return {}
    files = read_json(path, "an import").get("files")
    return {str(name): str(digest) for name, digest in files.items()} if isinstance(files, dict) else {}


def _there(folder: str) -> list[str]:
    return [name for name in FILES if os.path.lexists(os.path.join(folder, name))]


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except OSError:
        return ""
    return digest.hexdigest()

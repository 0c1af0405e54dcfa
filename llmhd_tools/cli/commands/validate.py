"""``llmhd validate``: is this file what it says, whole and untouched?"""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    files: Annotated[list[str], typer.Argument(help="Files of any kind; - is JSONL on stdin.", metavar="FILE...")],
    kind: Annotated[str | None, typer.Option("--kind", help="The kind that every file must be of.")] = None,
) -> int:
    """Check files of any kind against their schema.

    Prints one line for each good file and complains on stderr about each bad one, of a JSONL about every bad line (the
    first 20); exit 1 where one is bad. An NPZ is checked against the SHA-256 that llmhd sealed it with, so that one
    flipped bit is found; one of your own has no seal, which is said and is no fault.

    \b
    Examples:
      llmhd validate train.jsonl items.jsonl model-3.npz
      llmhd validate --kind judged judged-3.jsonl
    """
    from llmhd_tools import notes
    from llmhd_tools.cli import console
    from llmhd_tools.errors import InputError
    from llmhd_tools.files.kinds import read_any
    from llmhd_tools.files.streams import open_out

    bad = 0
    for path in files:
        try:
            content = read_any(path, kind, verify=True)
        except InputError as error:
            for line in _faults(path, kind, error):
                console.say(f"llmhd validate: {console.spelt(line)}")
            bad = 1
            continue
        with open_out("-") as out:
            out.write(f"{notes.visible(path)}: {content.kind}, {_size(content)}{_seal(path)}\n".encode())
    return bad


def _faults(path: str, kind: str | None, error: Exception) -> list[str]:
    """All that is wrong with a bad file, or as much as a person will read."""
    import os

    from llmhd_tools.files.kinds import faults
    from llmhd_tools.files.streams import suffix_of

    if not os.path.isfile(path) or suffix_of(path) not in ("", ".jsonl", ".json", ".ndjson"):  # a pipe is read up
        return [str(error)]
    found, more = faults(path, kind)
    told = [str(one) for one in found] or [str(error)]
    return [*told, f"{path}: there is more; these are the first {len(found)} bad lines"] if more else told


def _seal(path: str) -> str:
    """What a good NPZ lacks that is of others' making."""
    from llmhd_tools.files.npz import is_sealed
    from llmhd_tools.files.streams import suffix_of

    return "; no seal, so a changed byte could not be told" if suffix_of(path) == ".npz" and not is_sealed(path) else ""


def _size(content: object) -> str:
    from llmhd_tools import notes
    from llmhd_tools.files.table import Table

    if isinstance(content, Table):
        return notes.many(len(content), "record")
    return f"{notes.many(len(content.users), 'user')}, {notes.many(len(content.items), 'item')}"  # type: ignore[attr-defined]

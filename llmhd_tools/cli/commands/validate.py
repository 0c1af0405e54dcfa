"""``llmhd validate``: is this file what it says, whole and untouched?"""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import Quiet, Verbose


def command(
    files: Annotated[list[str], typer.Argument(help="Files of any kind; - is JSONL on stdin.", metavar="FILE...")],
    kind: Annotated[str | None, typer.Option("--kind", help="The kind that every file must be of.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Check files of any kind against their schema.

    Prints one line for each good file and complains on stderr about each bad one; exit 1 where one is bad. An NPZ is
    checked against the SHA-256 that llmhd sealed it with, so that one flipped bit is found.

    \b
    Examples:
      llmhd validate train.jsonl items.jsonl model-3.npz
      llmhd validate --kind judged judged-3.jsonl
    """
    from llmhd_tools.cli import console
    from llmhd_tools.errors import InputError
    from llmhd_tools.files.kinds import read_any
    from llmhd_tools.files.streams import open_out

    bad = 0
    for path in files:
        try:
            content = read_any(path, kind, verify=True)
        except InputError as error:
            console.say(f"llmhd validate: {error}")
            bad = 1
            continue
        with open_out("-") as out:
            out.write(f"{path}: {content.kind}, {_size(content)}\n".encode())
    return bad


def _size(content: object) -> str:
    from llmhd_tools.files.tables import Table

    if isinstance(content, Table):
        return f"{len(content)} records"
    return f"{len(content.users)} users, {len(content.items)} items"  # type: ignore[attr-defined]

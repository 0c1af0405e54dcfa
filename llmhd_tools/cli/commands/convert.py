"""``llmhd convert``: the other twin of a table."""

from __future__ import annotations

from typing import Annotated

import typer

Kind = Annotated[str | None, typer.Option("--kind", help="The kind of a JSONL file where its fields do not tell.")]


def command(
    source: Annotated[str, typer.Argument(help="The file to read; - is JSONL on stdin.", metavar="A")],
    target: Annotated[
        str, typer.Argument(help="The file to write; .npz is binary, else JSONL; - is stdout.", metavar="B")
    ],
    kind: Kind = None,
) -> None:
    """Turn a table from text into binary or back.

    Every table has two forms with the same content: JSONL to look at and to pipe, NPZ for speed.

    \b
    Examples:
      llmhd convert train.jsonl train.npz
      llmhd convert samples-3.npz - | head -3
    """
    from llmhd_tools.errors import InputError
    from llmhd_tools.files.kinds import read_any
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.table import Table
    from llmhd_tools.files.tables import write_table

    check_output(target, [source])
    table = read_any(source, kind)
    if not isinstance(table, Table):
        raise InputError(f"holds {table.kind}, which has only the binary form", where=source)
    write_table(target, table)

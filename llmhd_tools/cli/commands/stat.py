"""``llmhd stat``: what a file holds, in figures."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import File, file, one_of


def command(
    source: Annotated[str, typer.Argument(help="A file of any kind; - is JSONL on stdin.", metavar="FILE")],
    items: Annotated[File, file("--items", "Item texts: how many of FILE's items have one.")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="The kind of a JSONL file where its fields do not tell.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="text, markdown or json.", callback=one_of("text", "markdown", "json"))
    ] = "text",
) -> None:
    """Say what a file holds: rows, users, items, density, their spread.

    Of interactions also repeated pairs, users and items with one row, the time span, ratings, known noise; of any table
    how many rows have a value and how the values lie; of an NPZ of embeddings its arrays.

    \b
    Examples:
      llmhd stat train.jsonl --items items.jsonl
      llmhd stat drop-8.npz --format json | jq .cut.true
    """
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.files.kinds import read_any
    from llmhd_tools.files.streams import open_out
    from llmhd_tools.files.tables import read_table
    from llmhd_tools.measure.statistics import statistics
    from llmhd_tools.report.facts import facts

    found = statistics(read_any(source, kind), read_table(items, "items") if items else None)
    if form == "json":
        write_records("-", [found])
        return
    with open_out("-") as out:
        out.write(facts(found, form).encode())

"""``llmhd view``: the rows of a file that one asks for."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import one_of

_ROWS = 40  # of a table on a terminal, unless --limit says more
_WIDTH = 40  # of a cell there


def command(
    source: Annotated[str, typer.Argument(help="A table of any kind; - is JSONL on stdin.", metavar="FILE")],
    where: Annotated[
        str | None,
        typer.Option("-e", "--where", help="Rows for which this holds, such as 'score <= 3'.", metavar="EXPR"),
    ] = None,
    user: Annotated[list[str], typer.Option("--user", help="Rows of this user; repeat it.", metavar="ID")] = [],  # noqa: B006
    item: Annotated[list[str], typer.Option("--item", help="Rows of this item; repeat it.", metavar="ID")] = [],  # noqa: B006
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="These fields only, in this order; comma-separated.", metavar="NAMES"),
    ] = None,
    sort: Annotated[
        str | None, typer.Option("--sort", help="By this field, the least first; -FIELD: the most.", metavar="FIELD")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="At most so many rows.", min=0)] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="table or jsonl. [table on a terminal, else jsonl]", callback=one_of("table", "jsonl")
        ),
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="The kind of a JSONL file where its fields do not tell.")
    ] = None,
    output: Annotated[
        str, typer.Option("-o", "--output", help="Where to write the rows; .npz binary, else JSONL.", metavar="FILE")
    ] = "-",
) -> None:
    """Show the rows of a file that meet a condition.

    A condition names fields, also unknown ones: comparisons (==, !=, <, <=, >, >=, in, not in), and, or, not, + - * /,
    numbers, 'texts', None where a row has no value. How many of how many rows were found is said on stderr.

    \b
    Examples:
      llmhd view judged-3.jsonl -e 'score <= 3 and loss > 1' --user reader-17
      llmhd view drop-8.npz -e cut --sort -suspicion --limit 20
      llmhd view items.jsonl -e "'dragon' in profile" --columns item,title
    """
    import sys

    import numpy as np

    from llmhd_tools import notes
    from llmhd_tools.errors import InputError, UsageError
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.files.kinds import read_any
    from llmhd_tools.files.rows import check_fields, fields_of, in_order_of, of_ids, that_meet
    from llmhd_tools.files.streams import check_output, open_out
    from llmhd_tools.files.table import Table, to_records
    from llmhd_tools.files.tables import write_table
    from llmhd_tools.report.terminal import table as drawn

    check_output(output, [source])
    if output != "-" and (columns or form):
        raise UsageError("--columns and --format are for stdout; a file is a table of its kind")
    table = read_any(source, kind)
    if not isinstance(table, Table):
        raise InputError(f"holds {table.kind}, which has no rows; `llmhd stat` says what is in it", where=source)
    names = columns.split(",") if columns else fields_of(table)
    check_fields(table, names)
    found = table
    for side, ids in (("user", user), ("item", item)):
        found = of_ids(found, side, ids) if ids else found
    found = that_meet(found, where) if where else found
    found = in_order_of(found, sort) if sort else found
    shown = found if limit is None else found.take(np.arange(min(limit, len(found))))
    if output != "-":
        write_table(output, shown)
    elif (form or ("table" if sys.stdout.isatty() else "jsonl")) == "jsonl":
        write_records("-", ({n: r[n] for n in names if n in r} if columns else r for r in to_records(shown)))
    else:
        shown = shown if limit is not None else shown.take(np.arange(min(_ROWS, len(shown))))
        with open_out("-") as out:
            out.write(drawn(names, ([(_cell(r.get(n)), "") for n in names] for r in to_records(shown))).encode())
    few = f", {len(shown):,} of them shown" if len(shown) < len(found) else ""
    notes.note(f"{len(found):,} of {notes.many(len(table), 'row')}{few}")


def _cell(value: object) -> str:
    """A value in few characters."""
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"

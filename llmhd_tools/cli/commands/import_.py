"""``llmhd import``: other people's formats to ours, filtered and split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmhd_tools.cli.options import Quiet, Seed, Verbose

if TYPE_CHECKING:
    from llmhd_tools.files.tables import Table
    from llmhd_tools.importers.source import Interactions


Name = str | None


def command(
    context: typer.Context,
    format: Annotated[
        str, typer.Argument(help="rlmrec, recbole, movielens, csv, tsv, parquet or npz.", metavar="FORMAT")
    ],
    source: Annotated[
        str, typer.Argument(help="The folder or file to import; - is stdin, for csv and tsv.", metavar="SOURCE")
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="The folder to write into.", metavar="FOLDER")],
    user: Annotated[Name, typer.Option("--user", help="Column of users, where columns have names. [user]")] = None,
    item: Annotated[Name, typer.Option("--item", help="Column of items. [item]")] = None,
    rating: Annotated[Name, typer.Option("--rating", help="Column of ratings.")] = None,
    timestamp: Annotated[Name, typer.Option("--timestamp", help="Column of times.")] = None,
    delimiter: Annotated[
        Name, typer.Option("--delimiter", help="Between the columns of a CSV or TSV.", metavar="CHARACTER")
    ] = None,
    header: Annotated[
        bool, typer.Option("--header/--no-header", help="Without a header the columns are called 1, 2, 3.")
    ] = True,
    texts: Annotated[
        Name, typer.Option("--texts", help="Texts of the items: a CSV or TSV with a column --item.", metavar="FILE")
    ] = None,
    text: Annotated[Name, typer.Option("--text", help="Column of the texts. [profile]")] = None,
    min_rating: Annotated[float | None, typer.Option("--min-rating", help="Keep ratings from here up.")] = None,
    low_rated: Annotated[
        Name, typer.Option("--low-rated", help="Where to keep the rows below --min-rating.", metavar="FILE")
    ] = None,
    core: Annotated[int, typer.Option("--k-core", help="Drop users and items with fewer rows, repeatedly.", min=1)] = 1,
    split: Annotated[str, typer.Option("--split", help="Shares of train:valid:test, or none.")] = "3:1:1",
    split_by: Annotated[
        str,
        typer.Option(
            "--split-by", help="global (every user and item keeps a train row), user, or time (latest held out)."
        ),
    ] = "global",
    seed: Seed = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Import a dataset from another format.

    Writes train.jsonl, valid.jsonl and test.jsonl (or interactions.jsonl with --split none), and items.jsonl and
    profiles.jsonl where the source has texts. Repeated pairs are dropped, then low ratings, then what the k-core leaves
    out. A source that comes with its own split keeps it, and takes no filters. An npz holds one array a column.

    \b
    Examples:
      llmhd import rlmrec amazon -o data
      llmhd import movielens ml-1m -o data --min-rating 4 --low-rated data/low.jsonl --k-core 5 --split-by user
      llmhd import npz ratings.npz -o data --rating rating --min-rating 4 --low-rated data/low.jsonl
      llmhd import csv clicks.csv -o data --user visitor --item sku --timestamp time --split 8:1:1 --split-by time
      llmhd import csv clicks.csv -o data --user visitor --item sku --texts skus.csv --text description
    """
    from llmhd_tools import notes
    from llmhd_tools.cli.unused import find_unused, tell_unused
    from llmhd_tools.errors import UsageError
    from llmhd_tools.importers import read_source
    from llmhd_tools.stages.split import filter_rows, split_rows

    columns = {"user": user, "item": item, "rating": rating, "timestamp": timestamp, "texts": texts, "text": text}
    given = {name: value for name, value in {**columns, "delimiter": delimiter}.items() if value is not None}
    if text is not None and texts is None:
        raise UsageError("--text is a column of --texts")
    found = read_source(format, source, **given, **({} if header else {"header": False}))
    if found.splits:
        if min_rating is not None or core > 1:
            raise UsageError(f"{source} comes with its own split; --min-rating and --k-core would spoil it")
        parts = {name: _table(rows) for name, rows in found.splits.items()}
        pool = None
    else:
        table, pool = filter_rows(_table(found.interactions), min_rating, core)
        parts = split_rows(table, split, split_by, seed)
    if low_rated is not None and pool is None:
        raise UsageError("--low-rated needs --min-rating, and a source without a split of its own")
    empty = [name for name in parts if not len(parts[name])]
    parts = {name: table for name, table in parts.items() if len(table)}
    written = dict(_write(output, parts, found.items, found.profiles, low_rated, pool))
    if empty:
        notes.note(f"the split leaves no rows for {' and '.join(empty)}, so there is no such file")
    ours = ["split", "split_by", "seed"]
    tell_unused(find_unused(context, {"a source without a split of its own": (not found.splits, ours)}))
    notes.note("" + ", ".join(f"{path} {count:,}" for path, count in written.items()))


def _table(rows: Interactions) -> Table:
    from llmhd_tools.files.tables import Table

    table = Table("interactions", {})
    table.columns = {"user": table.users.add(rows.user), "item": table.items.add(rows.item)}
    for name, column in (("rating", rows.rating), ("timestamp", rows.timestamp)):
        if column is not None:
            table.columns[name] = column
    return table


def _write(
    folder: str,
    parts: dict[str, Table],
    items: list[dict[str, Any]],
    profiles: list[dict[str, Any]],
    low_rated: str | None,
    pool: Table | None,
) -> Iterator[tuple[str, int]]:
    """Write all files; yields each one's path and number of records."""
    import os

    from llmhd_tools.errors import InputError
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import write_table

    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made a folder: {(error.strerror or '').lower()}", where=folder) from None
    check_output(low_rated)  # may lie in the folder just made
    for name, table in parts.items():
        path = os.path.join(folder, f"{name}.jsonl")
        write_table(path, table)
        yield path, len(table)
    for name, records in (("items", items), ("profiles", profiles)):
        if records:
            path = os.path.join(folder, f"{name}.jsonl")
            write_records(path, records)
            yield path, len(records)
    if low_rated is not None and pool is not None:
        write_table(low_rated, pool)
        yield low_rated, len(pool)

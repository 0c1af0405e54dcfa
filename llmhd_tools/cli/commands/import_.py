"""``llmhd import``: other people's formats to ours, filtered and split."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from llmhd_tools.cli.options import File, file, find_idle, find_unused, takes
from llmhd_tools.settings import Columns, Filtering, Form, Splitting, Texts


@takes()
def command(
    context: typer.Context,
    format: Annotated[
        str,
        typer.Argument(help="rlmrec, recbole, movielens, lightgcn, csv, tsv, jsonl, parquet or npz.", metavar="FORMAT"),
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="The folder to write into.", metavar="FOLDER")],
    columns: Columns,
    form: Form,
    of_items: Texts,
    filtering: Filtering,
    splitting: Splitting,
    source: Annotated[
        str | None,
        typer.Argument(help="The folder or file to import; - is stdin, for csv, tsv and jsonl.", metavar="SOURCE"),
    ] = None,
    texts: Annotated[File, file("--texts", "Texts of the items: CSV, TSV, JSON Lines or Parquet.")] = None,
    low_rated: Annotated[File, file("--low-rated", "Where to keep the rows below --min-rating.")] = None,
    rejected: Annotated[File, file("--rejected", "Where to keep every row left out, with the reason.")] = None,
) -> None:
    """Import a dataset from another format.

    Writes train.jsonl, valid.jsonl and test.jsonl (or interactions.jsonl with --split none), items.jsonl and
    profiles.jsonl where the source has texts, and import.json, what was done. What an earlier import left in FOLDER is
    removed; other files of such names are refused. Repeated pairs are dropped, then low ratings, then what the k-core
    leaves out. A source that comes with its own split keeps it, and takes no filters. An npz holds one array a column.

    \b
    Examples:
      llmhd import rlmrec amazon -o data
      llmhd import movielens ml-1m -o data --min-rating 4 --low-rated data/low.jsonl --k-core 5 --split-by user
      llmhd import lightgcn gowalla -o data
      llmhd import npz ratings.npz -o data --rating rating --min-rating 4 --low-rated data/low.jsonl
      llmhd import csv clicks.csv -o data --user visitor --item sku --timestamp time --split 8:1:1 --split-by time
      llmhd import csv clicks.csv -o data --user visitor --item sku --texts skus.csv --text title --text description
      llmhd import jsonl reviews.jsonl.gz -o data --user reviewerID --item asin --rating overall --skip-bad \\
        --timestamp unixReviewTime --split-at 2014-01-01,2014-04-01 --texts meta.jsonl.gz --text title
    """
    from llmhd_tools import notes
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.dataset import dataset_folder, write_dataset
    from llmhd_tools.files.tables import write_table
    from llmhd_tools.importers import read_source
    from llmhd_tools.importers.text import BadRows
    from llmhd_tools.stages import importing

    if source is None:
        raise UsageError(_without_source(format))
    unused = find_unused(context)
    importing.cuts_of(splitting.split_at)
    reading = _given(columns, form, of_items)
    with dataset_folder(output):
        _check_files(output, source, texts, low_rated, rejected)
        with importing.rejecting(rejected) as keep:
            bad = BadRows(filtering.skip_bad, keep)
            found = read_source(format, source, bad, **reading, **({"texts": texts} if texts else {}))
            done = importing.filtered(found, source, filtering, splitting, keep)
            if low_rated is not None and done.pool is None:
                raise UsageError("--low-rated needs --min-rating, and a source without a split of its own")
            record = importing.made_by(format, reading, filtering, splitting)
            record |= importing.tell(found, done, bad, splitting.split_by == "time")
            written = write_dataset(output, done.parts, importing.texts_to_write(found), record)
            if low_rated is not None and done.pool is not None:
                write_table(low_rated, done.pool)
                written[low_rated] = len(done.pool)
    idle = ""
    if found.splits:
        idle = find_idle(context, ("split", "split_by", "split_at", "seed"), "a source without a split of its own")
    elif splitting.split_at:
        idle = find_idle(context, ("split", "split_by"), "shares of rows, not --split-at")
    for sentence in filter(None, (unused, idle)):
        notes.note(sentence)
    notes.note(", ".join(f"{path} {count:,}" for path, count in written.items()))


def _given(columns: Columns, form: Form, of_items: Texts) -> dict[str, Any]:
    """What was said about the source, by the names that readers have for it."""
    told = {**vars(columns), **vars(form), **vars(of_items)}
    told["title"] = told.pop("titles")
    return {name: value for name, value in told.items() if value not in (None, True, ())}


def _without_source(format: str) -> str:
    """What is wrong with a command line of one word before the options."""
    from pathlib import Path

    from llmhd_tools.errors import UsageError
    from llmhd_tools.importers import FORMATS
    from llmhd_tools.importers.item_texts import kind_of

    if format in FORMATS:
        return f"Missing argument 'SOURCE': {format} is a FORMAT, the folder or file to import follows"
    try:
        kind = kind_of(Path(format))
    except UsageError:
        kind = "FORMAT"
    named = ", ".join(name for name in FORMATS if name != "columns")
    return f"FORMAT '{format}' is none of {named}; is it `llmhd import {kind} {format}`?"


def _check_files(folder: str, source: str, texts: str | None, low_rated: str | None, rejected: str | None) -> None:
    """Raise InputError for outputs that cannot be written or would be written over each other or an input."""
    import os

    from llmhd_tools.files.dataset import FILES, RECORD
    from llmhd_tools.files.streams import check_output

    ours = [os.path.join(folder, name) for name in (*FILES, RECORD)]
    check_output(low_rated, [source, texts, *ours])
    check_output(rejected, [source, texts, low_rated, *ours])

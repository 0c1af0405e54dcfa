"""``llmhd import``: other people's formats to ours, filtered and split."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import Quiet, Seed, Verbose, one_of

Name = str | None
TEXTS = ("texts_item", "text", "title", "texts_delimiter", "texts_encoding")  # options about --texts
READING = (
    *("user", "item", "rating", "timestamp", "weight", "noise", "time_format"),
    *("delimiter", "quote", "escape", "header", "encoding", "texts", *TEXTS),
)  # the options that a format's reader may take


def command(
    context: typer.Context,
    format: Annotated[
        str,
        typer.Argument(help="rlmrec, recbole, movielens, lightgcn, csv, tsv, jsonl, parquet or npz.", metavar="FORMAT"),
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="The folder to write into.", metavar="FOLDER")],
    source: Annotated[
        Name,
        typer.Argument(help="The folder or file to import; - is stdin, for csv, tsv and jsonl.", metavar="SOURCE"),
    ] = None,
    user: Annotated[Name, typer.Option("--user", help="Column of users, where columns have names. [user]")] = None,
    item: Annotated[Name, typer.Option("--item", help="Column of items. [item]")] = None,
    rating: Annotated[Name, typer.Option("--rating", help="Column of ratings.")] = None,
    timestamp: Annotated[Name, typer.Option("--timestamp", help="Column of times: numbers or dates.")] = None,
    weight: Annotated[Name, typer.Option("--weight", help="Column of weights, such as counts of plays.")] = None,
    noise: Annotated[
        Name,
        typer.Option(
            "--noise", help="Column that marks known noise by 1 or true, or by VALUE.", metavar="COLUMN[=VALUE]"
        ),
    ] = None,
    time_format: Annotated[
        Name,
        typer.Option(
            "--time-format",
            help="How dates are written, as in %d/%m/%Y %H:%M; ISO dates and all that leave no doubt need none.",
            metavar="FORMAT",
        ),
    ] = None,
    delimiter: Annotated[
        Name, typer.Option("--delimiter", help="Between the columns of a CSV or TSV.", metavar="CHARACTERS")
    ] = None,
    quote: Annotated[
        Name,
        typer.Option("--quote", help='Around cells, or none. [" for CSV, none between tabs]', metavar="CHARACTER"),
    ] = None,
    escape: Annotated[
        Name, typer.Option("--escape", help="Before a quote or delimiter that is meant as such.", metavar="CHARACTER")
    ] = None,
    header: Annotated[
        bool, typer.Option("--header/--no-header", help="Without a header the columns are called 1, 2, 3.")
    ] = True,
    encoding: Annotated[
        Name, typer.Option("--encoding", help="Such as utf-16, cp1252, latin-1. [utf-8]", metavar="NAME")
    ] = None,
    texts: Annotated[
        Name, typer.Option("--texts", help="Texts of the items: CSV, TSV, JSON Lines or Parquet.", metavar="FILE")
    ] = None,
    texts_item: Annotated[Name, typer.Option("--texts-item", help="Column of items there. [--item]")] = None,
    text: Annotated[
        list[str] | None,
        typer.Option("--text", help="Column of texts there; repeat it to join several. [profile]"),
    ] = None,
    title: Annotated[Name, typer.Option("--title", help="Column of titles there.")] = None,
    texts_delimiter: Annotated[
        Name, typer.Option("--texts-delimiter", help="Between its columns. [--delimiter]", metavar="CHARACTERS")
    ] = None,
    texts_encoding: Annotated[
        Name, typer.Option("--texts-encoding", help="Its encoding. [--encoding]", metavar="NAME")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out rows that cannot be read, with a count, and go on.")
    ] = False,
    rejected: Annotated[
        Name, typer.Option("--rejected", help="Where to keep every row left out, with the reason.", metavar="FILE")
    ] = None,
    repeats: Annotated[
        str,
        typer.Option(
            "--repeats",
            help="Which row of a repeated pair stays: last or first, by time, else in the file; weight: the last, with the "
            "number of rows (or the sum of --weight) as its weight.",
            callback=one_of("last", "first", "weight"),
        ),
    ] = "last",
    min_rating: Annotated[float | None, typer.Option("--min-rating", help="Keep ratings from here up.")] = None,
    low_rated: Annotated[
        Name, typer.Option("--low-rated", help="Where to keep the rows below --min-rating.", metavar="FILE")
    ] = None,
    core: Annotated[int, typer.Option("--k-core", help="Drop users and items with fewer rows, repeatedly.", min=1)] = 1,
    split: Annotated[
        str,
        typer.Option("--split", help="Shares of train:valid:test, leave-one-out (of each user one each), or none."),
    ] = "3:1:1",
    split_by: Annotated[
        Name,
        typer.Option(
            "--split-by",
            help="global (drawn; every user and item keeps a train row), user (drawn from each user's), time (each user's "
            "newest held out) or global-time (the newest of all held out). [global; leave-one-out: time or user]",
        ),
    ] = None,
    split_at: Annotated[
        Name,
        typer.Option(
            "--split-at", help="The first day (or time) of valid and of test, for all users.", metavar="DATE[,DATE]"
        ),
    ] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
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
    from llmhd_tools.cli.options import find_idle
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.dataset import dataset_folder, write_dataset
    from llmhd_tools.files.tables import write_table
    from llmhd_tools.importers import read_source
    from llmhd_tools.importers.text import BadRows
    from llmhd_tools.stages import importing

    if source is None:
        raise UsageError(_without_source(format))
    choices = importing.Choices(min_rating, core, repeats, split, split_by, split_at, seed)
    given = {name: context.params[name] for name in READING if context.params[name] not in (None, True, [], ())}
    if texts is None and (word := next((name for name in TEXTS if name in given), None)):
        raise UsageError(f"--{word.replace('_', '-')} is for --texts")
    importing.cuts_of(split_at)
    with dataset_folder(output):
        _check_files(output, source, texts, low_rated, rejected)
        with importing.rejecting(rejected) as keep:
            bad = BadRows(skip_bad, keep)
            found = read_source(format, source, bad, **given)
            done = importing.filtered(found, source, choices, keep)
            if low_rated is not None and done.pool is None:
                raise UsageError("--low-rated needs --min-rating, and a source without a split of its own")
            record = choices.made(format, {k: v for k, v in given.items() if k != "texts"}) | importing.tell(
                found, done, bad, split_by == "time"
            )
            written = write_dataset(output, done.parts, importing.texts_to_write(found), record)
            if low_rated is not None and done.pool is not None:
                write_table(low_rated, done.pool)
                written[low_rated] = len(done.pool)
    if found.splits:
        idle = find_idle(context, ("split", "split_by", "split_at", "seed"), "a source without a split of its own")
    else:
        idle = find_idle(context, ("split", "split_by"), "shares of rows, not --split-at") if split_at else ""
    if idle:
        notes.note(idle)
    notes.note(", ".join(f"{path} {count:,}" for path, count in written.items()))


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

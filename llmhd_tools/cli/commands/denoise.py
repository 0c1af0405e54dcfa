"""``llmhd denoise``: a user's own rows back, each with how much it looks like noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmhd_tools.cli.options import File, Out, file, one_of
from llmhd_tools.settings import Denoising

if TYPE_CHECKING:
    from llmhd_tools.files.table import Table
    from llmhd_tools.importers.whole import Whole
    from llmhd_tools.stages.denoise import Evidence

_SIDES = one_of("user", "item")
_STAYS = "the rows of a CSV or TSV stay one; name it .csv"


def command(
    rows: Annotated[
        str,
        typer.Argument(
            help="Interactions: a CSV or TSV with a header, JSONL or NPZ; or the folder of a run.", metavar="ROWS"
        ),
    ],
    denoising: Denoising,
    user: Annotated[str, typer.Option("--user", help="Column of users, of a CSV or TSV.")] = "user",
    item: Annotated[str, typer.Option("--item", help="Column of items, of a CSV or TSV.")] = "item",
    items: Annotated[
        File,
        file("--items", "Item texts: rows are judged by them too, as TF-IDF of their words; titles for --by item."),
    ] = None,
    suspects: Annotated[
        File, file("--suspects", "Judge by these suspects of the rows, in the place of a model.")
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", help="A row for each user, or item, instead: how odd its rows look.", callback=_SIDES),
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Write the rows only that are not called noise.")] = False,
    rejected: Annotated[File, file("--rejected", "With --drop: where the other rows go.")] = None,
    output: Out = "-",
) -> None:
    """Give your own rows back, each with how much it looks like noise.

    A model is fitted to all rows in closed form, seconds for thousands of items, and asked how much it would have
    expected each from the user's others. Every row comes back in its place and as it was, with weight (0 to 1, to train
    by), noise_score (0 to 1: the share of the rows that were expected more; it ranks, and is no probability), is_noise
    (the --share of highest score) and prediction (the model's score). It finds what does not fit a user's other items,
    such as misclicks; what fits and disappointed it hardly sees. A CSV stays a CSV, with four columns more.

    Of the folder of a run the rows are its TRAIN, judged by what it cut from the graph (run --clean), else by the
    predictions of its best epoch; with prediction stand what its kept epochs said of a pair: dropped, rescued, flags, fit
    (score). Where rows have known `noise`, AUC and calibration are told.

    --by user and --by item put those first whose rows look odd most surely (z): bots, shared accounts, users who choose
    at random; items that disappoint.

    \b
    Examples:
      llmhd denoise clicks.csv --user visitor --item sku -o judged.csv
      llmhd denoise clicks.csv --user visitor --item sku --drop --rejected noise.csv -o clean.csv
      llmhd denoise train.jsonl --items items.jsonl --share 0.1 -o judged.jsonl
      llmhd denoise runs/graph --drop -o clean.jsonl
      llmhd denoise train.jsonl --suspects suspects.jsonl --by user -o users.jsonl
    """
    import numpy as np

    from llmhd_tools import notes
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.streams import TABLES, check_output
    from llmhd_tools.files.tables import read_table
    from llmhd_tools.importers.whole import form_of, read_whole
    from llmhd_tools.measure.denoised import tell_noise
    from llmhd_tools.runs.denoised import judge_run, titled
    from llmhd_tools.runs.opened import Opened, is_run
    from llmhd_tools.stages.denoise import doubts, judge_rows

    if rejected and not drop:
        raise UsageError("--rejected takes what --drop leaves out; give --drop")
    if by and drop:
        raise UsageError("--by writes users or items, not rows; leave out --drop")
    if suspects and is_run(rows):
        raise UsageError("the run has its own suspects; give its TRAIN in its place, or leave out --suspects")
    form = None if is_run(rows) or by else form_of(rows)
    forms, instead = (TABLES, "") if form is None else ((".csv", ".tsv"), _STAYS)
    check_output(output, [rows, items, suspects], forms, instead)
    check_output(rejected, [rows, items, suspects, output], forms, instead)
    run = Opened.of(rows) if is_run(rows) else None
    whole = read_whole(rows, user, item, form) if (form := form_of(rows)) and not run else None
    table = run.train() if run else whole.interactions if whole else read_table(rows, "interactions")
    texts = read_table(items, "items") if items else None
    if run:
        found = judge_run(run, table, denoising, items=None if by == "item" else texts)
    else:
        judged = read_table(suspects, "suspects") if suspects else None
        found = judge_rows(table, denoising, items=None if judged and by == "item" else texts, suspects=judged)
    if by:
        _write_doubts(output, titled(doubts(table, found, by), texts, run))
    else:
        kept = ~found.is_noise if drop else np.ones(len(table), dtype=bool)
        _write_rows([(output, kept), (rejected, ~kept)], whole, table, found, denoising)
        become = ("left out" if drop else "called noise") + (f", in {rejected}" if rejected else "")
        notes.note(f"{found.is_noise.sum():,} of {len(table):,} rows are {become}")
    tell_noise(table, found)


def _write_rows(
    parts: Sequence[tuple[str | None, Any]], whole: Whole | None, table: Table, found: Evidence, how: Denoising
) -> None:
    """Write some of the rows to each output that is named, in the form in which they came."""
    from llmhd_tools.files.tables import write_table
    from llmhd_tools.importers.whole import check_new, write_whole
    from llmhd_tools.stages.denoise import with_evidence

    if whole is not None:
        check_new(whole, found.fields)
    judged = with_evidence(table, found, how) if whole is None else table
    for path, chosen in parts:
        if path is not None and whole is not None:
            cells = ((row, ["" if v is None else v for v in found.record(row).values()]) for row in chosen.nonzero()[0])
            write_whole(path, whole, found.fields, cells)
        elif path is not None:
            write_table(path, judged.take(chosen))


def _write_doubts(output: str, found: Table) -> None:
    """Write users or items; to a terminal the first of them, as a table."""
    import sys

    from llmhd_tools.files.tables import write_table
    from llmhd_tools.report.lists import draw_doubts

    if output == "-" and sys.stdout.isatty():
        draw_doubts(found)
    else:
        write_table(output, found)

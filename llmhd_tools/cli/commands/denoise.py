"""``llmhd denoise``: a user's own rows back, each with how much it looks like noise."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import File, Out, file
from llmhd_tools.settings import Denoising


def command(
    rows: Annotated[
        str, typer.Argument(help="Interactions: a CSV or TSV with a header, JSONL or NPZ.", metavar="ROWS")
    ],
    denoising: Denoising,
    user: Annotated[str, typer.Option("--user", help="Column of users, of a CSV or TSV.")] = "user",
    item: Annotated[str, typer.Option("--item", help="Column of items, of a CSV or TSV.")] = "item",
    items: Annotated[
        File, file("--items", "Item texts: rows are judged by them too, as TF-IDF of their words.")
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

    \b
    Examples:
      llmhd denoise clicks.csv --user visitor --item sku -o judged.csv
      llmhd denoise clicks.csv --user visitor --item sku --drop --rejected noise.csv -o clean.csv
      llmhd denoise train.jsonl --items items.jsonl --share 0.1 -o judged.jsonl
    """
    import numpy as np

    from llmhd_tools import notes
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.streams import TABLES, check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.importers.whole import check_new, form_of, read_whole, write_whole
    from llmhd_tools.stages.denoise import FIELDS, denoise, judge_rows

    if rejected and not drop:
        raise UsageError("--rejected takes what --drop leaves out; give --drop")
    form = form_of(rows)
    forms, instead = (
        (TABLES, "") if form is None else ((".csv", ".tsv"), "the rows of a CSV or TSV stay one; name it .csv")
    )
    check_output(output, [rows, items], forms, instead)
    check_output(rejected, [rows, items, output], forms, instead)
    texts = read_table(items, "items") if items else None
    if form is not None:
        whole = read_whole(rows, user, item, form)
        check_new(whole, FIELDS)
        found = judge_rows(whole.interactions, denoising, items=texts)
        noise = found.is_noise

        def write(path: str, chosen: np.ndarray) -> None:
            cells = ((row, list(found.record(row).values())) for row in np.flatnonzero(chosen).tolist())
            write_whole(path, whole, FIELDS, cells)
    else:
        table = denoise(read_table(rows, "interactions"), denoising, items=texts)
        noise = np.array([record["is_noise"] for record in table.extra or []], dtype=bool)

        def write(path: str, chosen: np.ndarray) -> None:
            write_table(path, table.take(chosen))

    write(output, ~noise if drop else np.ones(len(noise), dtype=bool))
    if rejected:
        write(rejected, noise)
    become = ("left out" if drop else "called noise") + (f", in {rejected}" if rejected else "")
    notes.note(f"{noise.sum():,} of {len(noise):,} rows are {become}")

"""``llmhd recommend``: what to show users, and what is like an item."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import File, Out, file, one_of
from llmhd_tools.settings import Recommending


def command(
    model: Annotated[
        str, typer.Argument(help="Embeddings, a model of `fit` or `blend`, or the folder of a run.", metavar="MODEL")
    ],
    recommending: Recommending,
    user: Annotated[list[str], typer.Option("--user", help="For this user; repeat it.", metavar="ID")] = [],  # noqa: B006
    everybody: Annotated[bool, typer.Option("--all", help="For every user who touched anything.")] = False,
    like: Annotated[
        str | None, typer.Option("--like", help="What is like this item, in the place of users.", metavar="ITEM")
    ] = None,
    exclude: Annotated[
        list[str], file("--exclude", "Pairs that users have seen; repeat it. Of a run its TRAIN is among them.")
    ] = [],  # noqa: B006
    items: Annotated[File, file("--items", "Item texts, for titles; of a run its own.")] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help="table or jsonl. [table on a terminal, else jsonl]", callback=one_of("table", "jsonl")
        ),
    ] = None,
    output: Out = "-",
) -> None:
    """Recommend items to users, or find what is like an item.

    All items that a user has not touched are ranked by the model's score, equal ones as `evaluate` ranks them. What users
    touched is known of a run's folder and of fitted models; for embeddings give it with --exclude. With --like the score is
    the cosine of item vectors, or what having that item alone adds to each other one's score. --all writes some hundred
    users at a time.

    \b
    Examples:
      llmhd recommend runs/llmhd --user reader-17 --why
      llmhd recommend ease.npz --user reader-17 --items items.jsonl --top 5
      llmhd recommend ease.npz --like b090 --items items.jsonl
      llmhd recommend emb-3.npz --exclude train.jsonl --all -o recs.jsonl
    """
    import sys

    from llmhd_tools import notes
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.table import concatenate
    from llmhd_tools.files.tables import read_table, write_chunks
    from llmhd_tools.report.lists import draw
    from llmhd_tools.runs.opened import read_model
    from llmhd_tools.stages.recommend import recommend_chunks

    if [bool(user), everybody, like is not None].count(True) != 1:
        raise UsageError("whose list? give --user ID, --all, or --like ITEM")
    if output != "-" and form:
        raise UsageError("--format is for stdout")
    check_output(output, [model, items, *exclude])
    ranker, run = read_model(model)
    texts = read_table(items, "items") if items else run.texts("items") if run else None
    seen = [read_table(path, "interactions") for path in exclude] + ([run.train()] if run else [])
    if ranker.kind == "embeddings" and not seen and like is None:
        notes.note("without --exclude what users have touched is recommended again")
    chunks = recommend_chunks(ranker, user or None, recommending, exclude=seen, items=texts, like=like)
    if output == "-" and (form or ("table" if sys.stdout.isatty() and not everybody else "jsonl")) == "table":
        draw(concatenate([*chunks]))
    else:
        write_chunks(output, chunks)

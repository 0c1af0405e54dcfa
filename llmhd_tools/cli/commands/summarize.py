"""``llmhd summarize``: each user's taste in words, from the texts of the items they touched."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import Items, Out, takes
from llmhd_tools.settings import Service


@takes()
def command(
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    items: Items,
    service: Service,
    output: Out = "-",
) -> int:
    """Write a profile for every user (T_sum).

    A user without a single item that has a text gets a record with `error` and an empty profile; exit 1 where that is
    every user.

    \b
    Examples:
      llmhd summarize train.jsonl --items items.jsonl -o profiles.jsonl
      llmhd summarize train.jsonl --items items.jsonl | head -1
    """
    from llmhd_tools import notes
    from llmhd_tools.cli.session import session
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import write_table
    from llmhd_tools.llm.reasons import Reasons
    from llmhd_tools.stages.dataset import read_dataset
    from llmhd_tools.stages.summarize import summarize
    from llmhd_tools.stages.texts import read_texts

    check_output(output, [train, items])
    item_texts = read_texts(items, "items")
    with session(service, "summarize", list(item_texts.values())) as asked:
        profiles = summarize(read_dataset(train), item_texts, asked.provider)
        if not asked.answers:
            return 0
        asked.complete()
        write_table(output, profiles)
    failed = sum(error is not None for error in profiles.columns.get("error", []))
    reasons, nothing = Reasons(profiles.columns.get("error", [])), failed == len(profiles)
    tell = notes.warn if nothing else notes.note
    tell(f"{len(profiles) - failed:,} profiles by {asked.provider.name}, {failed:,} users without one{reasons}")
    return int(nothing)

"""``llmhd summarize``: each user's taste in words, from the texts of the items they touched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from llmhd_tools.options import Items, Out, Quiet, Verbose
from llmhd_tools.options_llm import LlmOptions, takes_llm

if TYPE_CHECKING:
    from llmhd_tools.commands.loading import Training
    from llmhd_tools.files.columns import Column
    from llmhd_tools.files.tables import Table
    from llmhd_tools.llm.provider import Provider


@takes_llm()
def command(
    train: Annotated[str, typer.Argument(help="Training interactions.", metavar="TRAIN")],
    items: Items,
    llm: LlmOptions,
    output: Out = "-",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Write a profile for every user (T_sum).

    A user without a single item that has a text gets a record with `error` and an empty profile; exit 1 where that is
    every user.

    \b
    Examples:
      llmhd summarize train.jsonl --items items.jsonl -o profiles.jsonl
      llmhd summarize train.jsonl --items items.jsonl | head -1
    """
    from llmhd_tools import console
    from llmhd_tools.commands.loading import read_texts, read_training
    from llmhd_tools.commands.session import session
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import write_table

    check_output(output, [train, items])
    item_texts = read_texts(items, "items")
    with session(llm, "summarize", list(item_texts.values())) as asked:
        profiles = summarize(read_training(train), item_texts, asked.provider)
        if not asked.answers:
            return 0
        asked.complete()
        write_table(output, profiles)
    failed = sum(error is not None for error in profiles.columns.get("error", []))
    console.note(
        f"summarize: {len(profiles) - failed:,} profiles by {asked.provider.name}, {failed:,} users without one"
    )
    return int(failed == len(profiles))


def summarize(training: Training, items: Mapping[str, str], provider: Provider) -> Table:
    """A profile of every user in the order of the training ids; ``items`` maps an id's text to its text."""
    import numpy as np

    from llmhd_tools import console
    from llmhd_tools.core.metrics import ByUser
    from llmhd_tools.files.tables import Table
    from llmhd_tools.llm.provider import Answer, Summarize

    graph = training.graph
    touched = ByUser.of(graph.user, graph.item, graph.n_users)
    texts = [items.get(str(name)) for name in training.items.names]
    requests: list[Summarize | None] = []
    for user in range(graph.n_users):
        own = [text for item in touched.items[touched.start[user] : touched.start[user + 1]] if (text := texts[item])]
        requests.append(Summarize(str(training.users.names[user]), tuple(own)) if own else None)
    answers = provider.answer(console.progress([r for r in requests if r], "summarize"))
    none = Answer(None, "none of the user's items has a text")
    given = [next(answers) if request else none for request in requests]
    columns: dict[str, Column] = {
        "user": np.arange(graph.n_users, dtype=np.int32),
        "profile": [str(a.value or "") for a in given],
        "version": np.zeros(graph.n_users, dtype=np.int64),
        "model": [provider.name] * graph.n_users,
    }
    if any(a.error for a in given):
        columns["error"] = [a.error for a in given]
    return Table("profiles", columns, training.users)

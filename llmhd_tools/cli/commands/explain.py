"""``llmhd explain``: why a run decided as it did."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import one_of


def command(
    run: Annotated[str, typer.Argument(help="The folder of a run.", metavar="RUN")],
    user: Annotated[str, typer.Option("--user", help="Whose pairs.", metavar="ID")],
    item: Annotated[str | None, typer.Option("--item", help="The pair with this item alone.", metavar="ID")] = None,
    prompts: Annotated[
        bool, typer.Option("--prompts", help="The question about the pair too, as a language model gets it.")
    ] = False,
    form: Annotated[
        str | None,
        typer.Option("--format", help="text or json. [text on a terminal, else json]", callback=one_of("text", "json")),
    ] = None,
) -> None:
    """Tell all that a run knows of a user, or of a pair.

    Of a user the training pairs, those first that look most like noise (as `denoise RUN` has them). Of a pair, in training
    or not: its prediction and rank among all items and the user's own; the cleaning's line; of each epoch whose files are
    kept, and of the best one, loss, scores, verdict and the thresholds it was held against; and by the model's vectors the
    user's items and the users nearest to it, which is a likeness and no cause. Of both the profile's versions, with the
    words that changed. A run keeps the last --window epochs and what explains the best; run --keep keeps all.

    \b
    Examples:
      llmhd explain runs/llmhd --user reader-17
      llmhd explain runs/llmhd --user reader-17 --item b090
      llmhd explain runs/llmhd --user reader-17 --item b090 --format json | jq '.pair.history[].why'
    """
    import sys

    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.files.streams import open_out
    from llmhd_tools.report.explained import text_of
    from llmhd_tools.runs.explain import explain

    if prompts and item is None:
        raise UsageError("--prompts shows the question about a pair; give --item")
    found = explain(run, user, item, prompts=prompts)
    if (form or ("text" if sys.stdout.isatty() else "json")) == "json":
        write_records("-", [found])
        return
    with open_out("-") as out:
        out.write(text_of(found).encode())

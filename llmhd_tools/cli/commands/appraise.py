"""``llmhd appraise``: how well those who chose an item liked it, for every item."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import Out, takes
from llmhd_tools.settings import Appraising, Service


@takes(without=("expected_score", "budget"))
def command(
    items: Annotated[str, typer.Argument(help="Item texts; with --column any table.", metavar="ITEMS")],
    appraising: Appraising,
    service: Service,
    column: Annotated[
        str | None, typer.Option("--column", help="Ask nobody: take this column of ITEMS.", metavar="COLUMN")
    ] = None,
    lower: Annotated[bool, typer.Option("--lower", help="In --column less is better: returns, complaints.")] = False,
    item: Annotated[
        str, typer.Option("--item", help="The column of items beside --column.", metavar="COLUMN")
    ] = "item",
    output: Out = "-",
) -> int:
    """Appraise items: how well did those who chose each like it?

    One score an item, 1 to 10, several items a call: what a language model knows of an item, whoever asks. It is a prior
    for ranking (`blend --prior`). lexical and embed compare texts and cannot appraise; a column that you have, such as
    a mean rating or a return rate, can. An item without an answer gets an `error`; exit 1 where none has a score.

    \b
    Examples:
      llmhd appraise items.jsonl --llm openai:MODEL --domain movies --limit 3 -o few.jsonl
      llmhd appraise items.jsonl --llm openai:MODEL --domain movies -o appraisals.jsonl
      llmhd appraise products.csv --item sku --column return_rate --lower -o appraisals.jsonl
    """
    from llmhd_tools import notes
    from llmhd_tools.cli.session import session
    from llmhd_tools.errors import UsageError
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.files.tables import read_table, write_table
    from llmhd_tools.llm.reasons import Reasons
    from llmhd_tools.stages.appraise import appraisals_of, appraise
    from llmhd_tools.stages.together import Places

    check_output(output, [items])
    if column is not None:
        found = appraisals_of(items, item, column, lower)
        write_table(output, found)
        notes.note(f"{len(found):,} items have a value in column '{column}'")
        return 0
    if lower:
        raise UsageError("--lower says what --column means; give that too")
    table, places = read_table(items, "items"), Places()
    with session(service, "appraise", list(table.columns["profile"])) as asked:
        found = appraise(table, asked.provider, appraising, places=places)
        if not asked.answers:
            return 0
        asked.complete()
        write_table(output, found)
    failed = sum(error is not None for error in found.columns["error"])
    nothing = failed == len(found)
    tell = notes.warn if nothing else notes.note
    told = f"{len(found) - failed:,} items appraised by {asked.provider.name}, {failed:,} without a score"
    tell(f"{told}{Reasons(found.columns['error'])}{places}")
    return int(nothing)

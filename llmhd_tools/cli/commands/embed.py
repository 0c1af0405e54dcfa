"""``llmhd embed``: texts of items and users as vectors."""

from __future__ import annotations

from typing import Annotated

import typer

from llmhd_tools.cli.options import file, takes
from llmhd_tools.settings import Service


@takes(without=("domain", "templates", "budget", "expected_score", "price_out"))
def command(
    texts: Annotated[
        list[str],
        typer.Argument(help="Items, profiles, or both; the fields tell which. - is stdin.", metavar="TEXTS..."),
    ],
    output: Annotated[str, file("-o --output", "The vectors.")],
    service: Service,
    width: Annotated[int | None, typer.Option("--width", help="Width of lexical's vectors. [64]", min=1)] = None,
) -> int:
    """Turn the texts of items and users into vectors.

    openai:MODEL asks a service's embeddings endpoint, 64 texts a call, each kept in the cache; embed:MODEL is a local
    model; lexical projects word counts, of the texts of one call together. A text without a vector (blank, refused) is
    left out and counted; exit 1 where no text has one.

    \b
    Examples:
      llmhd embed items.jsonl profiles.jsonl --llm openai:text-embedding-3-small -o vectors.npz
      llmhd embed items.jsonl profiles.jsonl --llm embed:all-MiniLM-L6-v2 -o vectors.npz
      llmhd embed items.jsonl profiles.jsonl -o vectors.npz
    """
    from llmhd_tools import notes
    from llmhd_tools.cli.session import vector_session
    from llmhd_tools.files.streams import check_binary, check_output
    from llmhd_tools.files.tensors import write_tensors
    from llmhd_tools.llm.codec import TEXT_CHARS
    from llmhd_tools.llm.reasons import Reasons
    from llmhd_tools.stages.embed import read_named_texts, rows_of, vectors_of

    check_output(output, texts)
    check_binary(output)
    tables = read_named_texts(texts)
    with vector_session(service, "embed", width) as asked:
        given = [text for table in tables for text in table.columns["profile"]]
        rows = rows_of(given, asked.provider, reasons := Reasons())
        if not asked.answers:
            return 0
        asked.complete()
    if long := sum(len(text) > TEXT_CHARS for text in given):
        notes.note(f"{long:,} texts were cut to {TEXT_CHARS:,} characters")
    missing = sum(row is None for row in rows)
    tell = notes.warn if missing == len(rows) else notes.note
    tell(f"{len(rows) - missing:,} texts have a vector by {asked.provider.name}, {missing:,} have none{reasons}")
    if missing == len(rows):
        return 1
    write_tensors(output, vectors_of(tables, rows, asked.provider.name, width))
    return 0

"""``llmhd embed``: texts of items and users as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmhd_tools.errors import InputError, UsageError
from llmhd_tools.options import Quiet, Verbose
from llmhd_tools.options_llm import LlmOptions, takes_llm

if TYPE_CHECKING:
    from llmhd_tools.files.tables import Table
    from llmhd_tools.files.tensors import Tensors
    from llmhd_tools.llm.provider import TextProvider
    from llmhd_tools.llm.vectors import Vector


@takes_llm(without=("domain", "templates", "budget", "expected_score", "price_out"))
def command(
    texts: Annotated[
        list[str],
        typer.Argument(help="Items, profiles, or both; the fields tell which. - is stdin.", metavar="TEXTS..."),
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="The vectors.", metavar="FILE")],
    llm: LlmOptions,
    width: Annotated[int | None, typer.Option("--width", help="Width of lexical's vectors. [64]", min=1)] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
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
    from llmhd_tools import console
    from llmhd_tools.commands.session import vector_session
    from llmhd_tools.files.streams import check_binary, check_output
    from llmhd_tools.files.tensors import write_tensors
    from llmhd_tools.llm.vectors import TEXT_CHARS

    check_output(output, texts)
    check_binary(output)
    tables = _read(texts)
    with vector_session(llm, "embed", width) as asked:
        given = [text for table in tables for text in table.columns["profile"]]
        rows = _rows(given, asked.provider)
        if not asked.answers:
            return 0
        asked.complete()
    if long := sum(len(text) > TEXT_CHARS for text in given):
        console.note(f"embed: {long:,} texts were cut to {TEXT_CHARS:,} characters")
    missing = sum(row is None for row in rows)
    console.note(f"embed: {len(rows) - missing:,} texts have a vector by {asked.provider.name}, {missing:,} have none")
    if missing == len(rows):
        return 1
    write_tensors(output, vectors_of(tables, rows, asked.provider.name, width))
    return 0


def embedded(tables: Sequence[Table], provider: TextProvider, width: int | None) -> Tensors:
    """The vectors file of tables, profiles first."""
    rows = _rows([text for table in tables for text in table.columns["profile"]], provider)
    return vectors_of(tables, rows, provider.name, width)


def _rows(texts: Sequence[str], provider: TextProvider) -> list[Vector | None]:
    """The vector of each text, None where it has none."""
    from llmhd_tools import console
    from llmhd_tools.llm.vectors import unpack

    answers = console.progress(provider.answer(texts), "embedding", len(texts))
    return [None if answer.error is not None else unpack(str(answer.value)) for answer in answers]


def _read(paths: Sequence[str]) -> list[Table]:
    """The tables, profiles first. Raises UsageError or InputError where they are not one or two of different kinds."""
    from llmhd_tools.commands.loading import texts_of
    from llmhd_tools.files.kinds import read_any
    from llmhd_tools.files.tables import Table

    found: dict[str, Table] = {}
    for path in paths:
        table = read_any(path)
        if not isinstance(table, Table) or table.kind not in ("items", "profiles"):
            raise InputError(f"holds {table.kind}, but items or profiles are wanted here", where=path)
        if table.kind in found:
            raise UsageError(f"{found[table.kind].source} and {path} both hold {table.kind}; give one file of each")
        texts_of(table)  # refuses an id that stands twice
        found[table.kind] = table
    return [found[kind] for kind in ("profiles", "items") if kind in found]


def vectors_of(tables: Sequence[Table], rows: Sequence[Vector | None], name: str, width: int | None) -> Tensors:
    """The vectors file of tables and the vectors of their texts, one after the other; None leaves an id out.

    Raises InputError where the vectors differ in width.
    """
    import numpy as np

    from llmhd_tools.commands.loading import digest_of, texts_of
    from llmhd_tools.files.ids import Ids
    from llmhd_tools.files.provenance import made
    from llmhd_tools.files.tensors import Tensors

    arrays: dict[str, Any] = {}
    ids, left = {"user": Ids(), "item": Ids()}, iter(rows)
    for table in tables:
        side = "item" if table.kind == "items" else "user"
        names = table.ids(side).take(table[side])
        here = [(named, row) for named, row in zip(names, left, strict=False) if row is not None]
        if here:
            ids[side] = Ids([named for named, _ in here])
            arrays[side] = [row for _, row in here]
    if len(widths := {len(row) for side in arrays.values() for row in side}) > 1:
        what = f"vectors of different widths ({', '.join(map(str, sorted(widths)))}) come from the cache"
        raise InputError(f"{what}; name another --cache", where=name)
    inputs: dict[str, str | list[str]] = {table.kind: digest_of(texts_of(table)) for table in tables}
    meta = {"made": made("embed", {"llm": name, "width": width}, inputs)}
    arrays = {side: np.stack(side_rows) for side, side_rows in arrays.items()}
    return Tensors("vectors", arrays, ids["user"], ids["item"], meta)

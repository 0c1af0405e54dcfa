"""``llmhd cache``: look after the answers that were paid for."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from llmhd_tools.cli.options import Out, one_of
from llmhd_tools.errors import UsageError

if TYPE_CHECKING:
    from llmhd_tools.files.jsonl import Record
    from llmhd_tools.llm.calls import Reply


def command(
    action: Annotated[
        str,
        typer.Argument(help="stats, prune or export.", callback=one_of("stats", "prune", "export"), metavar="ACTION"),
    ],
    cache: Annotated[
        str | None, typer.Option("--cache", help="The cache. [$XDG_CACHE_HOME/llmhd/answers.sqlite]", metavar="FILE")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="Only answers of this model.")] = None,
    older_than: Annotated[
        float | None, typer.Option("--older-than", help="Only answers of so many days ago and more.", min=0)
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Only answers that were cut off, filtered or refused.")
    ] = False,
    output: Out = "-",
) -> None:
    """Look after the cache of answers.

    stats counts answers and tokens by model and template, export writes the answers, both as JSONL; prune deletes the
    chosen answers, which a later run will pay for again.

    \b
    Examples:
      llmhd cache stats
      llmhd cache export --model gpt-x -o answers.jsonl
      llmhd cache prune --unfinished
    """
    from contextlib import closing

    from llmhd_tools import notes
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.llm.cache import Cache
    from llmhd_tools.llm.endings import fault_of

    check_output(output)
    if action == "prune" and model is None and older_than is None and not unfinished:
        raise UsageError("prune needs --model, --older-than or --unfinished; to drop all, delete the file")
    before = None if older_than is None else time.time() - older_than * 86_400
    with closing(Cache(cache, must_exist=True)) as answers:
        chosen = (
            row
            for row in answers.rows()
            if (model is None or row[2] == model)
            and (before is None or row[4] <= before)
            and not (unfinished and fault_of(row[5].finish, row[5].text) is None)
        )
        if action == "prune":
            keys = [row[0] for row in chosen]
            answers.delete(keys)
            notes.note(f"{len(keys):,} answers deleted from {answers.path}")
        elif action == "export":
            heads = ("key", "host", "model", "template")
            write_records(output, (dict(zip(heads, row[:4], strict=True)) | asdict(row[5]) for row in chosen))
        else:
            records = _counted(chosen)
            write_records(output, records)
            notes.note(f"{sum(record['answers'] for record in records):,} answers in {answers.path}")


def _counted(rows: Iterable[tuple[str, str, str, str, float, Reply]]) -> list[Record]:
    """How many answers and tokens there are of each host, model and template."""
    count: Counter[tuple[str, str, str]] = Counter()
    tokens: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for _, host, model, template, _, reply in rows:
        count[host, model, template] += 1
        tokens[host, model, template]["prompt_tokens"] += reply.prompt_tokens
        tokens[host, model, template]["completion_tokens"] += reply.completion_tokens
    heads = ("host", "model", "template")
    return [dict(zip(heads, name, strict=True)) | {"answers": count[name]} | tokens[name] for name in sorted(count)]

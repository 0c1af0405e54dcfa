"""``llmhd cache``: look after the answers that were paid for."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import asdict
from typing import Annotated

import typer

from llmhd_tools.cli.options import Out, Quiet, Verbose, one_of
from llmhd_tools.errors import UsageError


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
    quiet: Quiet = False,
    verbose: Verbose = False,
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
    from llmhd_tools.files.jsonl import Record, write_records
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.llm.cache import Cache

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
            and not (unfinished and row[5].finish == "stop")
        )
        if action == "prune":
            keys = [row[0] for row in chosen]
            answers.delete(keys)
            notes.note(f"{len(keys):,} answers deleted from {answers.path}")
        elif action == "export":
            heads = ("key", "host", "model", "template")
            write_records(output, (dict(zip(heads, row[:4], strict=True)) | asdict(row[5]) for row in chosen))
        else:
            count: Counter[tuple[str, str, str]] = Counter()
            tokens: defaultdict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
            for _, *group, _, reply in chosen:
                name = (str(group[0]), str(group[1]), str(group[2]))
                count[name] += 1
                tokens[name]["in"] += reply.prompt_tokens
                tokens[name]["out"] += reply.completion_tokens
            records: list[Record] = [
                {"host": host, "model": named, "template": template, "answers": count[host, named, template],
                 "prompt_tokens": tokens[host, named, template]["in"],
                 "completion_tokens": tokens[host, named, template]["out"]}
                for host, named, template in sorted(count)
            ]  # fmt: skip
            write_records(output, records)
            notes.note(f"{sum(count.values()):,} answers in {answers.path}")

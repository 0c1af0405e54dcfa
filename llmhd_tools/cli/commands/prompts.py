"""``llmhd prompts``: the prompts as they would be sent, for one user and one item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from llmhd_tools.cli.options import Items, one_of
from llmhd_tools.errors import InputError


def command(
    profiles: Annotated[str, typer.Argument(help="User profiles.", metavar="PROFILES")],
    items: Items,
    user: Annotated[str, typer.Option("--user", help="Whose profile. [the first]", metavar="ID")] = "",
    item: Annotated[str, typer.Option("--item", help="Which item. [the first]", metavar="ID")] = "",
    domain: Annotated[
        str,
        typer.Option(
            "--domain",
            help="books, restaurants, games, movies, generic.",
            callback=one_of("books", "restaurants", "games", "movies", "generic"),
        ),
    ] = "generic",
    templates: Annotated[
        str | None, typer.Option("--templates", help="Your own nine templates.", metavar="FOLDER")
    ] = None,
) -> None:
    """Print the prompts, filled in for a user and an item.

    All eight questions (T_sum, T_score, the same for several items together, T_FP, T_FN, the two of relate, and that of
    appraise), each after the role that goes first. A folder for --templates holds role.txt, summarize.txt, score.txt,
    score-together.txt, false-positive.txt, false-negative.txt, relate-user.txt, relate-item.txt and appraise.txt; the
    places to fill are {profile}, {item}, {items} and {known}.

    \b
    Examples:
      llmhd prompts profiles.jsonl --items items.jsonl --user reader-7 --item b012 --domain books
      llmhd prompts profiles.jsonl --items items.jsonl --templates my-templates | less
    """
    import sys

    from llmhd_tools.llm.prompts import load_templates, render, template_of
    from llmhd_tools.llm.requests import (
        Appraise,
        ItemView,
        Request,
        Revise,
        Score,
        ScoreTogether,
        Summarize,
        UserView,
    )
    from llmhd_tools.stages.texts import read_texts

    loaded = load_templates(templates or domain)
    profile = _pick(read_texts(profiles, "profiles"), user, profiles, "user")
    text = _pick(read_texts(items, "items"), item, items, "item")
    requests: list[Request] = [
        Summarize(user, (text,)),
        Score(profile, text),
        ScoreTogether(profile, (text,)),
        Revise(profile, (text,), "false-positive"),
        Revise(profile, (text,), "false-negative"),
        UserView(profile, text),
        ItemView((text,), text),
        Appraise((text,)),
    ]
    for request in requests:
        for message in render(request, loaded):
            sys.stdout.write(f"=== {template_of(request)}, {message['role']}\n{message['content']}\n\n")


def _pick(texts: Mapping[str, str], name: str, path: str, side: str) -> str:
    if not name and texts:
        name = next(iter(texts))
    if not texts.get(name):
        raise InputError(f"has no text for {side} '{name}'", where=path)
    return texts[name]

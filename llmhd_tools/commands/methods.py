"""What ``--backbone`` and ``--denoise`` add to a command's help."""

from __future__ import annotations

import typer

from llmhd_tools.registry import STAGED


def tell(args: list[str]) -> None:
    """Print the options of the methods that stand among a command's words, if any do."""
    named = {"--backbone": "", "--denoise": ""}
    for word, following in zip(args, [*args[1:], ""], strict=True):
        option, equals, value = word.partition("=")
        if option in named:
            named[option] = value if equals else following
    if any(named.values()):
        from llmhd_tools.train.methods import describe

        denoise = "none" if named["--denoise"] in STAGED else named["--denoise"] or "none"
        typer.echo(describe(named["--backbone"] or "lightgcn", denoise), nl=False)

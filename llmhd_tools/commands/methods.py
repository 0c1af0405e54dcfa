"""What ``--backbone``, ``--denoise`` and ``--preset`` add to a command's help."""

from __future__ import annotations

import typer

from llmhd_tools.commands.configs import PRESETS, path_of
from llmhd_tools.registry import STAGED


def tell(args: list[str]) -> None:
    """Print the options of the methods, and the preset, that stand among a command's words, if any do."""
    named = {"--backbone": "", "--denoise": "", "--preset": ""}
    for word, following in zip(args, [*args[1:], ""], strict=True):
        option, equals, value = word.partition("=")
        if option in named:
            named[option] = value if equals else following
    if (name := named.pop("--preset")) in PRESETS:
        path = path_of(name)
        typer.echo(f"\n{path}:\n\n{path.read_text(encoding='utf-8')}", nl=False)
    if any(named.values()):
        from llmhd_tools.train.methods import describe

        denoise = "none" if named["--denoise"] in STAGED else named["--denoise"] or "none"
        typer.echo(describe(named["--backbone"] or "lightgcn", denoise), nl=False)

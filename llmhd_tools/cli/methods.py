"""What ``--backbone``, ``--denoise``, ``--negatives`` and ``--preset`` add to a command's help."""

from __future__ import annotations

import typer

from llmhd_tools.cli.configs import PRESETS, path_of
from llmhd_tools.registry import STAGED


def tell(args: list[str]) -> None:
    """Print the options of the methods, and the preset, that stand among a command's words, if any do."""
    plain = {"backbone": "lightgcn", "denoise": "none", "negatives": "uniform"}
    chosen: dict[str, str] = {}
    for word, following in zip(args, [*args[1:], ""], strict=True):
        option, equals, value = word.partition("=")
        if option.removeprefix("--") in (*plain, "preset"):
            chosen[option.removeprefix("--")] = value if equals else following
    if (name := chosen.pop("preset", "")) in PRESETS:
        path = path_of(name)
        typer.echo(f"\n{path}:\n\n{path.read_text(encoding='utf-8')}", nl=False)
    if any(chosen.values()):
        from llmhd_tools.train.methods import describe

        if chosen.get("denoise") in STAGED:
            del chosen["denoise"]
        typer.echo(describe(plain | chosen), nl=False)

"""The ``llmhd`` app: its commands, in groups, and ``main``."""

from __future__ import annotations

import importlib
import sys

import typer

from llmhd_tools import __version__, console

GROUPS = {
    "Data": {
        "import": "import_",
        "inject-noise": "inject_noise",
        "convert": "convert",
        "validate": "validate",
    },
    "Language model": {
        "summarize": "summarize",
        "score": "score",
        "update-profiles": "update_profiles",
        "prompts": "prompts",
        "cache": "cache",
        "batch": "batch",
    },
    "Training": {"train-epoch": "train_epoch", "prune": "prune", "run": "run"},
    "Measuring": {"evaluate": "evaluate"},
}

_HELP = """Find and handle noise in the implicit feedback that recommenders learn from.

Small commands over JSONL and NPZ files, joined by pipes. Data goes to stdout, talk to stderr. Exit codes: 0 good,
1 input or check failed, 2 usage, 3 LLM service, 4 device or memory, 70 our bug, 130 interrupted, 141 reader gone."""


def _version(value: bool) -> None:
    if value:
        typer.echo(f"llmhd {__version__}")
        raise typer.Exit


def build_app() -> typer.Typer:
    """The typer app. Command modules import only stdlib, numpy-free schema and typer at their top."""
    app = typer.Typer(
        name="llmhd",
        help=_HELP,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
    )

    @app.callback()
    def _root(
        version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
    ) -> None:
        pass

    for commands in GROUPS.values():
        for name, module in commands.items():
            app.command(name)(importlib.import_module(f"llmhd_tools.commands.{module}").command)
    return app


def main(args: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    args = sys.argv[1:] if args is None else args
    known = {name for commands in GROUPS.values() for name in commands}
    name = f"llmhd {args[0]}" if args and args[0] in known else "llmhd"
    console.Level.quiet = console.Level.verbose = False
    return console.guard(name, lambda: build_app()(args=args, prog_name="llmhd", standalone_mode=False))

"""The ``llmhd`` app: its commands, in groups, and ``main``."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from llmhd_tools import __version__
from llmhd_tools.cli import console, torchrun
from llmhd_tools.cli.help import Command
from llmhd_tools.cli.options import expand
from llmhd_tools.errors import UsageError

GROUPS = {
    "Data": {
        "import": "import_",
        "inject-noise": "inject_noise",
        "convert": "convert",
        "validate": "validate",
        "stat": "stat",
        "view": "view",
        "doctor": "doctor",
    },
    "Language model": {
        "embed": "embed",
        "summarize": "summarize",
        "score": "score",
        "appraise": "appraise",
        "distil": "distil",
        "update-profiles": "update_profiles",
        "relate": "relate",
        "prompts": "prompts",
        "cache": "cache",
        "batch": "batch",
    },
    "Training": {
        "train-epoch": "train_epoch",
        "prune": "prune",
        "suspect": "suspect",
        "align": "align",
        "denoise": "denoise",
        "fit": "fit",
        "blend": "blend",
        "run": "run",
        "tune": "tune",
    },
    "Results": {
        "recommend": "recommend",
        "explain": "explain",
    },
    "Measuring": {
        "evaluate": "evaluate",
        "diagnose": "diagnose",
        "judge": "judge",
        "compare": "compare",
        "plot": "plot",
        "report": "report",
    },
}

_HELP = """Find and handle noise in the implicit feedback that recommenders learn from.

Small commands over JSONL and NPZ files, joined by pipes. Data goes to stdout, talk to stderr. Exit codes: 0 good,
1 input or check failed, 2 usage, 3 LLM service, 4 device or memory, 70 our bug, 130 interrupted,
141 reader gone, 143 ended by SIGTERM."""


_WORDS = {"help_option_names": ["-h", "--help"]}


def _version(value: bool) -> None:
    if value:
        typer.echo(f"llmhd {__version__}")
        raise typer.Exit


REMOVED = {
    "--preset": "--config NAME",
    "--trim": "the last part of --select trimmed:ndcg@10:0.2",
    "--threshold-alpha": "the third number of --pair-threshold 7:3:5000 and its like",
    "--clean-vectors": "--vectors",
}
# what people call a command that has another name here
MEANT = {
    "clean": "denoise", "filter": "denoise", "detect": "suspect", "find": "suspect", "predict": "recommend",
    "rank": "recommend", "topk": "recommend", "similar": "recommend --like", "why": "explain", "stats": "stat",
    "info": "stat", "describe": "stat", "summary": "stat", "provenance": "stat", "head": "view --limit 10",
    "show": "view", "cat": "view", "query": "view", "split": "import", "load": "import", "export": "convert",
    "train": "run", "fit-model": "fit", "test": "evaluate", "eval": "evaluate", "check": "validate",
    "env": "doctor", "profile": "summarize", "profiles": "summarize", "runs": "compare", "ensemble": "blend",
    "grid": "tune", "sweep": "tune", "hyperopt": "tune", "optimize": "tune",
}  # fmt: skip
MODULES = {name: module for commands in GROUPS.values() for name, module in commands.items()}


class _Grouped(TyperGroup):
    """The commands under their headings, in the order of ``GROUPS``; each is built only when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names."""
        return list(MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command; None where there is none of this name. Raises UsageError with the name that is likely meant."""
        if cmd_name not in MODULES and MEANT.get(cmd_name, "").split(" ")[0] in MODULES:
            raise UsageError(f"there is no command '{cmd_name}'; `llmhd {MEANT[cmd_name]}` may be what you mean")
        return build_command(cmd_name) if cmd_name in MODULES else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands, with the first line of what each says of itself."""
        for group, commands in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl([(name, (_load(name).__doc__ or "").split("\n")[0]) for name in commands])


def _load(name: str) -> Any:
    return importlib.import_module(f"llmhd_tools.cli.commands.{MODULES[name]}").command


def _typer(**more: Any) -> typer.Typer:
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=_WORDS, **more)


def build_command(name: str) -> Any:
    """One command, with all its options. Raises KeyError for a name that is none."""
    app = _typer(add_completion=False)
    app.command(name, cls=Command, context_settings=_WORDS)(expand(_load(name)))
    return typer.main.get_command(app)


def build_app() -> Any:
    """The group of all commands. Command modules import only stdlib, settings and typer at their top."""
    app = _typer(name="llmhd", cls=_Grouped, help=_HELP, invoke_without_command=True)

    @app.callback()
    def _root(
        context: typer.Context,
        version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
    ) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help(), err=True)
            raise typer.Exit(2)

    return typer.main.get_command(app)


def _invoke(args: list[str]) -> int | None:
    """Run the app without click's own handling of errors, which takes a reader that is gone for a plain failure."""
    app = build_app()
    if "_LLMHD_COMPLETE" in os.environ:  # the shell asks what may come next
        app.main([], prog_name="llmhd")
    try:
        with app.make_context("llmhd", list(args)) as context:
            code: int | None = app.invoke(context)
            return code
    except typer.Exit as done:
        return done.exit_code
    except Exception as error:
        if (now := REMOVED.get(getattr(error, "option_name", ""))) is not None:
            raise UsageError(f"there is no {error.option_name} any more; it is {now}") from None  # type: ignore[attr-defined]
        raise


def main(args: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    args = sys.argv[1:] if args is None else args
    if args[:1] == ["help"]:
        args = [*args[1:2], "--help"]
    name = f"llmhd {args[0]}" if args and args[0] in MODULES else "llmhd"
    console.listen(args[0] if name != "llmhd" else name)
    # Numpy is loaded after this. Threads of its products would spin while they wait for the next block of rows, and
    # take the processor from whatever else runs; ranking runs blocks side by side instead.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if torchrun.started():
        return torchrun.one_of_several(args[0] if args else "", name, lambda: _invoke(args))
    return console.guard(name, lambda: console.stoppable(lambda: _invoke(args)))

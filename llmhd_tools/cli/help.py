"""The help of a command: options in groups, a method's own only once that method is named among the words."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import Any

from typer.core import TyperCommand

from llmhd_tools.cli.options import needs_here
from llmhd_tools.registry import STAGED
from llmhd_tools.settings import asked_for, purpose

WHOLE: ContextVar[bool] = ContextVar("llmhd-help", default=False)  # told whole, as a page of the docs has it
_METHODS = {"backbone": "lightgcn", "loss": "bpr", "denoise": "none", "negatives": "uniform"}  # unless named


class Command(TyperCommand):
    """A command of ``llmhd``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words; the help may want to know them."""
        ctx.meta["llmhd.words"] = list(args)
        return list(super().parse_args(ctx, args))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The arguments, then the options by group; of options for what was not named, only what they are for."""
        params = self.get_params(ctx)
        if arguments := [p.get_help_record(ctx) for p in params if p.param_type_name == "argument"]:
            with formatter.section("Arguments"):
                formatter.write_dl([record for record in arguments if record])
        shown: dict[str, list[tuple[str, str]]] = {}
        folded: dict[str, list[str]] = {}
        needs, named = needs_here(ctx), named_words(self, ctx)
        given = {param.name: param.default for param in params} | named
        for param in params:
            if param.param_type_name != "option" or (record := param.get_help_record(ctx)) is None:
                continue
            beside = needs.get(param.name, ())
            if WHOLE.get() or asked_for(beside, given) or param.name in named:
                shown.setdefault(getattr(param, "rich_help_panel", None) or "Options", []).append(record)
            else:
                folded.setdefault(purpose(beside), []).append(param.opts[-1])
        for title, records in shown.items():
            with formatter.section(title):
                formatter.write_dl(records)
        if folded:
            with formatter.section("More, told by --help beside what they are for"):
                formatter.write_dl([(what, " ".join(options)) for what, options in folded.items()])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The options of the methods, and the preset, that stand among the words."""
        super().format_epilog(ctx, formatter)
        named = named_words(self, ctx)
        for path in named.get("config") or ():
            from llmhd_tools.settings.configs import PRESETS, path_of

            if path in PRESETS:
                formatter.write(f"\n{path_of(path)}:\n\n{path_of(path).read_text(encoding='utf-8')}")
        methods = {k: named[k] for k in _METHODS if named.get(k)}
        if methods and "set" in {param.name for param in self.params}:
            from llmhd_tools.train.methods import describe

            if methods.get("denoise") in STAGED:
                del methods["denoise"]
            formatter.write(describe(_METHODS | methods))


def named_words(command: Any, ctx: Any) -> dict[str, Any]:
    """The options that stand among the words of the command line, checked or not."""
    with contextlib.suppress(Exception):  # the words may be wrong; then help is what is wanted most
        return dict(command.make_parser(ctx).parse_args(args=list(ctx.meta.get("llmhd.words", [])))[0])
    return {}

"""Options on the command line that nothing reads, because what they are for was not asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import typer

from llmhd_tools import notes
from llmhd_tools.errors import UsageError

Uses = Mapping[str, tuple[bool, Iterable[str]]]  # what options are for: whether that is asked for, and their names
_FILES = ("clean_vectors", "usage")  # for one purpose only: more likely a word is missing than one too many


def find_unused(context: typer.Context, uses: Uses) -> str:
    """The options that stand there for nothing, as a sentence for ``tell_unused``; "" where there are none.

    Defaults, presets and --config files may say more than a run needs, so only the command line counts. Raises
    UsageError where a file would be neither read nor written.
    """
    told = []
    for purpose, (asked, names) in uses.items():
        if asked or not (found := _given(context, names)):
            continue
        for name in _FILES:
            if name in found:
                raise UsageError(f"{found[name]} is for {purpose}; ask for that or leave it out")
        told.append(f"{', '.join(found.values())} (for {purpose})")
    return f"not used here: {'; '.join(told)}" if told else ""


def tell_unused(unused: str) -> None:
    """Say what ``find_unused`` found. Words that several runs share may well hold options that one of them leaves idle."""
    if unused:
        notes.note(unused)


def _given(context: typer.Context, names: Iterable[str]) -> dict[str, str]:
    """Those of the parameters that are on the command line, as they are spelt there."""
    spelt = {
        p.name: p.opts if context.params.get(str(p.name)) else p.secondary_opts or p.opts
        for p in context.command.params
    }
    sources = {name: context.get_parameter_source(name) for name in names}
    return {
        name: spelt[name][0] for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"
    }

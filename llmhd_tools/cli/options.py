"""The sections of ``settings.py`` as options of commands, and the few options that belong to no section.

Nothing heavy is imported here, so that ``--help`` stays quick.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any

import typer

from llmhd_tools.cli import console
from llmhd_tools.errors import UsageError
from llmhd_tools.settings import Choice, Needs, Section, asked_for, choices_of, purpose

FILES, CONTROL = "Files", "Control"

Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Say nothing on stderr but warnings and errors.",
        callback=console.quiet,
        rich_help_panel=CONTROL,
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="Show the traceback of an error.", callback=console.verbose, rich_help_panel=CONTROL
    ),
]
EVERYWHERE = {"quiet": Quiet, "verbose": Verbose}  # options of every command, which `expand` adds
Out = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        help="Where to write; .npz binary, else JSONL; - is stdout.",
        metavar="FILE",
        rich_help_panel=FILES,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of all random draws.", min=0)]
Items = Annotated[str, typer.Option("--items", help="Item texts (kind items).", metavar="FILE", rich_help_panel=FILES)]
History = Annotated[
    list[str],
    typer.Option(
        "--history",
        help="Embeddings of the last epochs, oldest first; repeat it, one file each.",
        metavar="FILE",
        rich_help_panel=FILES,
    ),
]
More = Annotated[
    list[str],
    typer.Argument(
        help="Further files of --history, so that --history emb-{1,2}.npz can stand for two.", metavar="[HISTORY]..."
    ),
]
File = str | None


def file(words: str, text: str, **more: Any) -> Any:
    """An option that names a file."""
    return typer.Option(*words.split(), help=text, metavar="FILE", rich_help_panel=FILES, **more)


def one_of(*choices: str) -> Callable[[str | None], str | None]:
    """A callback that accepts only ``choices`` (or None)."""

    def check(value: str | None) -> str | None:
        if value is not None and value not in choices:
            raise typer.BadParameter(f"'{value}' is unknown; choose from {', '.join(choices)}")
        return value

    return check


@dataclass(frozen=True)
class _Taking:
    """How a command takes sections; see ``takes``."""

    without: Collection[str] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[type[Section] | str, Sequence[Needs]] = field(default_factory=dict)
    strict: Collection[str] = ()


def takes(**how: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a command whose parameters may be sections: the place of each is taken by one option for every choice.

    ``without`` names choices that the command does not have, ``defaults`` what they are here where that is not the usual.
    ``needs`` says what the choices of a section, or an option, count beside, where that differs from the declaration;
    ``strict`` names options that are refused, not told, where nothing reads them.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        command.taking = _Taking(**how)  # type: ignore[attr-defined]
        return command

    return decorate


def expand(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command as typer wants it, with an option for each choice; done only for the command that is called."""
    how: _Taking = getattr(command, "taking", _Taking())
    hints = typing.get_type_hints(command, include_extras=True)
    sections = {n: h for n, h in hints.items() if isinstance(h, type) and issubclass(h, Section)}
    choices = {name: _choices(section, how) for name, section in sections.items()}

    def with_options(**given: Any) -> Any:
        for name in EVERYWHERE:  # their callbacks have acted
            del given[name]
        for name, section in sections.items():
            own = {choice: given.pop(choice) for choice in choices[name]}
            given[name] = section(**{k: tuple(v) if isinstance(v, list) else v for k, v in own.items()})
        return command(**given)

    parameters = []
    for parameter in inspect.signature(command).parameters.values():
        if (section := sections.get(parameter.name)) is None:
            annotated = parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            parameters.append(annotated)
        else:
            parameters += [_option(section, n, spec, how) for n, spec in choices[parameter.name].items()]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in EVERYWHERE.items()
    ]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    with_options.__doc__, with_options.__name__ = command.__doc__, command.__name__
    with_options.__module__ = command.__module__
    options = {
        n: Choice("", needs=tuple(what), strict=n in how.strict) for n, what in how.needs.items() if type(n) is str
    }
    with_options.choices = {n: s for specs in choices.values() for n, s in specs.items()} | options  # type: ignore[attr-defined]
    return with_options


def _choices(section: type[Section], how: _Taking) -> dict[str, Choice]:
    found = {name: spec for name, spec in choices_of(section).items() if name not in how.without}
    if section in how.needs:
        found = {name: replace(spec, needs=tuple(how.needs[section])) for name, spec in found.items()}
    return found


def _option(section: type[Section], name: str, spec: Choice, how: _Taking) -> inspect.Parameter:
    """The option of one choice."""
    kind = typing.get_type_hints(section)[name]
    default = how.defaults.get(name, next(f.default for f in fields(section) if f.name == name))
    if repeated := isinstance(default, tuple):
        kind, default = list[str], list(default)
    kind = str if spec.span else kind
    plain = f"--{name.replace('_', '-')}"
    words = spec.words or (f"{plain}/--no-{plain[2:]}" if kind is bool else plain)
    text = spec.help
    if text.endswith(":") or not text:
        text += f" {', '.join(spec.of)}{', or module:Class of your own' if spec.own else ''}."
    if shown := _shown(spec, None if repeated else default):
        text += f" [{shown}]"
    option = typer.Option(
        words, help=text.strip(), metavar=spec.metavar or None, rich_help_panel=section.title, show_default=False
    )
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


def _shown(spec: Choice, default: Any) -> str:
    """The default and the range of a choice, as its help shows them."""
    if isinstance(default, bool):
        words = (spec.words or "on/off").split("/")
        return f"default: {words[not default].removeprefix('--')}" if len(words) > 1 else ""
    shown = f"{default:g}" if isinstance(default, float) else default
    parts = [f"default: {spec.usual or shown}"] if spec.usual or default is not None else []
    if spec.low is not None and spec.high is not None:
        parts.append(f"{spec.low:g} to {spec.high:g}")
    elif spec.low:
        parts.append(f"from {spec.low:g}")
    return "; ".join(parts)


def needs_here(context: Any) -> dict[str, tuple[Needs, ...]]:
    """What each choice of the command counts beside, of what the command has options for."""
    options = {param.name for param in context.command.params}
    found: dict[str, tuple[Needs, ...]] = {}
    for name, spec in getattr(context.command.callback, "choices", {}).items():
        alternatives = [{k: v for k, v in one.items() if k in options} for one in spec.needs]
        if alternatives and all(alternatives):
            found[name] = tuple(alternatives)
    return found


def find_unused(context: typer.Context) -> str:
    """The options on the command line that stand there for nothing, as a sentence for a note; "" where there are none.

    Defaults and --config files may say more than a command needs, so only the command line counts. Raises UsageError
    where a file would be neither read nor written.
    """
    idle: dict[str, list[str]] = {}
    choices = context.command.callback.choices  # type: ignore[union-attr]
    for name, needs in needs_here(context).items():
        if (option := _on_command_line(context, name)) is None or asked_for(needs, context.params):
            continue
        if choices[name].strict:
            raise UsageError(f"{option} is for {purpose(needs)}; ask for that or leave it out")
        idle.setdefault(purpose(needs), []).append(option)
    told = "; ".join(f"{', '.join(options)} (for {what})" for what, options in idle.items())
    return f"not used here: {told}" if told else ""


def find_idle(context: typer.Context, names: Collection[str], what: str) -> str:
    """As ``find_unused``, of options that count for ``what`` alone, where that turned out not to be so."""
    options = [option for name in names if (option := _on_command_line(context, name))]
    return f"not used here: {', '.join(options)} (for {what})" if options else ""


def _on_command_line(context: typer.Context, name: str) -> str | None:
    """An option as it is spelt on the command line; None where it is not there."""
    source = context.get_parameter_source(name)
    if source is None or source.name != "COMMANDLINE":
        return None
    param = next(p for p in context.command.params if p.name == name)
    return (param.opts if context.params.get(name) else param.secondary_opts or param.opts)[0]

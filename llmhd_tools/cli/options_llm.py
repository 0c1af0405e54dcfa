"""The options of ``--llm``: one dataclass, and a decorator that gives its fields to a command as options."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

import typer

_SERVICE = "Language model service"


def _option(name: str, text: str, **more: Any) -> Any:
    return typer.Option(name, help=text, rich_help_panel=_SERVICE, **more)


def _rate(value: float | None) -> float | None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise typer.BadParameter("must be a number above 0")
    return value


File = str | None
Rate = float | None


@dataclass(frozen=True)
class LlmOptions:
    """Who answers, and how it is asked. All but ``llm`` count for ``openai:MODEL`` only."""

    llm: Annotated[
        str,
        typer.Option(
            "--llm",
            help="Who answers: lexical (word overlap, not an LLM), embed:MODEL (local sentence embeddings), "
            "openai:MODEL (any OpenAI-compatible service; OPENAI_API_KEY, OPENAI_BASE_URL).",
        ),
    ] = "lexical"
    base_url: Annotated[File, _option("--base-url", "The service's address. [$OPENAI_BASE_URL]", metavar="URL")] = None
    api_key_file: Annotated[
        File, _option("--api-key-file", "Read the key from a file, not OPENAI_API_KEY.", metavar="FILE")
    ] = None
    domain: Annotated[
        str, _option("--domain", "Wording of the prompts: books, restaurants, games, movies, generic.")
    ] = "generic"
    templates: Annotated[File, _option("--templates", "Your own seven templates instead.", metavar="FOLDER")] = None
    param: Annotated[
        list[str],
        _option(
            "--param", "Sent as it is, such as temperature=0; repeat it. Nothing is sent unasked.", metavar="NAME=V"
        ),
    ] = field(default_factory=list)
    budget: Annotated[
        int | None, _option("--budget", "Tokens of a prompt; a longer history loses items, counted and told.", min=200)
    ] = None
    expected_score: Annotated[
        bool, _option("--expected-score", "Score by the mean over the answer's token probabilities.")
    ] = False
    cache: Annotated[
        File, _option("--cache", "Keep answers here. [$XDG_CACHE_HOME/llmhd/answers.sqlite]", metavar="FILE")
    ] = None
    offline: Annotated[bool, _option("--offline", "Answer from the cache alone; fail where it lacks one.")] = False
    max_in_flight: Annotated[int, _option("--max-in-flight", "At most so many calls at a time.", min=1, max=4096)] = 64
    rpm: Annotated[Rate, _option("--rpm", "At most so many requests a minute.", callback=_rate)] = None
    tpm: Annotated[Rate, _option("--tpm", "At most so many tokens a minute.", callback=_rate)] = None
    deadline: Annotated[float, _option("--deadline", "Seconds that one call may take.", callback=_rate)] = 60.0
    attempts: Annotated[int, _option("--attempts", "At most so many attempts at one call.", min=1, max=10)] = 5
    usage: Annotated[
        File,
        _option("--usage", "Write calls and tokens per template (JSONL); estimates without a service.", metavar="FILE"),
    ] = None
    dry_run: Annotated[bool, _option("--dry-run", "Ask nothing; say what would be asked and cost.")] = False
    price_in: Annotated[Rate, _option("--price-in", "Price of a million prompt tokens.", min=0)] = None
    price_out: Annotated[Rate, _option("--price-out", "Price of a million answer tokens.", min=0)] = None
    requests: Annotated[File, _option("--requests", "Ask nothing; write batch requests instead.", metavar="FILE")] = (
        None
    )
    responses: Annotated[
        list[str], _option("--responses", "Take answers from a batch's files; repeat it.", metavar="FILE")
    ] = field(default_factory=list)


NAMES = tuple(f.name for f in fields(LlmOptions))
ONE_BY_ONE = ("dry_run", "price_in", "price_out", "requests", "responses")  # make no sense where answers steer the work


def takes_llm(*, without: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a command that has a parameter ``llm: LlmOptions``: its place is taken by one option for each field."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        hints = typing.get_type_hints(LlmOptions, include_extras=True)
        chosen = [f for f in fields(LlmOptions) if f.name not in without]

        def with_options(*args: Any, **given: Any) -> Any:
            options = LlmOptions(**{f.name: given.pop(f.name) for f in chosen})
            return command(*args, llm=options, **given)

        signature = inspect.signature(command)
        own = typing.get_type_hints(command, include_extras=True)
        parameters = []
        for parameter in signature.parameters.values():
            if parameter.name != "llm":
                annotated = parameter.replace(annotation=own[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
                parameters.append(annotated)
                continue
            for spec in chosen:
                default = spec.default_factory() if callable(spec.default_factory) else spec.default
                parameters.append(
                    inspect.Parameter(
                        spec.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[spec.name]
                    )
                )
        with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {p.name: p.annotation for p in parameters}
        with_options.__doc__, with_options.__name__ = command.__doc__, command.__name__
        with_options.__module__ = command.__module__
        return with_options

    return decorate

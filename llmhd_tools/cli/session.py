"""Where the options of ``--llm`` become a provider, and where what it did is told."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from llmhd_tools import notes
from llmhd_tools.cli import console
from llmhd_tools.errors import Interrupted, UsageError
from llmhd_tools.settings import Service

if TYPE_CHECKING:
    from llmhd_tools.llm.requests import Provider, TextProvider
    from llmhd_tools.llm.service.asking import Asks


@dataclass(frozen=True)
class Session:
    """A provider for a command: a Provider, or from ``vector_session`` a TextProvider.

    ``answers`` is False where it gives none (--dry-run, --requests): then nothing is to be written. ``complete`` is
    called after the last request and before the output counts; it raises what only then is known to be wrong.
    """

    provider: Any
    answers: bool = True
    complete: Callable[[], None] = lambda: None


@contextlib.contextmanager
def session(options: Service, command: str, item_texts: Sequence[str]) -> Iterator[Session]:
    """The provider that the options name; on leaving, its usage is told and its connections are closed."""
    from llmhd_tools.llm.open import open_local
    from llmhd_tools.llm.service.opening import asker_of

    def local() -> Provider:
        return open_local(options.llm, item_texts=item_texts, cache=options.cache)

    with _session(options, command, local, lambda model: asker_of(options, model)) as found:
        yield _limited(found, options.limit)


@contextlib.contextmanager
def vector_session(
    options: Service, command: str, width: int | None, within: Provider | None = None
) -> Iterator[Session]:
    """As ``session``, with a provider that turns texts into vectors; ``width`` is for lexical only.

    ``within`` is the provider of a session that is open: what it counts, if it does, counts these texts as well.
    """
    from llmhd_tools.llm.open import check_width, open_vectors
    from llmhd_tools.llm.service.opening import text_asker_of

    check_width(options.llm, width)

    def local() -> TextProvider:
        return open_vectors(options.llm, width, options.cache)

    with _session(options, command, local, lambda model: text_asker_of(options, model), within) as found:
        yield _limited(found, options.limit)


def _limited(found: Session, limit: int | None) -> Session:
    """The session, asking only so many questions."""
    from llmhd_tools.llm.limited import limited

    return replace(found, provider=limited(found.provider, limit))


@contextlib.contextmanager
def _session(
    options: Service,
    command: str,
    local: Callable[[], Any],
    service: Callable[[str], Asks],
    within: Provider | None = None,
) -> Iterator[Session]:
    from llmhd_tools.llm.open import SERVICE, split_spec
    from llmhd_tools.llm.service.counted import Counted

    kind, model = split_spec(options.llm)
    if kind != SERVICE:
        if alone := next(
            (n for n in ("requests", "responses", "dry_run", "expected_score") if getattr(options, n)), None
        ):
            raise UsageError(f"--{alone.replace('_', '-')} needs --llm openai:MODEL")
        provider = local()
        if provider.notice:
            notes.note(f"{provider.notice}")
        with contextlib.ExitStack() as leaving:
            leaving.callback(getattr(provider, "close", lambda: None))
            if isinstance(within, Counted):
                yield Session(Counted(provider, service(provider.name), within.usage))
            elif options.usage:
                yield from _counting(options, provider, service(provider.name))
            else:
                yield Session(provider)
        return
    if sum(map(bool, (options.dry_run, options.requests, options.responses, options.offline))) > 1:
        raise UsageError("--dry-run, --requests, --responses and --offline exclude each other")
    asker = service(model)
    if options.dry_run:
        yield from _planning(options, asker, command)
    elif options.requests:
        yield from _writing(options, asker, command)
    else:
        yield from _answering(options, asker, command)
    if cuts := asker.cuts.note():
        notes.note(f"{cuts}")


def _counting(options: Service, provider: Provider, asker: Asks) -> Iterator[Session]:
    from llmhd_tools.files.jsonl import write_records
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.llm.service.counted import Counted

    assert options.usage is not None
    check_output(options.usage)
    counted = Counted(provider, asker)
    yield Session(counted)
    write_records(options.usage, counted.usage.records(provider.name))


def _planning(options: Service, asker: Asks, command: str) -> Iterator[Session]:
    from llmhd_tools.llm.cache import Cache
    from llmhd_tools.llm.service.plan import Plan, Rates

    rates = Rates(options.max_in_flight, options.rpm, options.tpm, options.price_in, options.price_out)
    plan = Plan(asker, Cache(options.cache), rates)
    with contextlib.closing(plan):
        yield Session(plan, answers=False)
        for line in plan.lines():
            console.say(f"{command}: {line}")


def _writing(options: Service, asker: Asks, command: str) -> Iterator[Session]:
    from llmhd_tools.files.streams import check_output, open_out
    from llmhd_tools.llm.cache import Cache
    from llmhd_tools.llm.service.batch import Requests

    assert options.requests is not None
    check_output(options.requests)
    requests = Requests(asker, Cache(options.cache), options.requests, open_out)
    with contextlib.closing(requests):
        try:
            yield Session(requests, answers=False)
        except BaseException as error:
            requests.abandon(error)
            raise
        requests.finish()
        notes.note(
            f"{requests.written:,} requests written to {', '.join(requests.files)}; {requests.cached:,} "
            "answered by the cache"
        )


def _answering(options: Service, asker: Asks, command: str) -> Iterator[Session]:
    from llmhd_tools.files.streams import check_output
    from llmhd_tools.llm.service.opening import open_service

    check_output(options.usage)
    provider = open_service(options, asker)
    with contextlib.closing(provider):
        try:
            with _interruptible(options.cache):
                yield Session(provider, complete=provider.finish)
        finally:
            _tell(options, asker, command, provider)


def _tell(options: Service, asker: Asks, command: str, provider: Any) -> None:
    """Usage afterwards, on stderr and in a file; also where the run was stopped."""
    from llmhd_tools.files.jsonl import write_records

    for line in provider.usage.lines():
        notes.note(line.removeprefix(f"{command}: "))
    history = provider.limits.history if hasattr(provider, "limits") else []
    if len(history) > 1:
        notes.note(f"calls at a time: {', '.join(map(str, history[:12]))}{', …' * (len(history) > 12)}")
    if asker.sampled:
        notes.note(f"{asker.sampled:,} answers came without probabilities; those scores are sampled")
    if options.usage:
        write_records(options.usage, provider.usage.records(asker.model))


@contextlib.contextmanager
def _interruptible(cache: str | None) -> Iterator[None]:
    """End at SIGINT and at SIGTERM with a line that says how to go on."""
    from llmhd_tools.llm.cache import default_path

    # a signal may come between the making of a coroutine and its first step, and Python would tell of that
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)

    try:
        yield
    except KeyboardInterrupt as signalled:
        what = f"interrupted; all answers are kept in {cache or default_path()}: run the same command again to go on"
        raise Interrupted(what, console.exit_of(signalled)) from None

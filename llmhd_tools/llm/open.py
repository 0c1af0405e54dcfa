"""Who is meant by ``--llm``: a spec to a provider."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from llmhd_tools.errors import UsageError
from llmhd_tools.files.table import Table
from llmhd_tools.llm.limited import limited
from llmhd_tools.llm.local.distilled import Distilled
from llmhd_tools.llm.local.lexical import Lexical
from llmhd_tools.llm.local.lexical_vectors import LexicalVectors
from llmhd_tools.llm.local.sentences import Embedder, SentenceVectors
from llmhd_tools.llm.requests import Provider, TextProvider
from llmhd_tools.settings import Service, pick

DISTILLED = "distilled:FILE"
_OPENERS: dict[str, Callable[[str, Sequence[str], str | None], Provider]] = {
    "lexical": lambda _model, item_texts, _cache: Lexical(item_texts),
    "embed:MODEL": Embedder,
    DISTILLED: lambda path, _texts, _cache: Distilled(path),
}
SERVICE = "openai:MODEL"
_TOLD = ("llm", "dry_run", "requests", "usage", "price_in", "price_out")  # for people at a terminal


@contextlib.contextmanager
def open_provider(
    spec: str, items: Table | Mapping[Any, str] | Sequence[str] = (), **choices: Any
) -> Iterator[Provider]:
    """What answers prompts, while the ``with`` block lasts: ``lexical`` (no LLM), ``embed:MODEL``, ``openai:MODEL``,
    or ``distilled:FILE`` for scores of pairs.

    ``items`` are the item texts: an items table, texts by item, or texts; the local ones need them. ``choices`` are
    those of ``settings.Service`` by name, such as ``base_url="http://localhost:8000/v1"`` and ``cache``; a service's
    address and key are else those of OPENAI_BASE_URL and OPENAI_API_KEY. Leaving the block without an error raises
    ServiceError where the service let nothing through. Raises UsageError and InputError where spec or choices are no good.
    """
    how = _choices(spec, choices)
    kind, model = split_spec(spec)
    if kind != SERVICE:
        with _closing(open_local(spec, item_texts=_texts(items), cache=how.cache)) as provider:
            yield limited(provider, how.limit)
        return
    from llmhd_tools.llm.service.opening import asker_of, open_service

    with _closing(open_service(how, asker_of(how, model))) as provider:
        yield limited(provider, how.limit)
        provider.finish()


@contextlib.contextmanager
def open_embedder(spec: str, *, width: int | None = None, **choices: Any) -> Iterator[TextProvider]:
    """What makes vectors of texts, while the ``with`` block lasts; as ``open_provider``. ``width`` is for lexical only."""
    how = _choices(spec, choices)
    kind, model = split_spec(spec)
    if kind != SERVICE:
        with _closing(open_vectors(spec, width, how.cache)) as provider:
            yield limited(provider, how.limit)
        return
    from llmhd_tools.llm.service.opening import open_service, text_asker_of

    check_width(spec, width)
    with _closing(open_service(how, text_asker_of(how, model))) as provider:
        yield limited(provider, how.limit)
        provider.finish()


def open_local(spec: str, *, item_texts: Sequence[str], cache: str | None = None) -> Provider:
    """Open the local provider that a spec names.

    ``cache`` is the file where ``embed`` keeps its vectors; None: the usual one. Raises UsageError, with the known forms,
    when no provider has this name.
    """
    kind, model = split_spec(spec)
    if kind == SERVICE:
        raise UsageError(f"`llm` {spec} is a service, not a local provider")
    return _OPENERS[kind](model, item_texts, cache)


def open_vectors(spec: str, width: int | None, cache: str | None = None) -> TextProvider:
    """Open what a spec names to make vectors here; ``width`` is that of lexical's, ``cache`` as above.

    Raises UsageError, with the known forms, when nothing has this name.
    """
    kind, model = split_spec(spec)
    if kind == "lexical":
        return LexicalVectors(width)
    if kind == SERVICE:
        raise UsageError(f"`llm` {spec} is a service, not a local provider")
    check_width(spec, width)
    return SentenceVectors(model, cache)


def check_width(spec: str, width: int | None) -> None:
    """Raise UsageError where a width is chosen for vectors that have one of their own."""
    if width is not None and split_spec(spec)[0] != "lexical":
        raise UsageError("`width` is lexical's; a model has its own (a service may take `param` dimensions=256)")


def split_spec(spec: str) -> tuple[str, str]:
    """``openai:MODEL`` and the model of ``openai:llama``, or ``distilled:FILE`` and the file.

    Raises UsageError, with the known forms, for anything else.
    """
    name, colon, model = spec.partition(":")
    kind = f"{name}:{'FILE' if name == 'distilled' else 'MODEL'}" if colon else name
    if kind not in (*_OPENERS, SERVICE) or (colon and not model):
        raise UsageError(f"`llm` {spec!r} is not known; it is one of: {', '.join((*_OPENERS, SERVICE))}")
    return kind, model


def _choices(spec: str, choices: Mapping[str, Any]) -> Service:
    if told := sorted(choices.keys() & set(_TOLD)):
        raise UsageError(f"`{told[0]}` is a choice of the commands only")
    return pick(Service, Service(llm=spec), choices)


def _texts(items: Table | Mapping[Any, str] | Sequence[str]) -> list[str]:
    if isinstance(items, Table):
        return [str(text) for text in items.columns["profile"]]
    return list(items.values() if isinstance(items, Mapping) else items)


@contextlib.contextmanager
def _closing(provider: Any) -> Iterator[Any]:
    try:
        yield provider
    finally:
        getattr(provider, "close", lambda: None)()

"""Who is meant by ``--llm``: a spec to a provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llmhd_tools.errors import UsageError
from llmhd_tools.llm.local.lexical import Lexical
from llmhd_tools.llm.local.lexical_vectors import LexicalVectors
from llmhd_tools.llm.local.sentences import Embedder, SentenceVectors
from llmhd_tools.llm.requests import Provider, TextProvider


def _lexical(_model: str, item_texts: Sequence[str], _cache: str | None) -> Provider:

    return Lexical(item_texts)


def _embed(model: str, item_texts: Sequence[str], cache: str | None) -> Provider:

    return Embedder(model, item_texts, cache)


_OPENERS: dict[str, Callable[[str, Sequence[str], str | None], Provider]] = {
    "lexical": _lexical,
    "embed:MODEL": _embed,
}
SERVICE = "openai:MODEL"  # opened by commands/session.py, which knows its many options


def open_provider(spec: str, *, item_texts: Sequence[str], cache: str | None = None) -> Provider:
    """Open the local provider that ``--llm SPEC`` names; its module is loaded only then.

    ``cache`` is the file where ``embed`` keeps its vectors; None: the usual one. Raises UsageError, with the known forms,
    when no provider has this name.
    """
    kind, model = split_spec(spec)
    if kind == SERVICE:
        raise UsageError(f"--llm {SERVICE} is a service, not a local provider; only the commands' options can open it")
    return _OPENERS[kind](model, item_texts, cache)


def open_vectors(spec: str, width: int | None, cache: str | None = None) -> TextProvider:
    """Open what ``--llm SPEC`` names to make vectors here; ``width`` is that of lexical's, ``cache`` as above.

    Raises UsageError, with the known forms, when nothing has this name.
    """
    kind, model = split_spec(spec)
    if kind == "lexical":
        return LexicalVectors(width)
    if kind == SERVICE:
        raise UsageError(f"--llm {SERVICE} is a service, not a local provider; only the commands' options can open it")
    if width is not None:
        raise UsageError("--width is lexical's; a model has a width of its own (openai: --param dimensions=256)")

    return SentenceVectors(model, cache)


def split_spec(spec: str) -> tuple[str, str]:
    """``openai:MODEL`` and the model of ``openai:llama``. Raises UsageError, with the known forms, for anything else."""
    name, colon, model = spec.partition(":")
    kind = f"{name}:MODEL" if colon else name
    if kind not in (*_OPENERS, SERVICE) or (colon and not model):
        raise UsageError(f"--llm {spec!r} is not known; it is one of: {', '.join((*_OPENERS, SERVICE))}")
    return kind, model

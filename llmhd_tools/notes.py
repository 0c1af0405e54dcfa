"""What the library has to say: lines on the logger ``llmhd``, and how far long work is. By itself it prints nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

LOG = logging.getLogger("llmhd")
LOG.addHandler(logging.NullHandler())  # else Python prints warnings that nobody asked for


class Bar(Protocol):
    """Shows how far a loop is; see ``progress``."""

    def __call__(self, items: Iterable[Any], label: str, total: int | None) -> Iterator[Any]:
        """The items, one after the other."""


BAR: ContextVar[Bar | None] = ContextVar("llmhd-progress", default=None)  # a face sets it


def note(text: str) -> None:
    """One line for the person; a face may leave it out (-q)."""
    LOG.info(visible(text))


def warn(text: str) -> None:
    """One line that the person should see whatever the level: figures or files may not be what they seem."""
    LOG.warning(visible(text))


def visible(text: str) -> str:
    """The text with its control characters spelt out, so that it stays on its line and moves no cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def many(count: int, noun: str) -> str:
    """A count with its noun, such as ``1 row`` or ``2,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def progress(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """The items, while a face that shows progress shows it."""
    bar = BAR.get()
    return iter(items) if bar is None else bar(items, label, total)

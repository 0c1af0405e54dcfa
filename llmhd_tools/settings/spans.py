"""Spans of training: so many optimiser steps (``3000``), or epochs (``10e``), which are as many steps as the data say."""

from __future__ import annotations

import math

from llmhd_tools.errors import UsageError

Span = float | str  # steps, or epochs as a number and an e


def span_of(told: str, value: Span, low: float = 1.0) -> Span:
    """A span as it is kept: steps as a number, epochs as ``10e``.

    Raises UsageError that begins with ``told`` where the value is neither, or fewer steps than ``low``.
    """
    text = str(value).strip()
    try:
        number = float(text.removesuffix("e"))
    except ValueError:
        raise UsageError(f"{told} is neither a number of steps nor one of epochs such as 10e") from None
    if not math.isfinite(number):
        raise UsageError(f"{told} is not a finite number")
    if text.endswith("e"):
        if number <= 0:
            raise UsageError(f"{told} is not above 0e")
        return f"{number:g}e"
    if number < low:
        raise UsageError(f"{told} is below {low:g}")
    return number


def steps_of(span: Span, epoch: float) -> float:
    """The optimiser steps T of a span, at least 1, where an epoch has ``epoch`` of them."""
    return max(float(span[:-1]) * epoch, 1.0) if isinstance(span, str) else span

"""``--param NAME=VALUE``: what goes into every call as it stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llmhd_tools.errors import UsageError
from llmhd_tools.llm.service.asking import TOP_LOGPROBS

_OURS = ("model", "messages", "input", "stream", "n", "logprobs")


def parse_params(given: Sequence[str], expected: bool = False) -> dict[str, Any]:
    """``temperature=0`` as a parameter of the service; a value that is no JSON is a text.

    ``top_logprobs`` is one for ``expected`` scores only. Raises UsageError for what cannot be one.
    """
    params: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name or name in _OURS or name in params:
            raise UsageError(f"`param` '{text}' is not NAME=VALUE, or its name is taken")
        try:
            params[name] = json.loads(value)
        except ValueError:
            params[name] = value
    top = params.get("top_logprobs")
    if "top_logprobs" in params and not expected:
        raise UsageError("`param` top_logprobs is for `expected_score`; give that or leave it out")
    if top is not None and not (type(top) is int and 1 <= top <= TOP_LOGPROBS):
        raise UsageError(f"`param` top_logprobs={top} is not a whole number from 1 to {TOP_LOGPROBS}")
    return params

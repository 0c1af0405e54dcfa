"""What an HTTP response of a service means: a reply, or a fault and what to do about it.

Every response ends as one of four: a ``Reply``; ``Retry`` (worth another attempt, perhaps after a wait that the server
names); ``Failed`` (this request has no answer and never will); ``ServiceError`` (no request will: the run stops).
"""

from __future__ import annotations

import email.utils
import json
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from llmhd_tools.errors import ServiceError
from llmhd_tools.llm.calls import Refused, Reply, Retry
from llmhd_tools.llm.service.expected import expectation

_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")


def read_response(status: int, headers: Mapping[str, str], body: bytes, read: Callable[[Any], Reply]) -> Reply:
    """The reply in a response, whose JSON value ``read`` reads. Raises Retry, Failed or ServiceError; see the module."""
    if 200 <= status < 300:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise Retry(f"the service sent no JSON but {_sample(body)}") from None
        return read(value)
    code, message = _error(body)
    told = f"{code}: {message}" if code and message else code or message or "no reason given"
    if status in (401, 403):
        raise ServiceError(f"the service refuses the key ({status}); check OPENAI_API_KEY or --api-key-file")
    if status == 404:
        raise ServiceError(
            f"the service does not know the model or the address (404, {told}); check --llm and --base-url"
        )
    if code in _QUOTA:
        raise ServiceError(
            f"the account's quota is used up ({status}, {code}); run the same command again when it is not"
        )
    if 300 <= status < 400:
        raise ServiceError(
            f"the service redirects ({status}), which is not followed; give the final address to --base-url"
        )
    if status in (408, 409, 425, 429) or status >= 500:
        raise Retry(f"the service says {status} ({told})", wait_of(headers), slower=status == 429)
    raise Refused(f"the service refuses the request ({status}, {told})")


def refuse_error(value: Any) -> None:
    """Raise Retry or ServiceError for an error that came as a success."""
    if isinstance(value, dict) and value.get("error"):
        code, message = _named(value["error"])
        if code in _QUOTA:
            raise ServiceError(f"the account's quota is used up ({code})")
        raise Retry(f"the service sent an error in place of an answer ({code or message})")


def read_completion(value: Any) -> Reply:
    """The reply in a chat completion's JSON value. Raises Retry for what is none, ServiceError for a used-up quota."""
    refuse_error(value)
    try:
        choice = value["choices"][0]
        message, finish = choice["message"], str(choice.get("finish_reason") or "stop")
        content = message.get("content")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise Retry("the service sent JSON that is no chat completion") from None
    usage = usage_of(value)
    if content is None and (message.get("refusal") or finish in ("content_filter", "length")):
        content, finish = "", finish if finish != "stop" else "refusal"
    if not isinstance(content, str):
        raise Retry("the service sent an answer that is no text")
    expected = expectation(content, choice.get("logprobs"))
    details = usage.get("prompt_tokens_details")
    return Reply(
        content.encode(errors="replace").decode(),
        finish,
        count(usage, "prompt_tokens"),
        count(usage, "completion_tokens"),
        count(details if isinstance(details, dict) else {}, "cached_tokens"),
        *(expected or (None, None)),
    )


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds that the headers ask to wait: ``retry-after-ms``, ``retry-after`` in seconds or as a date; else None."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name)
        if not text:
            continue
        try:
            seconds = float(text) * unit
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
            except (ValueError, TypeError, OverflowError):
                continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def usage_of(value: Mapping[str, Any]) -> dict[str, Any]:
    """What an answer says that it cost."""
    usage = value.get("usage")
    return usage if isinstance(usage, dict) else {}


def count(usage: Mapping[str, Any], name: str) -> int:
    """A number of tokens, 0 where it is none."""
    number = usage.get(name)
    return number if type(number) is int and number >= 0 else 0


def _error(body: bytes) -> tuple[str, str]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    return _named(value["error"]) if isinstance(value, dict) and "error" in value else ("", "")


def _named(error: Any) -> tuple[str, str]:
    if isinstance(error, dict):
        return str(error.get("code") or error.get("type") or "")[:60], str(error.get("message") or "")[:200]
    return "", str(error)[:200]


def _sample(body: bytes) -> str:
    return ascii(body[:40].decode(errors="replace")) if body else "an empty body"

"""What an HTTP response of a service means: a reply, or a fault and what to do about it.

Every response ends as one of four: a ``Reply``; ``Retry`` (worth another attempt, perhaps after a wait that the server
names); ``Failed`` (this request has no answer and never will); ``ServiceError`` (no request will: the run stops).
"""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from llmhd_tools.errors import ServiceError
from llmhd_tools.llm.calls import Denied, Refused, Reply, Retry
from llmhd_tools.llm.endings import is_broken, is_stopped
from llmhd_tools.llm.service.expected import expectation
from llmhd_tools.llm.service.refusals import Words, sample, words_in, words_of

_REASONING = ("reasoning_content", "reasoning", "reasoning_details", "thinking")
_REASONED = re.compile(r"think|thought|reason", re.IGNORECASE)
CROWDED = (408, 503, 504, 529)  # a queue that is full, or was too long for somebody between


def read_response(status: int, headers: Mapping[str, str], body: bytes, read: Callable[[Any], Reply]) -> Reply:
    """The reply in a response, whose JSON value ``read`` reads. Raises Retry, Failed or ServiceError; see the module."""
    if 200 <= status < 300:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise Retry(f"the service sent no JSON but {sample(body)}") from None
        return read(value)
    words = words_of(body)
    told = words.told(status)
    if words.used_up(status):
        raise ServiceError(_used_up(f"{status}, {told}"))
    if status == 401:
        raise ServiceError(f"the service refuses the key (401, {told}); check OPENAI_API_KEY or `api_key_file`")
    if status == 404:
        raise ServiceError(
            f"the service does not know the model or the address (404, {told}); check `llm` and `base_url`"
        )
    if 300 <= status < 400:
        raise ServiceError(
            f"the service redirects ({status}), which is not followed; give the final address to `base_url`"
        )
    if status in (408, 409, 425, 429) or status >= 500:
        raise Retry(
            f"the service says {status} ({told})", wait_of(headers), slower=status == 429, crowded=status in CROWDED
        )
    kind = Denied if status == 403 and not words.flagged() else Refused
    raise kind(f"the service refuses the request ({status}, {told})")


def _used_up(told: str) -> str:
    return f"the account's quota or credit is used up ({told}); run the same command again when it is not"


def refuse_error(value: Any) -> None:
    """Raise Retry or ServiceError for an error that came as a success."""
    if isinstance(value, dict) and value.get("error"):
        _raise_error(words_in(value), "the service sent an error in place of an answer")


def _raise_error(words: Words, what: str) -> NoReturn:
    if words.used_up():
        raise ServiceError(_used_up(words.told()))
    raise Retry(
        f"{what} ({words.told()})", slower="429" in words.codes, crowded=any(str(c) in words.codes for c in CROWDED)
    )


def read_completion(value: Any) -> Reply:
    """The reply in a chat completion's JSON value. Raises Retry for what is none, ServiceError for a used-up quota.

    A completion that holds no text is a reply all the same, since it is paid: its ``finish`` says what it holds instead.
    """
    refuse_error(value)
    try:
        choice = value["choices"][0]
        message, finish = choice["message"], str(choice.get("finish_reason") or "stop")
        content = message.get("content")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise Retry("the service sent JSON that is no chat completion") from None
    if choice.get("error") or is_broken(finish):
        _raise_error(words_in({"error": choice.get("error")}), f"the service broke off the answer ({finish})")
    text, held = _text_of(content, message)
    if not text.strip() and not is_stopped(finish):
        finish = held or finish
    usage = usage_of(value)
    expected = expectation(text, choice.get("logprobs"))
    details = usage.get("prompt_tokens_details")
    return Reply(
        text.encode(errors="replace").decode(),
        finish,
        count(usage, "prompt_tokens"),
        count(usage, "completion_tokens"),
        count(details if isinstance(details, dict) else {}, "cached_tokens"),
        *(expected or (None, None)),
    )


def _text_of(content: Any, message: Mapping[str, Any]) -> tuple[str, str | None]:
    """The text of a message, and what it holds beside or instead, as a name of ``endings.NO_TEXT``.

    Content may be a list of parts with types, of which only the texts count. Raises Retry for any other content.
    """
    parts = [content] if isinstance(content, str | dict) else content or []
    if not isinstance(parts, list) or not all(isinstance(part, str | dict) for part in parts):
        raise Retry("the service sent an answer that is no text")
    kinds = {str(part.get("type")) for part in parts if isinstance(part, dict)}
    texts = [
        part if isinstance(part, str) else str(part.get("text") or "")
        for part in parts
        if isinstance(part, str) or part.get("type") in (None, "text", "output_text")
    ]
    held: str | None = None
    if message.get("refusal") or "refusal" in kinds:
        held = "refusal"
    elif message.get("tool_calls") or message.get("function_call"):
        held = "tool_calls"
    elif any(message.get(name) for name in _REASONING) or any(_REASONED.search(kind) for kind in kinds):
        held = "reasoning"
    elif content is None:
        held = "empty"
    return "".join(texts), held


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

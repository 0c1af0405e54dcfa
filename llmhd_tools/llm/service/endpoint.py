"""Where a service is and what opens it: its address, the key, and more headers; the secrets among them show up nowhere."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from llmhd_tools.errors import InputError, UsageError

BASE_URL = "https://api.openai.com/v1"
BEARER = "Authorization"  # the header that a key goes into unless another is named
_HIDDEN = "(key)"
_SECRET = re.compile(r"key|token|secret|password|sig$|^code$", re.IGNORECASE)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_PATHS = ("/chat/completions", "/embeddings")  # which are put behind the address


@dataclass(frozen=True, repr=False)
class Endpoint:
    """A service: ``url`` without its query, which every request gets, and the headers that carry key and more."""

    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    key: str = "none"
    key_header: str = BEARER
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def sent(self) -> dict[str, str]:
        """The headers of every request."""
        key = {BEARER: f"Bearer {self.key}"} if self.key_header == BEARER else {self.key_header: self.key}
        if self.key == "none" and self.key_header == BEARER and _opens(self.headers):
            key = {}
        return {**key, **self.headers}

    def redact(self, text: str, *, keys_only: bool = False) -> str:
        """A text of the service without the secrets: keys, and what else stands in headers."""
        told = {name: value for name, value in self.headers.items() if not keys_only or _opens({name: value})}
        for secret in (self.key, *told.values()):
            bare = secret.removeprefix("Bearer ")
            for form in (bare, base64.b64encode(bare.encode()).decode().rstrip("=")):
                if len(form) > 5:
                    text = text.replace(form, _HIDDEN)
        return text


def open_endpoint(
    base_url: str | None, key_file: str | None = None, key_header: str | None = None, header_file: str | None = None
) -> Endpoint:
    """The endpoint of the options and the environment. Raises UsageError or InputError where they are no good."""
    url, query = address(base_url)
    headers = _headers(os.environ.get("OPENAI_CUSTOM_HEADERS", ""), "OPENAI_CUSTOM_HEADERS")
    headers |= _headers(_read(header_file, "the headers"), header_file) if header_file else {}
    if key_header is not None and not _HEADER.fullmatch(key_header):
        raise UsageError(f"`key_header` '{key_header}' is no name of a header, such as api-key")
    name = BEARER if key_header is None or key_header.lower() == BEARER.lower() else key_header
    return Endpoint(url, query, read_key(key_file, url), name, headers)


def address(base_url: str | None) -> tuple[str, dict[str, str]]:
    """The service's address and its query: as given, or from OPENAI_BASE_URL, or OpenAI's own.

    Raises UsageError where it is no http(s) URL, or holds a secret.
    """
    url = (base_url or os.environ.get("OPENAI_BASE_URL") or BASE_URL).strip()
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound or any(mark.isspace() or not mark.isprintable() for mark in url) or parts.fragment:
        raise UsageError("`base_url` (or OPENAI_BASE_URL) is not an http(s) address such as http://localhost:8000/v1")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.username or parts.password or any(map(_SECRET.search, query)):
        raise UsageError(
            "`base_url` (or OPENAI_BASE_URL) holds a password or a key; use OPENAI_API_KEY, `api_key_file` or `header_file`"
        )
    path = parts.path.rstrip("/")
    for end in _PATHS:
        path = path.removesuffix(end)
    return urlunsplit((parts.scheme, parts.netloc, path, "", "")), query


def read_key(path: str | None, url: str) -> str:
    """The key: from a file, or from OPENAI_API_KEY; an endpoint of one's own may do without."""
    key = _read(path, "the key").strip() if path else os.environ.get("OPENAI_API_KEY", "").strip()
    if not key and url == BASE_URL:
        raise UsageError("no key: set OPENAI_API_KEY or give `api_key_file`, or `base_url` for a service of your own")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError("the key holds characters that no key has", where=path or "OPENAI_API_KEY")
    return key or "none"


def _headers(text: str, where: str) -> dict[str, str]:
    """Headers, ``Name: value`` a line; blank lines and those that begin with # count for nothing."""
    headers: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not colon or not _HEADER.fullmatch(name) or not value or not (value.isascii() and value.isprintable()):
            raise InputError("is not a header, such as 'api-key: ...'", where=where, line=number)
        headers[name] = value
    return headers


def _opens(headers: Mapping[str, str]) -> bool:
    return any(name.lower() == BEARER.lower() or _SECRET.search(name) for name in headers)


def _read(path: str, what: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not text"
        raise InputError(f"{what} cannot be read: {reason}", where=path) from None

"""The one file that imports openai: a call to a service, made safe.

The package alone retries used-up quotas, follows redirects with the prompt, lets broken JSON through as is, and bounds
each read but not the call. Here it makes one attempt; the body's size and the call's whole time are bounded; every
response is read by ``reply.py``. Where aiohttp is installed (extra ``[fast]``) it carries the requests: a third less
work per call, and no slow pool when many are in flight.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llmhd_tools.errors import InputError, ServiceError, UsageError
from llmhd_tools.llm.calls import Call, Failed, Reply, Retry
from llmhd_tools.llm.service.deadline import Deadline
from llmhd_tools.llm.service.reply import read_completion, read_response
from llmhd_tools.llm.service.transport import open_transport
from llmhd_tools.llm.service.vectors import read_embeddings

BASE_URL = "https://api.openai.com/v1"
_HIDDEN = "(key)"


def endpoint(base_url: str | None) -> str:
    """The endpoint: as given, or from OPENAI_BASE_URL, or OpenAI's own. Raises UsageError where it is no http(s) URL."""
    url = base_url or os.environ.get("OPENAI_BASE_URL") or BASE_URL
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("--base-url (or OPENAI_BASE_URL) is not an http(s) address such as http://localhost:8000/v1")
    if parts.username or parts.password:
        raise UsageError("--base-url (or OPENAI_BASE_URL) holds a password; use OPENAI_API_KEY or --api-key-file")
    return url


def read_key(path: str | None, url: str) -> str:
    """The key: from a file, or from OPENAI_API_KEY; an endpoint of one's own may do without."""
    if path:
        try:
            key = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not text"
            raise InputError(f"the key cannot be read: {reason}", where=path) from None
    else:
        key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not key and url == BASE_URL:
        raise UsageError("no key: set OPENAI_API_KEY or give --api-key-file, or --base-url for a service of your own")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError("the key holds characters that no key has", where=path or "OPENAI_API_KEY")
    return key or "none"


class Client:
    """Calls to one endpoint with one key, which shows up nowhere."""

    def __init__(self, url: str, key: str, *, deadline: float, most: int) -> None:
        self.url, self.deadline, self.most = url, deadline, most
        self._key = key
        self._client: Any = None

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def redact(self, text: str) -> str:
        """A text of the service without the key."""
        for secret in (self._key, base64.b64encode(self._key.encode()).decode().rstrip("=")):
            if len(secret) > 5:
                text = text.replace(secret, _HIDDEN)
        return text

    async def ask(self, call: Call) -> Reply:
        """One attempt. Raises Retry, Failed or ServiceError (see ``reply.py``), none of which holds the key."""
        try:
            return await self._ask(call)
        except Retry as fault:
            raise Retry(self.redact(str(fault)), fault.after, slower=fault.slower) from None
        except (Failed, ServiceError) as fault:
            raise type(fault)(self.redact(str(fault))) from None

    async def _ask(self, call: Call) -> Reply:
        import httpx2
        import openai

        if self._client is None:
            self._client = self._open()
        read = partial(read_embeddings, texts=len(call.messages)) if "input" in call.body else read_completion
        try:
            with Deadline(self.deadline):
                answer = await self._client.post(call.path, body=call.body, cast_to=httpx2.Response)
            return read_response(answer.status_code, answer.headers, answer.content, read)
        except TimeoutError:
            raise Retry(f"no whole answer within {self.deadline:g} s") from None
        except openai.APIStatusError as error:
            return read_response(error.status_code, error.response.headers, error.response.content, read)
        except openai.APIConnectionError as error:
            raise Retry(f"no connection to the service ({_root(error)})") from None
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as error:
            raise Retry(f"the service's answer cannot be read ({type(error).__name__})") from None

    def _open(self) -> Any:
        import httpx2
        import openai

        transport = open_transport(self.url, self.most)
        plain = httpx2.AsyncClient(transport=transport, follow_redirects=False, timeout=None)
        return openai.AsyncOpenAI(
            base_url=self.url,
            api_key=self._key,
            max_retries=0,
            timeout=None,
            http_client=plain,
            default_headers={"Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            with contextlib.suppress(Exception):
                await self._client.close()
            self._client = None


def _root(error: BaseException) -> str:
    """The innermost reason of a failed connection, in a few words."""
    while (cause := error.__cause__) is not None:
        error = cause
    return (str(error) or type(error).__name__)[:120]


class BatchService:
    """The batch service of OpenAI's kind: upload, start, look, download."""

    def __init__(self, url: str, key: str) -> None:
        import openai

        self._openai, self._redact = openai, Client(url, key, deadline=0, most=1).redact
        self._client = openai.OpenAI(base_url=url, api_key=key, max_retries=3, timeout=600)

    @contextlib.contextmanager
    def _clean(self) -> Iterator[None]:
        try:
            yield
        except self._openai.OpenAIError as error:
            raise ServiceError(self._redact(f"the batch service fails: {str(error)[:300]}")) from None

    def submit(self, path: str) -> dict[str, Any]:
        """Upload a requests file and start its batch. Raises InputError for a file that --requests did not write."""
        with self._clean(), open(path, "rb") as stream:
            try:
                address = json.loads(stream.readline())["url"]
            except (ValueError, KeyError, TypeError):
                raise InputError("is not a file of batch requests", where=path) from None
            stream.seek(0)
            file = self._client.files.create(file=stream, purpose="batch")
            batch = self._client.batches.create(input_file_id=file.id, endpoint=address, completion_window="24h")
            return dict(batch.model_dump())

    def status(self, name: str) -> dict[str, Any]:
        """The batch as the service describes it."""
        with self._clean():
            return dict(self._client.batches.retrieve(name).model_dump())

    def content(self, file: str) -> bytes:
        """A file of the service."""
        with self._clean():
            return bytes(self._client.files.content(file).read())

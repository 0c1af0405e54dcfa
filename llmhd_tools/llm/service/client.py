"""The one file that imports openai: a call to a service, made safe.

The package alone retries used-up quotas, follows redirects with the prompt, lets broken JSON through as is, and bounds
each read but not the call. Here it makes one attempt; the body's size and the call's whole time are bounded; every
response is read by ``reply.py``. Where aiohttp is installed (extra ``[fast]``) it carries the requests: a third less
work per call, and no slow pool when many are in flight.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from llmhd_tools.errors import InputError, ServiceError
from llmhd_tools.llm.calls import Call, Failed, Reply, Retry
from llmhd_tools.llm.service.deadline import Deadline
from llmhd_tools.llm.service.endpoint import BEARER, Endpoint
from llmhd_tools.llm.service.proxies import proxy_of
from llmhd_tools.llm.service.refusals import words_of
from llmhd_tools.llm.service.reply import read_completion, read_response
from llmhd_tools.llm.service.transport import open_transport
from llmhd_tools.llm.service.vectors import read_embeddings


class Client:
    """Calls to one endpoint, whose secrets show up nowhere. Raises UsageError where the environment names no good proxy."""

    def __init__(self, endpoint: Endpoint, *, deadline: float, most: int) -> None:
        self.endpoint, self.deadline, self.most = endpoint, deadline, most
        self._proxy = proxy_of(endpoint.url)
        self._client: Any = None

    def __repr__(self) -> str:
        return f"Client({self.endpoint.url!r})"

    async def ask(self, call: Call) -> Reply:
        """One attempt. Raises Retry, Failed or ServiceError (see ``reply.py``), none of which holds the key."""
        redact = self.endpoint.redact
        try:
            return await self._ask(call)
        except Retry as fault:
            how = {"slower": fault.slower, "crowded": fault.crowded, "mute": fault.mute}
            raise Retry(redact(str(fault)), fault.after, **how) from None
        except (Failed, ServiceError) as fault:
            raise type(fault)(redact(str(fault))) from None

    async def _ask(self, call: Call) -> Reply:
        import httpx2
        import openai

        if self._client is None:
            self._client = self._open()
        read = partial(read_embeddings, texts=len(call.messages)) if "input" in call.body else read_completion
        try:
            with Deadline(self.deadline):
                try:
                    answer = await self._client.post(call.path, body=call.body, cast_to=httpx2.Response)
                except openai.APIStatusError as error:
                    answer = error.response
            return read_response(answer.status_code, answer.headers, self._clean(answer), read)
        except TimeoutError:
            raise Retry(f"no whole answer within {self.deadline:g} s", mute=True) from None
        except openai.APIConnectionError as error:
            lost = isinstance(error.__cause__, httpx2.ReadError | httpx2.WriteError | httpx2.RemoteProtocolError)
            raise Retry(f"no connection to the service ({_root(error)})", mute=lost) from None
        except (openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, ValueError, OSError) as error:
            raise Retry(f"the service's answer cannot be read ({type(error).__name__})") from None

    def _clean(self, answer: Any) -> bytes:
        """The body without secrets, before anything is cut out of it. Of what a model says only keys are taken out: other
        headers may hold words, such as the name of a team."""
        body: bytes = answer.content
        answers = answer.status_code == 200 and (b'"choices"' in body or b'"data"' in body)
        return self.endpoint.redact(body.decode("latin-1"), keys_only=answers).encode("latin-1")

    def _open(self) -> Any:
        import httpx2
        import openai

        transport = open_transport(self._proxy, self.most)
        hooks = {"request": [self._open_request]}
        plain = httpx2.AsyncClient(transport=transport, follow_redirects=False, timeout=None, event_hooks=hooks)
        return openai.AsyncOpenAI(max_retries=0, timeout=None, http_client=plain, **_settings(self.endpoint))

    async def _open_request(self, request: Any) -> None:
        _give_key(request, self.endpoint)
        request.headers["Accept-Encoding"] = "identity"

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


def _settings(endpoint: Endpoint) -> dict[str, Any]:
    """What both of openai's clients are told of an endpoint: no secret, so that none of their logs can hold one."""
    return {"base_url": endpoint.url, "api_key": "none", "default_query": dict(endpoint.query)}


def _give_key(request: Any, endpoint: Endpoint) -> None:
    request.headers.pop(BEARER, None)
    request.headers.update(endpoint.sent)


class BatchService:
    """The batch service of OpenAI's kind: upload, start, look, download."""

    def __init__(self, endpoint: Endpoint) -> None:
        import httpx2
        import openai

        self._openai, self._endpoint = openai, endpoint
        transport = httpx2.HTTPTransport(proxy=proxy_of(endpoint.url))
        hooks: dict[str, list[Callable[..., Any]]] = {"request": [partial(_give_key, endpoint=endpoint)]}
        plain = httpx2.Client(transport=transport, follow_redirects=False, timeout=600, event_hooks=hooks)
        self._client = openai.OpenAI(max_retries=3, timeout=600, http_client=plain, **_settings(endpoint))

    @contextlib.contextmanager
    def _clean(self) -> Iterator[None]:
        try:
            yield
        except self._openai.APIStatusError as error:
            told = words_of(error.response.content).told(error.status_code)
            reason = f"the batch service refuses ({error.status_code}, {told})"
            raise ServiceError(self._endpoint.redact(reason)) from None
        except self._openai.OpenAIError as error:
            reason = f"the batch service fails: {str(error)[:300]} ({_root(error)})"
            raise ServiceError(self._endpoint.redact(reason)) from None

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

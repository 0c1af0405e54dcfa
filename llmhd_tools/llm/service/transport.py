"""How requests travel under the client: over aiohttp where it is installed, else over httpx2, never more than so much.

Neither follows a redirect, keeps a cookie or unpacks a compressed answer, and both stop reading at a size.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from llmhd_tools.llm.calls import Retry

if TYPE_CHECKING:
    import httpx2

MAX_BODY = 8 << 20  # bytes of one response


def open_transport(url: str, most: int) -> httpx2.AsyncBaseTransport:
    """The best transport here for one address and so many calls at a time."""
    return _aiohttp_transport(most, url) or _httpx_transport(most, url)


async def _bounded(chunks: AsyncIterator[bytes] | Any, encoding: str | None) -> AsyncIterator[bytes]:
    if encoding not in (None, "", "identity"):
        raise Retry("the service sent a compressed answer, which was not asked for")
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MAX_BODY:
            raise Retry(f"the service sent more than {MAX_BODY >> 20} MiB")
        yield chunk


def _httpx_transport(most: int, url: str) -> httpx2.AsyncBaseTransport:
    """httpx2's own transport."""
    import httpx2

    inner = httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=most), proxy=_proxy(url))

    class Stream(httpx2.AsyncByteStream):
        def __init__(self, stream: Any, encoding: str | None) -> None:
            self._stream, self._encoding = stream, encoding

        def __aiter__(self) -> AsyncIterator[bytes]:
            return _bounded(self._stream, self._encoding)

        async def aclose(self) -> None:
            await self._stream.aclose()

    class Transport(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            response = await inner.handle_async_request(request)
            response.stream = Stream(response.stream, response.headers.get("content-encoding"))
            return response

        async def aclose(self) -> None:
            await inner.aclose()

    return Transport()


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for an address."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def _aiohttp_transport(most: int, url: str) -> httpx2.AsyncBaseTransport | None:
    """A transport over aiohttp, where that is installed."""
    try:
        import aiohttp
    except ImportError:
        return None
    import httpx2

    class Transport(httpx2.AsyncBaseTransport):
        session: aiohttp.ClientSession | None = None
        proxy = _proxy(url)  # once, not for each call in a thread of its own as aiohttp would

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            if self.session is None:
                self.session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=most),
                    auto_decompress=False,
                    timeout=aiohttp.ClientTimeout(total=None),
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
            headers = {k: v for k, v in request.headers.items() if k not in ("host", "content-length", "connection")}
            try:
                async with self.session.request(
                    request.method,
                    str(request.url),
                    data=await request.aread(),
                    headers=headers,
                    allow_redirects=False,
                    proxy=self.proxy,
                ) as answer:
                    chunks = _bounded(answer.content.iter_any(), answer.headers.get("content-encoding"))
                    body = b"".join([chunk async for chunk in chunks])
                    return httpx2.Response(answer.status, headers=list(answer.headers.items()), content=body)
            except aiohttp.ClientError as error:
                raise httpx2.ConnectError(str(error) or type(error).__name__) from None

        async def aclose(self) -> None:
            if self.session is not None:
                await self.session.close()

    return Transport()

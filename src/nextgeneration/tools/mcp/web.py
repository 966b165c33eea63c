"""An MCP server over HTTP, with bounds on what it may send."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import httpx2

ANSWER_LIMIT = 4 << 20
TOTAL_LIMIT = 8 << 20


class BoundedTransport(httpx2.AsyncHTTPTransport):
    """An HTTP transport whose answers end in an error at ``ANSWER_LIMIT`` bytes, and are never compressed.

    All answers together may hold ``TOTAL_LIMIT`` bytes until :meth:`renew` is called.
    """

    total = 0

    def renew(self) -> None:
        """Begin to count anew, because something was asked."""
        self.total = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        request.headers["Accept-Encoding"] = "identity"
        response = await super().handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx2.DecodingError("compressed without being asked to", request=request)
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(response.stream, self)
        return response


class _Bounded(httpx2.AsyncByteStream):
    """A byte stream that fails when it grows too long."""

    def __init__(self, stream: httpx2.AsyncByteStream, transport: BoundedTransport) -> None:
        self._stream = stream
        self._transport = transport

    async def __aiter__(self) -> AsyncIterator[bytes]:
        total = 0
        async for chunk in self._stream:
            total += len(chunk)
            self._transport.total += len(chunk)
            if total > ANSWER_LIMIT or self._transport.total > TOTAL_LIMIT:
                raise httpx2.ReadError(f"an answer of more than {ANSWER_LIMIT} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def client(transport: BoundedTransport, seconds: float, headers: Mapping[str, str]) -> httpx2.AsyncClient:
    """An HTTP client for one server: no proxy, and no credentials but the headers set for it."""
    return httpx2.AsyncClient(transport=transport, trust_env=False, timeout=seconds, headers=dict(headers))

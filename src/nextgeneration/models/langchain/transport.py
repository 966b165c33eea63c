"""Connections to providers: one pool and one TLS context for all models of a provider, in one event loop."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nextgeneration.models.langchain.bounds import hooks

if TYPE_CHECKING:
    import httpx2


class Transport:
    """Makes what the provider libraries dial with, and closes it.

    Args:
        connect_seconds: time limit for a connection.
        answer_seconds: longest wait for bytes of an answer.
        answer_bytes: most bytes of one answer.
    """

    def __init__(self, connect_seconds: float, answer_seconds: float, answer_bytes: int) -> None:
        self.connect_seconds = connect_seconds
        self.answer_seconds = answer_seconds
        self.answer_bytes = answer_bytes
        self._tls: ssl.SSLContext | None = None
        self._clients: dict[tuple[str, asyncio.AbstractEventLoop | None], httpx2.AsyncClient] = {}
        self._sync: httpx2.Client | None = None
        self._others: list[Any] = []

    @property
    def tls(self) -> ssl.SSLContext:
        """The TLS context of all; making one reads every root certificate and takes 20 ms."""
        if self._tls is None:
            import httpx2

            self._tls = httpx2.create_ssl_context()
        return self._tls

    def pool(self, provider: str, loop: asyncio.AbstractEventLoop | None) -> httpx2.AsyncClient:
        """The connections to one provider in one event loop."""
        import httpx2

        pool = self._clients.get((provider, loop))
        if pool is None:
            pool = self._clients[provider, loop] = httpx2.AsyncClient(
                verify=self.tls,
                timeout=self.timeout(),
                limits=httpx2.Limits(max_connections=1_000, max_keepalive_connections=100, keepalive_expiry=30.0),
                follow_redirects=False,
                event_hooks=hooks(httpx2, self.answer_bytes),
            )
        return pool

    def unused(self) -> httpx2.Client:
        """A client for the libraries that insist on a synchronous one too; nothing is sent through it."""
        import httpx2

        if self._sync is None:
            self._sync = httpx2.Client(verify=self.tls, transport=httpx2.MockTransport(_refuse))
        return self._sync

    def timeout(self) -> httpx2.Timeout:
        """Time limits of one exchange. Waiting for a free connection is bounded by the caller's own limit."""
        import httpx2

        return httpx2.Timeout(self.answer_seconds, connect=self.connect_seconds)

    def close_too(self, closing: Any) -> None:
        """Call ``closing()`` and await it when everything is closed."""
        self._others.append(closing)

    async def close(self) -> None:
        """Close the connections of the running loop; those of a loop that ended are gone with it."""
        running = asyncio.get_running_loop()
        for (_, loop), pool in list(self._clients.items()):
            if loop is running:
                await pool.aclose()
        self._clients.clear()
        for closing in self._others:
            with suppress(Exception):
                await closing()
        self._others.clear()
        if self._sync is not None:
            self._sync.close()
            self._sync = None


def _refuse(request: httpx2.Request) -> httpx2.Response:
    raise RuntimeError(f"{request.method} was sent synchronously")

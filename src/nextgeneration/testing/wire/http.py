"""Just enough HTTP/1.1 for a far end that misbehaves on purpose: it decides about every byte and every reset."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import parse_qsl, unquote, urlsplit

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Payload Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    529: "Overloaded",
}


@dataclass(frozen=True)
class Request:
    """A request with its whole body."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


Handler = Callable[[Request, "Connection"], Awaitable[None]]


class Connection(asyncio.Protocol):
    """One client: requests are answered one after the other; when it hangs up, the answer under way is cancelled."""

    def __init__(self, handler: Handler, alive: set[Connection]) -> None:
        self._handler = handler
        self._alive = alive
        self._buffer = bytearray()
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._chunked = False
        self.sent = bytearray()
        self.recording = False
        self.status = 0
        self.kind = ""
        self.closed = asyncio.Event()

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who called."""
        self._transport = cast("asyncio.Transport", transport)
        self._alive.add(self)

    def data_received(self, data: bytes) -> None:
        """Gather bytes; begin to answer when a request is whole."""
        self._buffer += data
        self._next()

    def eof_received(self) -> bool:
        """A client that stops writing has hung up."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop answering."""
        self._alive.discard(self)
        self.closed.set()
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client caught up."""
        self._writable.set()

    # --- what a handler calls

    async def head(self, status: int, headers: Mapping[str, str], length: int | None) -> None:
        """Status and headers; a body of unknown length goes out in chunks."""
        self._chunked = length is None
        self.status, self.kind = status, headers.get("content-type", "")
        size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", *(f"{k}: {v}" for k, v in headers.items()), size]
        await self._write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    async def write(self, data: bytes) -> None:
        """A part of the body; an empty one is none, since an empty chunk would end it."""
        if not data:
            return
        if self.recording:
            self.sent += data
        await self._write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def end(self) -> None:
        """The body is complete."""
        if self._chunked:
            await self._write(b"0\r\n\r\n")

    def reset(self) -> None:
        """Let the connection die as when the far process is killed: a reset, not an end."""
        sock = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close(self) -> None:
        """End the connection in order."""
        self._transport.close()

    async def stop(self) -> None:
        """Hang up and wait until nothing of this connection runs.

        With a reset, so that a client library's pooled connection to us closes itself and is not left for a warning.
        """
        self.reset()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # --- inside

    async def _write(self, data: bytes) -> None:
        if self._transport.is_closing():
            raise ConnectionResetError
        self._transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()

    def _next(self) -> None:
        if self._task is not None and not self._task.done():
            return
        request = self._take()
        if request is not None:
            self._task = asyncio.get_running_loop().create_task(self._answer(request))

    async def _answer(self, request: Request) -> None:
        self.sent.clear()
        self.status = 0
        await self._handler(request, self)
        # what came in meanwhile is the next request; it begins when this task has ended
        asyncio.get_running_loop().call_soon(self._next)

    def _take(self) -> Request | None:
        split = self._buffer.find(b"\r\n\r\n")
        if split < 0:
            return None
        first, *lines = bytes(self._buffer[:split]).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        found = self._body(split + 4, headers)
        if found is None:
            return None
        body, used = found
        del self._buffer[:used]
        method, target, _ = first.split(" ", 2)
        parts = urlsplit(target)
        return Request(method, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body)

    def _body(self, start: int, headers: Mapping[str, str]) -> tuple[bytes, int] | None:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            end = start + int(headers.get("content-length", "0"))
            return (bytes(self._buffer[start:end]), end) if len(self._buffer) >= end else None
        body = bytearray()
        while True:
            line = self._buffer.find(b"\r\n", start)
            if line < 0:
                return None
            size = int(bytes(self._buffer[start:line]).split(b";")[0], 16)
            if len(self._buffer) < line + 2 + size + 2:
                return None
            body += self._buffer[line + 2 : line + 2 + size]
            start = line + 2 + size + 2
            if size == 0:
                return bytes(body), start

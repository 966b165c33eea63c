"""An MCP server as a child process, with bounds on what it may say and on how long it may stay.

The client library's own stdio transport collects a line without limit, so a server that never ends
a line fills the memory. This one ends the server at its first line that is too long, or when it has
said too much in all.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from nextgeneration.tools.shell import reaper

LINE_LIMIT = 4 << 20
TOTAL_LIMIT = 8 << 20
MESSAGE_LIMIT = 10_000
RUBBISH_LIMIT = 100
ERROR_LIMIT = 1 << 20
ERROR_TAIL = 2_000
GRACE_SECONDS = 1.0
_POSIX = os.name == "posix"
"""Elsewhere no descriptor can be handed down: a server then ends with its input, or is ended by itself alone."""


class Server:
    """One running server process and why we stopped listening to it.

    Attributes:
        problem: why it was cut off; empty while all is well.
        errors: the end of what it wrote to standard error.
    """

    def __init__(self, process: asyncio.subprocess.Process, life_line: int) -> None:
        self.process = process
        self._life_line: int | None = life_line
        self.problem = ""
        self.errors = ""
        self._ended = False
        self._bytes = self._messages = self._rubbish = 0

    @property
    def over(self) -> bool:
        """Whether it has ended, or we stopped listening to it."""
        return self._ended or self.process.returncode is not None or bool(self.problem)

    def renew(self) -> None:
        """Begin to count what it says anew, because it was asked something."""
        self._bytes = self._messages = self._rubbish = 0

    async def read(self, messages: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        """Hand each line of standard output on as a message, until the end or a bound."""
        try:
            async with messages:
                while (line := await self._line()) is not None:
                    await messages.send(line)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return
        finally:
            self._ended = True

    async def _line(self) -> SessionMessage | Exception | None:
        """The next message, or why a line is none; ``None`` at the end or at a bound."""
        try:
            line = await _stream(self.process.stdout).readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return None
        except (asyncio.LimitOverrunError, ValueError):
            self.problem = f"a line of more than {LINE_LIMIT} bytes"
            return None
        message = _parsed(line)
        self._bytes += len(line)
        self._messages += 1
        self._rubbish += isinstance(message, Exception)
        if self._bytes > TOTAL_LIMIT:
            self.problem = f"more than {TOTAL_LIMIT} bytes"
        elif self._messages > MESSAGE_LIMIT:
            self.problem = f"more than {MESSAGE_LIMIT} messages"
        elif self._rubbish > RUBBISH_LIMIT:
            self.problem = f"more than {RUBBISH_LIMIT} lines that are no messages"
        return None if self.problem else message

    async def write(self, messages: MemoryObjectReceiveStream[SessionMessage]) -> None:
        """Write each message as a line to standard input."""
        stdin = self.process.stdin
        if stdin is None:  # pragma: no cover
            return
        async with messages:
            async for item in messages:
                line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                try:
                    stdin.write(line.encode() + b"\n")
                    await stdin.drain()
                except OSError:
                    return

    async def watch(self) -> None:
        """Keep the end of standard error, so that a server that dies can be quoted."""
        total = 0
        while chunk := await _stream(self.process.stderr).read(65_536):
            self.errors = (self.errors + chunk.decode("utf-8", "replace"))[-ERROR_TAIL:]
            total += len(chunk)
            if total > ERROR_LIMIT:
                self.problem = f"more than {ERROR_LIMIT} bytes of errors"
                self.cut()
                return

    async def stop(self) -> None:
        """Close its input, give it a moment, then end it with all it started."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), GRACE_SECONDS)
        self.cut()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drained(), GRACE_SECONDS)
        if self.process.returncode is None:  # pragma: no cover
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    def cut(self) -> None:
        """Let go of the life line: the reaper ends the server and all it started."""
        if self._life_line is not None:
            os.close(self._life_line)
            self._life_line = None
            if not _POSIX:  # pragma: no cover
                self.process.kill()

    async def _drained(self) -> None:
        """Read both pipes empty; only then does the event loop let go of the process."""
        for stream in (self.process.stdout, self.process.stderr):
            while await _stream(stream).read(65_536):
                pass
        await self.process.wait()


def _stream(stream: asyncio.StreamReader | None) -> asyncio.StreamReader:
    if stream is None:  # pragma: no cover
        raise BrokenPipeError
    return stream


def _parsed(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except (ValueError, RecursionError) as error:
        return error


@contextlib.asynccontextmanager
async def running(argv: Sequence[str], variables: Mapping[str, str], folder: Path) -> AsyncIterator[Server]:
    """Start a server under a reaper; it and its children are gone at the end, also when we are killed.

    Raises:
        OSError: it could not be started.
    """
    held, life_line = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *(*((sys.executable, "-I", reaper.__file__, "0", str(held)) if _POSIX else ()), *argv),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(variables),
            cwd=folder,
            limit=LINE_LIMIT,
            pass_fds=(held,) if _POSIX else (),
            start_new_session=True,
        )
    except BaseException:
        os.close(life_line)
        raise
    finally:
        os.close(held)
    server = Server(process, life_line)
    try:
        yield server
    finally:
        with anyio.CancelScope(shield=True):
            await server.stop()


Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


@contextlib.asynccontextmanager
async def streams(server: Server) -> AsyncIterator[Streams]:
    """The transport the client library talks to: messages from the server, messages to it."""
    from_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_server = anyio.create_memory_object_stream[SessionMessage](0)
    async with anyio.create_task_group() as group:
        group.start_soon(server.read, from_server)
        group.start_soon(server.write, to_server)
        group.start_soon(server.watch)
        try:
            yield incoming, outgoing
        finally:
            group.cancel_scope.cancel()
            incoming.close()
            outgoing.close()

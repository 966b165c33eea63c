"""Open conversations with MCP servers: one a server and mission, so many at once, closed when nobody needs them.

A conversation belongs to the task that opened it (the client library's cancel scopes want it so): each has a task of
its own, and the callers talk through it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import McpServer
from nextgeneration.tools.mcp.errors import AnswerLost, ServerFailed, ServersBusy
from nextgeneration.tools.mcp.pins import Descriptor, described

if TYPE_CHECKING:
    from nextgeneration.tools.mcp.content import Answer
    from nextgeneration.tools.mcp.session import Session

MOST_OPEN = 8
IDLE_SECONDS = 120.0
LOOK_SECONDS = 60.0
"""How long a look at what a server offers holds: newer servers no longer say by themselves that it has changed."""

T = TypeVar("T")


class Connection:
    """One kept conversation, opened by a task of its own.

    Attributes:
        busy: how many callers have it.
        used: when the last one let go of it, by the loop's clock.
        broken: nobody may begin to use it; it ends when its last call has.
    """

    def __init__(self, server: str, entry: McpServer, environment: Environment, folder: Path, seconds: float) -> None:
        self.busy = 0
        self.used = 0.0
        self.broken = False
        self._server = server
        self._seconds = seconds
        self._offered: dict[str, Descriptor] = {}
        self._looked = float("-inf")
        self._looking = asyncio.Lock()
        self._end = asyncio.Event()
        self._session: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        # An error nobody waited for is no news for the log: the next caller opens another conversation.
        self._session.add_done_callback(lambda known: known.cancelled() or known.exception())
        self.task = asyncio.create_task(self._stay(entry, environment, folder), name=f"mcp/{server}")

    async def _stay(self, entry: McpServer, environment: Environment, folder: Path) -> None:
        from nextgeneration.tools.mcp.session import connected

        try:
            async with connected(self._server, entry, environment, folder, self._seconds) as session:
                session.keep()
                self._session.set_result(session)
                await self._end.wait()
        except Exception as error:
            # Once connected, whoever waits for an answer hears of it there.
            if not self._session.done():
                self._session.set_exception(error)
        finally:
            self.broken = True
            self._session.cancel()

    @property
    def usable(self) -> bool:
        """Whether a call can be made on it."""
        if self.broken or not self._session.done():
            return not self.broken
        return self._session.result().alive

    def end(self) -> None:
        """Let it end."""
        self.broken = True
        self._end.set()

    async def tools(self) -> Mapping[str, Descriptor]:
        """What the server offers, asked again after a while, and when it said that this has changed.

        Raises:
            ServerFailed, ServerMisconfigured: it could not be connected or asked.
        """
        session = await asyncio.shield(self._session)
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if session.stale or now - self._looked >= LOOK_SECONDS:
                offered = await self._asked(session, session.tools())
                self._offered = {tool.name: described(tool) for tool in offered}
                self._looked = now
        return self._offered

    async def call(self, tool: str, arguments: dict[str, Any], *, changes: bool) -> Answer:
        """Call a tool.

        Args:
            tool: its name at the server.
            arguments: what it is given.
            changes: whether the call may change something, so that a lost answer is more than an inconvenience.

        Raises:
            AnswerLost: the server failed meanwhile, and the call may have been carried out.
            ServerFailed: the server failed, and nothing can have changed.
        """
        session = await asyncio.shield(self._session)
        try:
            return await self._asked(session, session.call(tool, arguments))
        except ServerFailed as error:
            if not changes:
                raise
            raise AnswerLost(server=self._server, tool=tool, detail=error.detail) from error

    async def _asked(self, session: Session, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._seconds):
                return await work
        except Exception as error:
            self.broken = True
            raise session.failure(error, self._seconds) from error


class Connections:
    """The kept conversations of a process.

    Args:
        servers: the servers of the settings by name.
        environment: where the variables named for a server come from.
        seconds: time limit of connecting, of one call, and of waiting for a place.
        most: how many may be open at once.
        idle: seconds after which an unused one is closed.
    """

    def __init__(
        self,
        servers: Mapping[str, McpServer],
        environment: Environment,
        seconds: float,
        *,
        most: int = MOST_OPEN,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._servers = servers
        self._environment = environment
        self._seconds = seconds
        self._most = most
        self._idle = idle
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = WeakKeyDictionary()

    @contextlib.asynccontextmanager
    async def using(self, server: str, folder: Path) -> AsyncIterator[Connection]:
        """A conversation with a server for the mission whose private folder this is, opened when there is none.

        Raises:
            ServersBusy: as many as may be open are all at work.
        """
        loop = asyncio.get_running_loop()
        pool = self._pools.setdefault(loop, _Pool())
        connection = await self._taken(pool, server, folder)
        connection.busy += 1
        try:
            yield connection
        finally:
            connection.busy -= 1
            connection.used = loop.time()
            if connection.usable:
                loop.call_later(self._idle, pool.rest, connection, connection.used)
            elif not connection.busy:
                pool.drop(connection)
            pool.changed.set()

    async def _taken(self, pool: _Pool, server: str, folder: Path) -> Connection:
        """The open conversation, or a new one as soon as there is a place for it."""
        key = (server, folder)
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    known = pool.open.get(key)
                    if known is not None and known.usable:
                        return known
                    if known is not None:
                        pool.forget(known)
                    if len(pool.open) < self._most:
                        entry = self._servers[server]
                        fresh = Connection(server, entry, self._environment, folder, self._seconds)
                        pool.open[key] = fresh
                        return fresh
                    await pool.room()
        except TimeoutError:
            raise ServersBusy(limit=self._most, seconds=self._seconds) from None

    async def close(self) -> None:
        """End the conversations of this loop, and wait until nothing of the servers is left."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            for connection in list(pool.open.values()):
                pool.drop(connection)
            if pool.ending:
                await asyncio.wait(pool.ending)


class _Pool:
    """The conversations of one event loop.

    Attributes:
        open: by server and private folder.
        ending: tasks of those that are on their way out.
        changed: set when a place may have become free.
    """

    def __init__(self) -> None:
        self.open: dict[tuple[str, Path], Connection] = {}
        self.ending: set[asyncio.Task[None]] = set()
        self.changed = asyncio.Event()

    async def room(self) -> None:
        """Close the conversation that is unused for longest, or wait until one is."""
        resting = [connection for connection in self.open.values() if not connection.busy]
        if resting:
            self.drop(min(resting, key=lambda connection: connection.used))
            return
        self.changed.clear()
        await self.changed.wait()

    def forget(self, connection: Connection) -> None:
        """Give a conversation to nobody any more; it ends when its last caller lets go of it."""
        self.open = {key: known for key, known in self.open.items() if known is not connection}
        connection.broken = True
        if not connection.busy:
            connection.end()
        if not connection.task.done():
            self.ending.add(connection.task)
            connection.task.add_done_callback(self.ending.discard)

    def drop(self, connection: Connection) -> None:
        """End a conversation now."""
        self.forget(connection)
        connection.end()

    def rest(self, connection: Connection, used: float) -> None:
        """Drop a conversation that nobody has used since."""
        if not connection.busy and connection.used == used:
            self.drop(connection)

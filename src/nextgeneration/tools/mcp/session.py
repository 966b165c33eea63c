"""A conversation with an MCP server named in the settings; whatever it does, it ends in time.

Imported only when a call is made: the client library takes half a second to load.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import mcp_types as types
from mcp.client.client import Client
from mcp.client.session import IncomingMessage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter, ValidationError

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import clean, escaped, shortened
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import McpServer
from nextgeneration.tools.mcp.content import Answer, answer_of
from nextgeneration.tools.mcp.errors import ServerFailed, ServerMisconfigured, filled
from nextgeneration.tools.mcp.stdio import Server, running, streams
from nextgeneration.tools.mcp.web import BoundedTransport
from nextgeneration.tools.mcp.web import client as web_client

MAX_PAGES = 10
MAX_TOOLS = 200
SECRET_LENGTH = 6
_BASIC = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER", "SYSTEMROOT", "USERPROFILE")
_TRANSPORT_CODES = frozenset(
    {
        types.CONNECTION_CLOSED,
        types.REQUEST_TIMEOUT,
        types.INVALID_REQUEST,
        types.PARSE_ERROR,
        types.INTERNAL_ERROR,
        types.METHOD_NOT_FOUND,
    }
)
"""Errors that the client library also makes up by itself; any other is the server's answer to a call."""

_SLOW = Texts("no answer within {seconds} s", "pas de réponse en {seconds} s")
_FLOOD = Texts("it was ended for sending {problem}", "il a été arrêté pour avoir envoyé {problem}")
_ASKS = Texts(
    "it asked for input from a user or a model, which no server is given",
    "il a demandé une saisie d'un utilisateur ou d'un modèle, ce qu'aucun serveur ne reçoit",
)
_RESULT: TypeAdapter[types.CallToolResult | types.InputRequiredResult] = TypeAdapter(
    types.CallToolResult | types.InputRequiredResult
)

T = TypeVar("T")


class Offered(NamedTuple):
    """A tool that a server offers. All of it is the server's claims."""

    name: str
    description: str
    schema: dict[str, Any]
    read_only: bool | None = None
    destructive: bool | None = None
    title: str = ""


class Session:
    """An open conversation.

    Args:
        name: the server's name.
        hidden: takes out of a text the secrets that the server was given.
        process: the server, when we started it.
        web: the transport, when it is reached over HTTP.
        timer: the time limit of the whole conversation.

    Attributes:
        stale: the server said that its tools have changed.
    """

    def __init__(
        self,
        name: str,
        hidden: Callable[[str], str],
        process: Server | None,
        web: BoundedTransport | None,
        timer: asyncio.Timeout,
    ) -> None:
        self._name = name
        self._hidden = hidden
        self._process = process
        self._web = web
        self._timer = timer
        self.client: Client
        self.stale = False

    @property
    def alive(self) -> bool:
        """Whether it can still be talked to, as far as is known."""
        return self._process is None or not self._process.over

    def keep(self) -> None:
        """Let the conversation last until it is left; each call then has a limit of its own."""
        self._timer.reschedule(None)

    async def heard(self, message: IncomingMessage) -> None:
        """Take note of what the server says unasked."""
        if isinstance(message, types.ToolListChangedNotification):
            self.stale = True

    async def tools(self) -> list[Offered]:
        """The tools the server offers, at most ``MAX_TOOLS``."""
        self._renew()
        self.stale = False
        offered: list[Offered] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self.client.list_tools(cursor=cursor)
            for tool in page.tools:
                hints = tool.annotations
                offered.append(
                    Offered(
                        clean(tool.name),
                        clean(tool.description or ""),
                        tool.input_schema,
                        hints.read_only_hint if hints else None,
                        hints.destructive_hint if hints else None,
                        clean(tool.title or (hints.title if hints else "") or ""),
                    )
                )
            cursor = page.next_cursor
            if cursor is None or len(offered) >= MAX_TOOLS:
                break
        return offered[:MAX_TOOLS]

    async def call(self, name: str, arguments: dict[str, Any]) -> Answer:
        """Call a tool.

        The request is sent without the client's own check of the answer against the server's output schema: that
        schema is the server's, and one regular expression in it can stop the whole process.

        Raises:
            ServerFailed: it asked for something no server is given.
        """
        self._renew()
        params = types.CallToolRequestParams(name=name, arguments=arguments)
        try:
            result = await self.client.session.send_request(types.CallToolRequest(params=params), _RESULT)
        except MCPError as error:
            if error.code in _TRANSPORT_CODES:
                raise
            return Answer(text=self._hidden(clean(shortened(error.message, 2_000))), failed=True)
        if isinstance(result, types.InputRequiredResult):
            raise ServerFailed(server=self._name, detail=_ASKS)
        return answer_of(result, self._hidden)

    def failure(self, error: BaseException, seconds: float) -> NGError:
        """An error of the conversation as one for people, with the server's last words where it has some."""
        cause = _innermost(error)
        if isinstance(cause, NGError):
            return cause
        slow = isinstance(cause, TimeoutError) or (isinstance(cause, MCPError) and cause.code == types.REQUEST_TIMEOUT)
        reason: str | Texts = filled(_SLOW, seconds=seconds) if slow else self._hidden(_reason(cause))
        return ServerFailed(server=self._name, detail=_quoted(self._process, reason, self._hidden))

    def _renew(self) -> None:
        if self._process is not None:
            self._process.renew()
        if self._web is not None:
            self._web.renew()


@contextlib.asynccontextmanager
async def connected(
    name: str, server: McpServer, environment: Environment, folder: Path, seconds: float
) -> AsyncIterator[Session]:
    """Connect to a server; nothing of it is left when the block ends.

    Args:
        name: the server's name in the settings.
        server: its entry.
        environment: where the variables that the entry names are taken from.
        folder: where a server that is started stands.
        seconds: time limit of the whole conversation, until ``Session.keep``.

    Raises:
        ServerMisconfigured: the entry names neither or both of a command and an http(s) address.
        ServerFailed: anything the server does wrong, with its own last words where it has some.
    """
    web = server.url.startswith(("http://", "https://"))
    if bool(server.command) == bool(server.url) or not (server.command or web):
        raise ServerMisconfigured(server=name)
    secrets = environment.chosen(server.env)
    headers = {header: environment.get(variable) for header, variable in server.headers.items()}

    def hidden(text: str) -> str:
        for value in (*secrets.values(), *headers.values()):
            text = text.replace(value, "•••") if len(value) >= SECRET_LENGTH else text
        return text

    session: Session | None = None
    timer = asyncio.timeout(seconds)
    try:
        async with timer, contextlib.AsyncExitStack() as stack:
            if server.command:
                variables = {**environment.chosen(_BASIC), **secrets}
                process = await stack.enter_async_context(running(server.command, variables, folder))
                session = Session(name, hidden, process, None, timer)
                transport: Any = streams(process)
            else:
                bounded = BoundedTransport(trust_env=False)
                session = Session(name, hidden, None, bounded, timer)
                http = await stack.enter_async_context(web_client(bounded, seconds, headers))
                transport = streamable_http_client(server.url, http_client=http)
            client = Client(transport, cache=None, read_timeout_seconds=seconds, message_handler=session.heard)
            session.client = await stack.enter_async_context(client)
            yield session
    except Exception as error:
        session = session or Session(name, hidden, None, None, timer)
        raise session.failure(error, seconds) from error


async def converse(
    name: str,
    server: McpServer,
    environment: Environment,
    folder: Path,
    seconds: float,
    work: Callable[[Session], Awaitable[T]],
) -> T:
    """Connect to a server, let ``work`` talk to it, and leave nothing of it behind. See :func:`connected`."""
    async with connected(name, server, environment, folder, seconds) as session:
        return await work(session)


def _innermost(error: BaseException) -> BaseException:
    """The error inside the groups that task groups wrap around it; one of ours is preferred."""
    while isinstance(error, BaseExceptionGroup):
        ours = error.subgroup(NGError)
        error = (ours or error).exceptions[0]
    return error


def _reason(error: BaseException) -> str:
    """One line about what went wrong; a protocol answer that does not fit its schema is rubbish."""
    if isinstance(error, ValidationError):
        return f"an answer that does not fit the protocol ({error.error_count()} errors)"
    return str(error) or type(error).__name__


def _quoted(process: Server | None, reason: str | Texts, hidden: Callable[[str], str]) -> str | Texts:
    """The reason with what is known of the process: why we cut it off, and its last words."""
    if process is None:
        return escaped(shortened(reason, 300), newlines=False) if isinstance(reason, str) else reason
    words = " ".join(escaped(hidden(process.errors)[-300:]).split())
    said = f" ({words})" if words else ""
    if process.problem:
        return filled(_FLOOD, problem=process.problem)
    if isinstance(reason, Texts):
        return Texts(reason.en + said, reason.fr + said)
    return escaped(shortened(reason, 300), newlines=False) + said

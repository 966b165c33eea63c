"""One conversation with an MCP server named in the settings; whatever it does, it ends in time.

Imported only when a call is made: the client library takes half a second to load.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from pydantic import ValidationError

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.show import clean, escaped, shortened
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import McpServer
from nextgeneration.tools.mcp_docs.errors import ServerFailed, ServerMisconfigured, filled
from nextgeneration.tools.mcp_docs.stdio import Server, running, streams
from nextgeneration.tools.mcp_docs.web import client as web_client

MAX_PAGES = 10
MAX_TOOLS = 200
MAX_ANSWER = 60_000
SECRET_LENGTH = 6
_BASIC = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER", "SYSTEMROOT", "USERPROFILE")
_SLOW = Texts("no answer within {seconds} s", "pas de réponse en {seconds} s")
_FLOOD = Texts("it was ended for sending {problem}", "il a été arrêté pour avoir envoyé {problem}")

T = TypeVar("T")


class Offered(NamedTuple):
    """A tool that a server offers. Name, description and schema are the server's claims."""

    name: str
    description: str
    schema: dict[str, Any]
    read_only: bool | None
    destructive: bool | None


class Answer(NamedTuple):
    """What a tool of a server answered."""

    text: str
    failed: bool
    truncated: bool


class Session:
    """An open conversation.

    Args:
        client: the connected client.
        hidden: takes out of a text the secrets that the server was given.
    """

    def __init__(self, client: Client, hidden: Callable[[str], str]) -> None:
        self._client = client
        self._hidden = hidden

    async def tools(self) -> list[Offered]:
        """The tools the server offers, at most ``MAX_TOOLS``."""
        offered: list[Offered] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            for tool in page.tools:
                hints = tool.annotations
                offered.append(
                    Offered(
                        tool.name,
                        clean(tool.description or ""),
                        tool.input_schema,
                        hints.read_only_hint if hints else None,
                        hints.destructive_hint if hints else None,
                    )
                )
            cursor = page.next_cursor
            if cursor is None or len(offered) >= MAX_TOOLS:
                break
        return offered[:MAX_TOOLS]

    async def call(self, name: str, arguments: dict[str, Any]) -> Answer:
        """Call a tool and take the text of its answer."""
        result = await self._client.call_tool(name, arguments)
        text = self._hidden(clean("\n".join(block.text for block in result.content if block.type == "text")))
        return Answer(text[:MAX_ANSWER], bool(result.is_error), len(text) > MAX_ANSWER)


async def converse(
    name: str,
    server: McpServer,
    environment: Environment,
    folder: Path,
    seconds: float,
    work: Callable[[Session], Awaitable[T]],
) -> T:
    """Connect to a server, let ``work`` talk to it, and leave nothing of it behind.

    Args:
        name: the server's name in the settings.
        server: its entry.
        environment: where the variables that the entry names are taken from.
        folder: where a server that is started stands.
        seconds: time limit of the whole conversation.
        work: what is to be asked.

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

    process: Server | None = None
    try:
        async with asyncio.timeout(seconds), contextlib.AsyncExitStack() as stack:
            if server.command:
                variables = {**environment.chosen(_BASIC), **secrets}
                process = await stack.enter_async_context(running(server.command, variables, folder))
                transport: Any = streams(process)
            else:
                http = await stack.enter_async_context(web_client(seconds, headers))
                transport = streamable_http_client(server.url, http_client=http)
            client = Client(transport, cache=None, read_timeout_seconds=seconds)
            return await work(Session(await stack.enter_async_context(client), hidden))
    except TimeoutError:
        raise ServerFailed(server=name, detail=_quoted(process, filled(_SLOW, seconds=seconds), hidden)) from None
    except Exception as error:
        cause = _innermost(error)
        if isinstance(cause, NGError):
            raise cause from None
        raise ServerFailed(server=name, detail=_quoted(process, hidden(_reason(cause)), hidden)) from cause


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

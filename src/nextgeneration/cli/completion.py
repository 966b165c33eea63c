"""Names that the shell completes: missions, approvals, templates, agents, tools. It stays silent when it fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nextgeneration.kernel.show import brief, escaped

if TYPE_CHECKING:
    from nextgeneration.services.records import Records

T = TypeVar("T")
Found = list[tuple[str, str]]
RECENT = 50


def missions() -> Found:
    """The latest missions with their goals."""
    return _recorded(lambda r: r.missions.list(limit=RECENT), lambda m: (m.id, f"{m.status.value}: {m.goal}"))


def approvals() -> Found:
    """What waits for a decision."""
    return _recorded(lambda r: r.approvals.pending(), lambda a: (a.id, f"{a.label}: {a.title}"))


def agents() -> Found:
    """The recorded agents."""
    return _recorded(lambda r: r.agents.all(), lambda a: (a.name, a.template))


def templates() -> Found:
    """The templates of this folder, of the user and the built-in ones."""
    with suppress(Exception):
        from nextgeneration.services.parts import library

        with library(Path()) as found:
            return [(name, "") for name in found.names()]
    return []


def agents_and_templates() -> Found:
    """The recorded agents, then the templates that others can be made from."""
    recorded = agents()
    names = {name for name, _ in recorded}
    return [*recorded, *(found for found in templates() if found[0] not in names)]


def tools() -> Found:
    """Every tool."""
    with suppress(Exception):
        from nextgeneration.services.parts import toolbox

        return [(name, "") for name in toolbox()]
    return []


def mcp_servers() -> Found:
    """The MCP servers of the settings."""
    with suppress(Exception):
        from nextgeneration.services.parts import remote_tools

        return [(name, "") for name in remote_tools().servers]
    return []


def _recorded(read: Callable[[Records], Awaitable[Iterable[T]]], said: Callable[[T], tuple[str, str]]) -> Found:
    with suppress(Exception):
        import asyncio

        from nextgeneration.services.records import open_records

        async def found() -> list[tuple[str, str]]:
            with open_records() as records:
                return [said(line) for line in await read(records)]

        return [(name, escaped(brief(about, 60), newlines=False)) for name, about in asyncio.run(found())]
    return []

"""All tools by name and alias."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.tools import Tool
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools.base import Limited
from nextgeneration.tools.errors import ToolUnknown
from nextgeneration.tools.mcp.remote import Withheld
from nextgeneration.tools.mcp.toolbox import RemoteTools

_GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the names of a template stand for.

    Attributes:
        tools: each once, by name.
        problems: why a name stands for nothing, or for something that cannot be called.
    """

    tools: tuple[Tool, ...]
    problems: tuple[NGError, ...]


class ToolBox(Mapping[str, Tool]):
    """Tools by name; iteration gives the names proper, look-up also takes aliases.

    Tools of MCP servers come in as they are pinned, also while the process runs. One that cannot be called (nobody has
    looked at its server yet, say) is not iterated over, but found by its name: calling it fails and says why.

    Args:
        tools: those of this machine.
        remote: those of MCP servers.

    Raises:
        ToolUnknown: on look-up, with the nearest names. It is a ``KeyError`` too, as a mapping's must be.
    """

    def __init__(self, tools: Iterable[Tool], remote: RemoteTools | None = None) -> None:
        self.remote = remote
        self._tools = {tool.spec.name: tool for tool in tools}
        self._aliases = {alias: tool for tool in self._tools.values() for alias in tool.spec.aliases}

    def add(self, tool: Tool) -> None:
        """One more tool; of two with one name the later one counts."""
        self._tools[tool.spec.name] = tool
        self._aliases.update(dict.fromkeys(tool.spec.aliases, tool))

    def __getitem__(self, name: str) -> Tool:
        tool = self._tools.get(name) or self._aliases.get(name)
        if tool is None and self.remote is not None:
            tool = self.remote.find(name)
        if tool is None:
            raise ToolUnknown(name=name, hint=self._hint(name))
        return tool

    def __iter__(self) -> Iterator[str]:
        return iter(sorted((*self._tools, *self._remote_names())))

    def __len__(self) -> int:
        return len(self._tools) + len(self._remote_names())

    def __contains__(self, name: object) -> bool:
        return name in self._tools or name in self._aliases or name in self._remote_names()

    def _remote_names(self) -> list[str]:
        return self.remote.names() if self.remote is not None else []

    def names(self) -> frozenset[str]:
        """Every name a template may use: names and aliases."""
        return frozenset((*self._tools, *self._aliases, *self._remote_names()))

    async def close(self) -> None:
        """End what tools keep open between calls."""
        if self.remote is not None:
            await self.remote.close()

    def _hint(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.names(), n=2)
        return f" ({', '.join(near)}?)" if near else ""


def choose(tools: Mapping[str, Tool], wanted: Iterable[str]) -> Chosen:
    """The tools that a template's names and patterns (``fs.*``, ``mcp:context7/*``) stand for."""
    found: dict[str, Tool] = {}
    problems: list[NGError] = []
    for name in wanted:
        matching = [] if _GLOB.isdisjoint(name) else [known for known in tools if fnmatchcase(known, name)]
        try:
            for tool in [tools[known] for known in matching] or [tools[name]]:
                if isinstance(tool, Withheld):
                    problems.append(tool.error)
                else:
                    found[tool.spec.name] = tool
        except NGError as error:
            problems.append(error)
        except KeyError:
            problems.append(ToolUnknown(name=name, hint=""))
    return Chosen(tuple([found[name] for name in sorted(found)]), tuple(problems))


def build(settings: ToolSettings, home: Path | None = None) -> ToolBox:
    """Every built-in tool and every pinned tool of the settings' MCP servers, with its limits.

    Args:
        settings: the tools' own.
        home: where this installation keeps its state; by default as the environment says.
    """
    from nextgeneration.tools import code, compose, docs, fs, mcp_docs, net, shell, suites, system

    rooms = (fs, shell, suites, code, compose, docs, system, net, mcp_docs)
    remote = RemoteTools(settings, pins_in(home or StorageSettings().home))
    return ToolBox((Limited(tool) for room in rooms for tool in room.tools(settings)), remote)


def pins_in(home: Path) -> Path:
    """Where the pinned descriptions of MCP servers are kept."""
    return home.expanduser().absolute() / "mcp"

"""All tools by name and alias."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from nextgeneration.kernel.tools import Tool
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools.base import Limited
from nextgeneration.tools.errors import ToolUnknown


class ToolBox(Mapping[str, Tool]):
    """Tools by name; iteration gives the names proper, look-up also takes aliases.

    Raises:
        ToolUnknown: on look-up, with the nearest names. It is a ``KeyError`` too, as a mapping's must be.
    """

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        self._aliases = {alias: tool for tool in self._tools.values() for alias in tool.spec.aliases}

    def __getitem__(self, name: str) -> Tool:
        tool = self._tools.get(name) or self._aliases.get(name)
        if tool is None:
            raise ToolUnknown(name=name, hint=self._hint(name))
        return tool

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._tools))

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools or name in self._aliases

    def names(self) -> frozenset[str]:
        """Every name a template may use: names and aliases."""
        return frozenset((*self._tools, *self._aliases))

    def _hint(self, name: str) -> str:
        near = difflib.get_close_matches(name, self.names(), n=2)
        return f" ({', '.join(near)}?)" if near else ""


def build(settings: ToolSettings) -> ToolBox:
    """Every built-in tool, with its limits, made from the settings."""
    from nextgeneration.tools import code, compose, docs, fs, mcp_docs, net, shell, suites, system

    rooms = (fs, shell, suites, code, compose, docs, system, net, mcp_docs)
    return ToolBox(Limited(tool) for room in rooms for tool in room.tools(settings))

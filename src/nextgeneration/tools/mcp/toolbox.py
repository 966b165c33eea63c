"""The tools of all configured servers, as far as a human has looked at them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from nextgeneration.kernel.tools import Tool
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import McpServer, ToolSettings
from nextgeneration.tools.base import Limited
from nextgeneration.tools.mcp.connections import Connections
from nextgeneration.tools.mcp.errors import NotListed, NotOffered, PinsUnusable, ServerUnknown, ToolUnfit
from nextgeneration.tools.mcp.pins import Descriptor, PinFiles, Pins, described
from nextgeneration.tools.mcp.remote import PREFIX, RemoteTool, Withheld, name_of


class RemoteTools:
    """Tools named ``mcp:<server>/<tool>``. Nothing is started to name or describe them: pins on disk say what there is.

    Args:
        settings: the servers, and the time limit of one conversation.
        folder: where the pinned descriptions are kept, one file a server.
        environment: what the process inherited; read now when not given.
    """

    def __init__(self, settings: ToolSettings, folder: Path, environment: Environment | None = None) -> None:
        self.servers = dict(settings.mcp_servers)
        self.files = PinFiles(folder)
        self._seconds = settings.mcp_seconds
        self._environment = environment or Environment.current()
        self._connections = Connections(self.servers, self._environment, self._seconds)
        self._made: dict[str, tuple[str, Tool]] = {}

    def names(self) -> list[str]:
        """Every tool that can be called; a server whose pins cannot be used has none."""
        names: list[str] = []
        for server in self.servers:
            try:
                pinned = self.files.of(server).pinned or {}
            except PinsUnusable:
                continue
            names += [name_of(server, tool.name) for tool in pinned.values() if not tool.unfit]
        return sorted(names)

    def find(self, name: str) -> Tool | None:
        """The tool of this name; one that fails and says why, when its server is known and it cannot be called."""
        server, slash, tool = name.removeprefix(PREFIX).partition("/")
        if not name.startswith(PREFIX) or not slash or server not in self.servers:
            return None
        try:
            pinned = self.files.of(server).pinned
        except PinsUnusable as error:
            return Withheld(name, error)
        if pinned is None:
            return Withheld(name, NotListed(server=server))
        descriptor = pinned.get(tool)
        if descriptor is None:
            return Withheld(name, NotOffered(server=server, tool=tool))
        if descriptor.unfit:
            return Withheld(name, ToolUnfit(server=server, tool=tool, detail=descriptor.unfit))
        return self._tool(server, descriptor)

    def _tool(self, server: str, descriptor: Descriptor) -> Tool:
        name = name_of(server, descriptor.name)
        digest, tool = self._made.get(name, ("", None))
        if tool is None or digest != descriptor.digest:
            remote = RemoteTool(server, self.servers[server], descriptor, self.files, self._connections, self._seconds)
            tool = Limited(remote)
            self._made[name] = (descriptor.digest, tool)
        return tool

    async def refresh(self, server: str) -> Pins:
        """Ask a server what it offers and keep it: the first look is pinned, a later one waits to be trusted.

        Raises:
            ServerUnknown: the settings do not name it.
            ServerFailed, ServerMisconfigured: it could not be asked.
            PinsUnusable: what is kept of it cannot be read or written.
        """
        from nextgeneration.tools.mcp.session import Session, converse

        entry = self._entry(server)
        before = self.files.of(server)

        async def ask(session: Session) -> list[Descriptor]:
            return [described(tool) for tool in await session.tools()]

        with tempfile.TemporaryDirectory(prefix="nextgen-mcp-") as folder:
            offered = await converse(server, entry, self._environment, Path(folder), self._seconds, ask)
        return self._kept(before.seen(offered))

    def pins(self, server: str) -> Pins:
        """What is kept of a server.

        Raises:
            ServerUnknown: the settings do not name it.
            PinsUnusable: it cannot be read.
        """
        self._entry(server)
        return self.files.of(server)

    def trust(self, pins: Pins) -> Pins:
        """Pin what a server was last seen to offer; ``pins`` is what the human was shown.

        Raises:
            NothingToTrust: nothing differs.
            PinsUnusable: it cannot be written.
        """
        return self._kept(pins.trusted())

    def _kept(self, pins: Pins) -> Pins:
        self.files.write(pins)
        return pins

    def _entry(self, server: str) -> McpServer:
        if server not in self.servers:
            raise ServerUnknown(server=server, known=", ".join(sorted(self.servers)) or "-")
        return self.servers[server]

    async def close(self) -> None:
        """End every conversation of this loop."""
        await self._connections.close()

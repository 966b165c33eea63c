"""The MCP tools, built from settings."""

from __future__ import annotations

from nextgeneration.kernel.tools import Tool
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.tools.mcp_docs.lookup import DocsLookup, McpTools


def tools(settings: ToolSettings, environment: Environment | None = None) -> list[Tool]:
    """``docs.lookup`` and ``mcp.tools``.

    Args:
        settings: the servers and the time limit of one conversation.
        environment: what the process inherited; read now when not given.
    """
    own = environment or Environment.current()
    return [tool(settings.mcp_servers, own, settings.mcp_seconds) for tool in (DocsLookup, McpTools)]

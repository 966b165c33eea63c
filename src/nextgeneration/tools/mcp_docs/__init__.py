"""Tools that look documentation up over MCP."""

from nextgeneration.tools.mcp_docs.toolbox import tools

__all__ = ["tools"]

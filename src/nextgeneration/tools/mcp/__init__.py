"""Tools of the MCP servers that the settings name, called ``mcp:<server>/<tool>``."""

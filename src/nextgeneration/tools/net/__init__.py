"""Tools that read the public web."""

from nextgeneration.tools.net.toolbox import tools

__all__ = ["tools"]

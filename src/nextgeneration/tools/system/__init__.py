"""Tools that read the machine: its parts, its commands, and why a command is not found."""

from nextgeneration.tools.system.toolbox import tools

__all__ = ["tools"]

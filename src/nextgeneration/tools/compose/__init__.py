"""Compose files: ``compose.audit`` and the rules behind it."""

from __future__ import annotations

from nextgeneration.kernel.tools import Tool
from nextgeneration.settings.tools import ToolSettings


def tools(settings: ToolSettings) -> list[Tool]:
    """The tools of this package; its rules are loaded only when they are asked for."""
    del settings  # the rules need none
    from nextgeneration.tools.compose.tool import ComposeAudit, ComposeRules

    return [ComposeAudit(), ComposeRules()]

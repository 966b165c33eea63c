"""What can be said about code without running it."""

from __future__ import annotations

from nextgeneration.kernel.tools import Tool
from nextgeneration.settings.tools import ToolSettings


def tools(settings: ToolSettings) -> list[Tool]:  # noqa: ARG001 - every package of tools is asked the same way
    """The code tools."""
    from nextgeneration.tools.code.audit import (
        CodeAudit,
        CodeComplexity,
        CodeDependencies,
        CodeLint,
        CodeSecrets,
        CodeSecurity,
        CodeTodos,
    )

    return [CodeAudit(), CodeLint(), CodeSecrets(), CodeSecurity(), CodeDependencies(), CodeComplexity(), CodeTodos()]

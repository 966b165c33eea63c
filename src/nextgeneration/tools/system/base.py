"""What the system tools share: a machine to look at, and facts turned into a result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pydantic import BaseModel

from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.findings import Finding
from nextgeneration.kernel.language import Lang
from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.tools.base import Args, BaseTool
from nextgeneration.tools.system.host import Host

TOUCHES = frozenset({"system"})


class NoArgs(Args):
    """Arguments of a tool that takes none."""


class Facts(NamedTuple):
    """What was read, what it means, and the same in a few words."""

    value: BaseModel
    findings: tuple[Finding, ...]
    text: str


class SystemTool(BaseTool):
    """A pure reader of one part of the machine.

    Args:
        host: the machine to look at.
    """

    def __init__(self, host: Host) -> None:
        self.host = host

    async def facts(self, context: ToolContext) -> Facts:
        """Read this part; each tool has its own."""
        raise NotImplementedError

    async def call(self, args: Any, context: ToolContext) -> ToolResult:
        """The facts as a result."""
        facts = await self.facts(context)
        return result(facts.value, facts.findings, facts.text)


def result(
    value: BaseModel, findings: Iterable[Finding], text: str, proposals: Iterable[Proposal] = (), *, ok: bool = True
) -> ToolResult:
    """A tool result around a value model."""
    return ToolResult(
        ok=ok, value=value.model_dump(mode="json"), findings=tuple(findings), text=text, proposals=tuple(proposals)
    )


def listed(names: Iterable[str], lang: Lang) -> str:
    """Names separated by commas, or the word for none."""
    return ", ".join(names) or ("aucun" if lang == "fr" else "none")

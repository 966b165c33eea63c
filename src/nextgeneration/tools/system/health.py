"""``system.health``: every part of the machine at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from nextgeneration.kernel.errors import as_problem
from nextgeneration.kernel.findings import Finding
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.tools import ToolContext, ToolSpec
from nextgeneration.tools.system.base import TOUCHES, Facts, NoArgs, SystemTool
from nextgeneration.tools.system.host import Host


class Health(BaseModel):
    """The facts of each part by its name; ``problems`` names parts that could not be read."""

    parts: dict[str, dict[str, Any]]
    problems: list[dict[str, Any]]


class SystemHealth(SystemTool):
    """All parts together, each within its own time limit.

    Args:
        host: the machine to look at.
        parts: the tools whose facts are put together.
    """

    spec = ToolSpec(
        name="system.health",
        summary=Texts(
            "A check of the machine: disks, memory, load, ports, services, clock, limits and PATH.",
            "Un bilan de la machine : disques, mémoire, charge, ports, services, horloge, limites et PATH.",
        ),
        args=NoArgs,
        result=Health,
        touches=TOUCHES,
        seconds=40,
    )

    def __init__(self, host: Host, parts: Sequence[SystemTool]) -> None:
        super().__init__(host)
        self._parts = tuple(parts)

    async def facts(self, context: ToolContext) -> Facts:
        """The parts side by side; one that fails or hangs never loses the others."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._part(part, context)) for part in self._parts]
        parts: dict[str, dict[str, Any]] = {}
        problems: list[dict[str, Any]] = []
        findings: list[Finding] = []
        lines: list[str] = []
        for part, task in zip(self._parts, tasks, strict=True):
            name = part.spec.name.removeprefix("system.")
            match task.result():
                case Facts() as facts:
                    parts[name] = facts.value.model_dump(mode="json")
                    findings += facts.findings
                    lines.append(f"{name}: {facts.text.splitlines()[0] if facts.text else '-'}")
                case error:
                    problems.append({"part": name, **as_problem(error, context.lang)})
        findings.sort(key=lambda found: -found.severity.rank)
        return Facts(Health(parts=parts, problems=problems), tuple(findings), "\n".join(lines))

    @staticmethod
    async def _part(part: SystemTool, context: ToolContext) -> Facts | Exception:
        try:
            async with asyncio.timeout(part.spec.seconds):
                return await part.facts(context)
        except Exception as error:
            return error

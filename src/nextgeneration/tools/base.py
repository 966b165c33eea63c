"""What every tool shares: defaults of the protocol, and its own limits as small wrappers."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from nextgeneration.kernel.canonical import canonical
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.risk import Assessment
from nextgeneration.kernel.show import escaped
from nextgeneration.kernel.tools import Happened, Preview, Tool, ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.errors import BadArguments, ToolTimedOut

MAX_VALUE_BYTES = 256_000
MAX_TEXT_CHARACTERS = 64_000
MAX_FINDINGS = 500


class Args(BaseModel):
    """Base of argument models: unknown names are errors, values are not changed after parsing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BaseTool:
    """Defaults for everything but ``spec`` and ``call``."""

    spec: ClassVar[ToolSpec]

    def assess(self, args: Any, context: ToolContext) -> Assessment:
        """The declared risk."""
        return Assessment(label=self.spec.risk)

    def subjects(self, args: Any) -> tuple[str, ...]:
        """The ``path`` argument when there is one."""
        path = getattr(args, "path", None)
        return (path,) if isinstance(path, str) else ()

    def preview(self, args: Any, context: ToolContext) -> Preview:
        """The arguments as indented JSON."""
        body = json.dumps(args.model_dump(mode="json"), ensure_ascii=False, indent=2)
        return Preview(title=self.spec.name, body=escaped(body))

    async def call(self, args: Any, context: ToolContext) -> ToolResult:
        """Do the work; each tool has its own."""
        raise NotImplementedError

    async def probe(self, args: Any, context: ToolContext) -> Happened:
        """Not known, unless the tool can tell."""
        return Happened.UNKNOWN


def parse_args(tool: Tool, values: dict[str, Any]) -> BaseModel:
    """The tool's argument model built from plain JSON.

    Raises:
        BadArguments: naming each wrong argument in words.
    """
    try:
        return tool.spec.args.model_validate(values)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or '(all)'}: {e['msg']}" for e in error.errors()]
        raise BadArguments(tool=tool.spec.name, detail="; ".join(lines)) from None


class Limited:
    """A tool with its time limit and output limits enforced."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool
        self.spec = tool.spec
        self.assess = tool.assess
        self.subjects = tool.subjects
        self.preview = tool.preview
        self.probe = tool.probe

    async def call(self, args: Any, context: ToolContext) -> ToolResult:
        """Call the tool; end it after ``spec.seconds`` and bound what it returns."""
        try:
            async with asyncio.timeout(self.spec.seconds):
                result = await self._tool.call(args, context)
        except TimeoutError:
            raise ToolTimedOut(tool=self.spec.name, seconds=self.spec.seconds) from None
        return bounded(result, self.spec.name)


def bounded(result: ToolResult, name: str) -> ToolResult:
    """``result`` within the output limits, marked ``truncated`` when something was cut."""
    changes: dict[str, Any] = {}
    if len(result.text) > MAX_TEXT_CHARACTERS:
        changes["text"] = result.text[:MAX_TEXT_CHARACTERS]
    if len(result.findings) > MAX_FINDINGS:
        kept = sorted(result.findings, key=lambda f: -f.severity.rank)[:MAX_FINDINGS]
        changes["findings"] = tuple(kept)
    try:
        size = len(canonical(result.value))
    except NGError:
        changes["value"] = json.loads(json.dumps(result.value, default=str, allow_nan=False))
        size = len(json.dumps(changes["value"]))
    if size > MAX_VALUE_BYTES:
        changes["value"] = {"truncated": f"{name} returned {size} bytes; the limit is {MAX_VALUE_BYTES}"}
    return result.model_copy(update={**changes, "truncated": True}) if changes else result

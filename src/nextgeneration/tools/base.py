"""What every tool shares: defaults of the protocol, and its own limits as small wrappers."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from nextgeneration.kernel.canonical import canonical
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.risk import Assessment, EffectRule
from nextgeneration.kernel.show import escaped
from nextgeneration.kernel.tools import Happened, Label, Preview, Tool, ToolContext, ToolResult, ToolSpec
from nextgeneration.tools.code.secrets import find
from nextgeneration.tools.errors import BadArguments, ToolTimedOut
from nextgeneration.tools.pictures import within

MAX_VALUE_BYTES = 256_000
MAX_TEXT_CHARACTERS = 64_000
MAX_FINDINGS = 500
_MAX_PATH = 4096


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


def subjects_of(tool: Tool, args: Any, context: ToolContext) -> tuple[str, ...]:
    """What permission patterns are compared with: the subjects as they are spelled, and where a link in one leads.

    A rule that denies or asks is about either, one that allows must cover both.
    """
    subjects = tool.subjects(args)
    if not subjects:
        return subjects
    led = [_led(context.workspace, subject) for subject in subjects]
    return (*subjects, *[path for path in led if path is not None])


def _led(root: Path, subject: str) -> str | None:
    """Where a path really is when a link is on its way; what is no path has none."""
    if not subject or len(subject) > _MAX_PATH or "\0" in subject:
        return None
    spelled = os.path.normpath(root / subject)
    real = os.path.realpath(root / subject)
    return None if real == spelled else os.path.relpath(real, root) if Path(real).is_relative_to(root) else real


class Limited:
    """A tool with its time limit and output limits enforced, and its results labelled."""

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
        return labelled(bounded(result, self.spec.name), self.spec)


def bounded(result: ToolResult, name: str) -> ToolResult:
    """``result`` within the output limits, marked ``truncated`` when something was cut."""
    changes: dict[str, Any] = {}
    if len(result.text) > MAX_TEXT_CHARACTERS:
        changes["text"] = result.text[:MAX_TEXT_CHARACTERS]
    if len(result.findings) > MAX_FINDINGS:
        kept = sorted(result.findings, key=lambda f: -f.severity.rank)[:MAX_FINDINGS]
        changes["findings"] = tuple(kept)
    images = within(result.images) if result.images else ()
    if images != result.images:
        changes["images"] = images
    try:
        size = len(canonical(result.value))
    except NGError:
        changes["value"] = json.loads(json.dumps(result.value, default=str, allow_nan=False))
        size = len(json.dumps(changes["value"]))
    if size > MAX_VALUE_BYTES:
        changes["value"] = {"truncated": f"{name} returned {size} bytes; the limit is {MAX_VALUE_BYTES}"}
    return result.model_copy(update={**changes, "truncated": True}) if changes else result


def labelled(result: ToolResult, spec: ToolSpec) -> ToolResult:
    """``result`` with what must be known of it.

    Whatever a tool read is untrusted: a file, a page, a command's output, the machine's own names. Only a tool that
    does no more than change the workspace answers in our own words.
    """
    labels = set(result.labels)
    if spec.effect is EffectRule.PURE or spec.touches != {"workspace"}:
        labels.add(Label.UNTRUSTED)
    if Label.SECRET not in labels and _holds_secret(result):
        labels.add(Label.SECRET)
    kept = tuple(sorted(labels))
    return result if kept == result.labels else result.model_copy(update={"labels": kept})


def _holds_secret(result: ToolResult) -> bool:
    texts = [result.text]
    parts: list[Any] = [result.value]
    while parts:
        part = parts.pop()
        if isinstance(part, str):
            # A value usually repeats what stands in the text.
            texts += [part] if part not in result.text else []
        elif isinstance(part, dict):
            parts += part.values()
        elif isinstance(part, list):
            parts += part
    text = "\n".join(texts)
    return bool(text) and next(find("", text, bare=True), None) is not None

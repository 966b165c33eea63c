"""Tools for tests: what they declare and do is decided by the test."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.tools import Happened, Preview, ToolContext, ToolResult, ToolSpec

Answer = ToolResult | dict[str, Any] | None


class AnyArgs(BaseModel):
    """Arguments of any name."""

    model_config = ConfigDict(extra="allow", frozen=True)


class FakeTool:
    """A tool whose call is a function of ``(arguments, context)``; it may be a coroutine, or raise.

    ``calls`` holds the arguments and idempotency key of every call, in order.
    """

    def __init__(
        self,
        name: str,
        answer: Callable[[dict[str, Any], ToolContext], Answer | Awaitable[Answer]] = lambda _args, _context: None,
        *,
        effect: EffectRule = EffectRule.PURE,
        risk: RiskLabel = RiskLabel.SAFE,
        seconds: float = 60.0,
        happened: Happened = Happened.UNKNOWN,
    ) -> None:
        self.spec = ToolSpec(name, Texts(name, name), AnyArgs, AnyArgs, effect, risk, seconds=seconds)
        self.calls: list[tuple[dict[str, Any], str]] = []
        self._answer = answer
        self._happened = happened

    def assess(self, args: AnyArgs, context: ToolContext) -> Assessment:
        """The declared risk."""
        return Assessment(label=self.spec.risk)

    def subjects(self, args: AnyArgs) -> tuple[str, ...]:
        """The ``path`` argument, if any."""
        path = args.model_dump().get("path")
        return (path,) if isinstance(path, str) else ()

    def preview(self, args: AnyArgs, context: ToolContext) -> Preview:
        """The arguments as they are."""
        return Preview(title=self.spec.name, body=str(args.model_dump()))

    async def call(self, args: AnyArgs, context: ToolContext) -> ToolResult:
        """Note the call and answer."""
        values = args.model_dump()
        self.calls.append((values, context.key))
        answer = self._answer(values, context)
        if inspect.isawaitable(answer):
            answer = await answer
        return answer if isinstance(answer, ToolResult) else ToolResult(value=answer or {})

    async def probe(self, args: AnyArgs, context: ToolContext) -> Happened:
        """What the test said."""
        return self._happened

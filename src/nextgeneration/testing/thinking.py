"""Models and worlds for tests: what a model answers is a list or a function, and nothing is written anywhere."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.models import Finish, ModelAnswer, ModelClient, ModelRequest, ToolCall, Usage, Wish
from nextgeneration.kernel.reports import Cost
from nextgeneration.kernel.tools import Tool, ToolContext, ToolResult, ToolSpec
from nextgeneration.missions.errors import OverBudget, ToolFailed
from nextgeneration.tools.code.secrets import masked
from nextgeneration.tools.errors import BadArguments, ToolUnknown

T = TypeVar("T")
Said = ModelAnswer | str | BaseException


def calling(*calls: tuple[str, Mapping[str, Any] | None], text: str = "", ids: Iterable[str] = ()) -> ModelAnswer:
    """An answer that calls tools: ``calling(("fs.read", {"path": "a"}))``. ``None`` stands for malformed arguments."""
    names = iter(ids)
    made = tuple(
        ToolCall(next(names, f"call_{n}_{name}"), name, None if args is None else dict(args), "{" * (args is None))
        for n, (name, args) in enumerate(calls, 1)
    )
    return ModelAnswer(text, made, Finish.CALLS, Usage(100, 20), "test:scripted")


def reporting(analysis: str = "done", status: str = "done", **fields: Any) -> ModelAnswer:
    """An answer that hands in a report."""
    return calling(("report", {"status": status, "analysis": analysis, **fields}), ids=["call_report"])


class ScriptedModel:
    """A :class:`~nextgeneration.kernel.models.ModelClient` that says what a test wrote.

    Args:
        answers: one after the other (a text is an answer in words, an exception is raised), or a function of the
            request, which may be a coroutine function.
        name: ``provider:model``.

    Attributes:
        requests: what it was asked, in order.
    """

    def __init__(
        self, answers: Iterable[Said] | Callable[[ModelRequest], Said | Awaitable[Said]], name: str = "test:scripted"
    ) -> None:
        self.name = name
        self.requests: list[ModelRequest] = []
        self._say = answers if callable(answers) else _one_by_one(list(answers))

    async def answer(self, request: ModelRequest, listen: Callable[[str], None] | None = None) -> ModelAnswer:
        """The next answer."""
        self.requests.append(request)
        said = self._say(request)
        if not isinstance(said, ModelAnswer):
            said = said if isinstance(said, (str, BaseException)) else await said
            if isinstance(said, BaseException):
                raise said
            if isinstance(said, str):
                said = ModelAnswer(said, usage=Usage(100, 20), model=self.name)
        if listen is not None and said.text:
            listen(said.text)
        return said


def _one_by_one(answers: list[Said]) -> Callable[[ModelRequest], Said]:
    left = iter(answers)

    def say(_request: ModelRequest) -> Said:
        try:
            return next(left)
        except StopIteration:
            raise AssertionError(f"the script has {len(answers)} answers, and one more was asked for") from None

    return say


class InstantWorld:
    """A task's door without a mission: models and tools are called at once, and nothing is judged or recorded.

    Args:
        model: who answers; ``None``: there is no model.
        tools: what can be called.
        needs: what the model can do.
        context: tokens that the models hold.
        tool_calls: most tool calls; ``None``: any number.
        summaries: who answers questions with the purpose ``compact``; ``None``: nobody.

    Attributes:
        begun: the name of the effect at the first position of an earlier run.
        taken: what was asked for at each position, in the order the positions were taken.
        sources: where words came from that no call of a tool gave.
    """

    def __init__(
        self,
        model: ModelClient | None,
        tools: Iterable[Tool] = (),
        *,
        agent: str = "agent",
        needs: Iterable[str] = ("tools", "vision", "structured"),
        context: int = 200_000,
        tool_calls: int | None = None,
        summaries: ModelClient | None = None,
        workspace: Path = Path("/nonexistent"),
    ) -> None:
        self.agent = agent
        self.model = model
        self.tools = {name: tool for tool in tools for name in (tool.spec.name, *tool.spec.aliases)}
        self.begun: str | None = None
        self.taken: list[tuple[str, Any]] = []
        self.sources: list[str] = []
        self._needs = frozenset(needs)
        self._room = context
        self._limit = tool_calls
        self._summaries = summaries
        self._context = ToolContext(workspace=workspace, scratch=workspace)
        self._calls = self._answers = 0

    @property
    def cost(self) -> Cost:
        """Counts only."""
        return Cost(tool_calls=self._calls, model_calls=self._answers)

    def spec(self, tool: str) -> ToolSpec:
        """What a tool declares."""
        found = self.tools.get(tool)
        if found is None:
            raise ToolUnknown(name=tool, hint="")
        return found.spec

    def offered(self, wanted: Iterable[str]) -> tuple[tuple[ToolSpec, ...], tuple[NGError, ...]]:
        """What these tools declare, and the errors of those that are not there."""
        specs, problems = [], []
        for name in wanted:
            try:
                specs.append(self.spec(name))
            except ToolUnknown as error:
                problems.append(error)
        return tuple(specs), tuple(problems)

    def heard(self, source: str) -> None:
        """Noted."""
        self.sources.append(source)

    def masked(self, text: str) -> str:
        """``text`` with secrets masked."""
        return masked(text)

    def models(self, wish: Wish) -> bool:
        """Whether the model can do what is wished."""
        return self._chosen(wish) is not None and wish.needs <= self._needs

    def room(self, wish: Wish) -> int:
        """Tokens that the model holds."""
        return self._room if self.models(wish) else 0

    def _chosen(self, wish: Wish) -> ModelClient | None:
        return self._summaries if wish.purpose == "compact" else self.model

    def think(self, request: ModelRequest, wish: Wish, listen: Callable[[str], None] | None = None) -> Any:
        """Ask the model."""
        self.taken.append(("think", wish.purpose))
        self._answers += 1
        model = self._chosen(wish)
        assert model is not None, "asked without a model"  # noqa: S101
        return model.answer(request, listen)

    async def together(self, calls: Any, key: str) -> None:
        """Nothing asks here."""

    def call(self, tool: str, args: Mapping[str, Any], *, grant: Any = None) -> Any:
        """Call a tool."""
        self.taken.append((tool, args))
        self._calls += 1
        return self._call(tool, args, self._calls)

    async def _call(self, name: str, args: Mapping[str, Any], number: int) -> ToolResult:
        if self._limit is not None and number > self._limit:
            raise OverBudget(scope="t1", limit=self._limit, unit="tool_calls")
        tool = self.tools[name]
        try:
            parsed = tool.spec.args.model_validate(args)
        except ValidationError as error:
            raise BadArguments(tool=name, detail=str(error)) from None
        try:
            return await tool.call(parsed, self._context)
        except NGError as error:
            if error.control or isinstance(error, OverBudget):
                raise
            problem = error.problem()
            raise ToolFailed(tool=name, message=problem["message"], hint=problem["hint"], problem=problem) from error

    async def _value(self, fn: Callable[[], Any]) -> Any:
        value = fn()
        return await value if inspect.isawaitable(value) else value

    def record(self, name: str, fn: Callable[[], Any]) -> Any:
        """The value of ``fn``."""
        self.taken.append(("record", name))
        return self._value(fn)

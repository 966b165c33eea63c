"""A call that lets another agent work: an effect whose inside is a task of its own, below the caller's.

What the other agent does are effects under its own task, each judged, held, journaled and replayed by itself. The call
around them changes nothing: begun and not ended, it is made again, the other agent runs again from its first line, and
what is recorded of its effects answers. When it parks, the call parks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from nextgeneration.kernel.actions import Check
from nextgeneration.kernel.errors import InternalError, NGError
from nextgeneration.kernel.findings import Finding
from nextgeneration.kernel.language import Lang
from nextgeneration.kernel.reports import Cost, Report
from nextgeneration.kernel.tools import Label, Tool, ToolContext, ToolResult
from nextgeneration.missions.errors import OverBudget
from nextgeneration.missions.judging import Judge, Judged
from nextgeneration.missions.lineage import Lineage, TaskBudget
from nextgeneration.missions.outcomes import noted, recorded
from nextgeneration.missions.performing import Performance, context_of
from nextgeneration.missions.tainting import Taint
from nextgeneration.security.permissions import PermissionRules
from nextgeneration.storage.sealed import unseal

if TYPE_CHECKING:
    from nextgeneration.missions.claims import Pinned
    from nextgeneration.missions.effects import Door, TaskDoor
    from nextgeneration.missions.entries import Request
    from nextgeneration.missions.records import Effect

logger = logging.getLogger(__name__)

GRACE_SECONDS = 2.0
"""What an agent that was called gets beyond its time to hand in what it has; halved at each depth."""


class Delegating(Tool, Protocol):
    """A tool whose call is other agents' work."""

    async def delegate(self, args: Any, branch: Branch) -> ToolResult:
        """Let them work below the caller's task.

        Raises:
            Parked: one of them waits for a human.
            NGError: nobody could be called.
        """
        ...


def delegating(tool: Tool | None) -> TypeGuard[Delegating]:
    """Whether calls of a tool are other agents' work."""
    return hasattr(tool, "delegate")


def cost_below(result: ToolResult) -> Cost:
    """What the agents used whose work gave this result."""
    return Cost.model_validate(result.value.get("cost", {}))


class Branch:
    """One call's place below its caller's task: what a delegating tool is given.

    Attributes:
        task: the id of the task that begins here.
        caller: the name of the agent that calls.
        template: what the caller is made from; ``templates`` are those of all agents above, the highest first.
        depth: how many agents would stand above one that is called here.
        cost: what the work below used so far.
    """

    def __init__(
        self, door: Door, caller: TaskDoor, lineage: Lineage, position: int, read: Taint, guided: bool
    ) -> None:
        self._door = door
        self._claim = door.claim
        self._lineage = lineage
        # As it was when the call was issued: what others gave since then comes in another order when it runs again.
        self._after = read
        self._guided = guided
        self._children: list[TaskDoor] = []
        self._lineages: list[Lineage] = []
        self.task = f"{caller.task}/{position}"
        self.caller = caller.agent
        self.revision = caller.revision
        self.template = caller.template
        self.templates = lineage.templates
        self.depth = lineage.depth + 1

    @property
    def mission(self) -> str:
        """The mission's id."""
        return self._claim.id

    @property
    def lang(self) -> Lang:
        """The mission's language."""
        return self._claim.mission.lang

    @property
    def cost(self) -> Cost:
        """What the work below used so far."""
        return sum((child.cost for child in self._children), Cost())

    @property
    def read(self) -> tuple[str, ...]:
        """The tools whose untrusted results the caller had read, and may have called for the sake of."""
        return self._after.untrusted

    @property
    def labels(self) -> frozenset[Label]:
        """What must be known of what the work below gave."""
        read = [lineage.read for lineage in self._lineages]
        found = ((Label.UNTRUSTED, any(one.untrusted for one in read)), (Label.SECRET, any(one.secret for one in read)))
        return frozenset(label for label, there in found if there)

    def called(self, tool: str) -> int:
        """How many calls of ``tool`` the caller's task has begun, this one included."""
        effects = self._claim.effects.values()
        mine = (e for e in effects if e.task == self._lineage.task and e.name == tool)
        return sum(effect.status in {"intent", "done"} for effect in mine)

    def slot(self, count: int) -> AbstractAsyncContextManager[None]:
        """One of ``count`` places for agents that the caller's task calls side by side."""
        return self._lineage.slots(count)

    def pinned(self, name: str) -> Mapping[str, Any] | None:
        """The data of the revision that this mission keeps of a template."""
        return self._claim.pinned().get(name)

    @property
    def own(self) -> Mapping[str, Any]:
        """The data of the revision the caller is made from; empty for one that this mission keeps nothing of."""
        return self._claim.kept(self.revision) or {}

    async def pin(self, name: str, live: Callable[[str], Pinned]) -> Mapping[str, Any]:
        """The data of the revision that this mission keeps of a template: the live one, if none was kept so far."""
        async with self._door.pinning:
            data = self.pinned(name)
            if data is None:
                revision = live(name)
                await self._claim.pin(name, revision.digest, revision.data)
                data = revision.data
            return data

    def door(
        self,
        agent: str,
        permissions: Sequence[PermissionRules],
        budget: TaskBudget,
        revision: str,
        template: str,
        *,
        team: bool = False,
    ) -> TaskDoor:
        """A door for the task that begins here, within what the tasks above may do and use.

        ``team``: no agent of its own works there, it only calls others.
        """
        since = self._door.clock.monotonic()
        lineage = Lineage(
            self.task, budget, template, permissions, self._lineage, since=since, read=self._after, team=team
        )
        child = self._door.below(lineage, agent, revision, self._guided)
        self._children.append(child)
        self._lineages.append(lineage)
        return child

    def started(self, agent: str, template: str) -> None:
        """Say in the journal that an agent begins, with the next transaction."""
        data = {"agent": agent, "template": template, "parent": self._lineage.task}
        self._claim.event_nowait("task.started", data, task=self.task)

    def ended(self, report: Report) -> None:
        """Say in the journal how it ended, with the next transaction."""
        data = {
            "agent": report.agent,
            "parent": self._lineage.task,
            "status": report.status.value,
            "findings": len(report.findings),
            "actions": len(report.actions),
            "missing": len(report.missing),
            "cost": {"tool_calls": report.cost.tool_calls, "seconds": round(report.cost.seconds, 3)},
        }
        self._claim.event_nowait("task.ended", data, task=self.task)

    def checks(self, findings: Iterable[Finding]) -> list[Check]:
        """The calls below that found these, once each, with the ids that must be gone when they are made again."""
        below = f"{self.task}/"
        made = {
            f"{self.mission}/{task}/{position}/{effect.name}": effect
            for (task, position), effect in self._claim.effects.items()
            if task == self.task or task.startswith(below)
        }
        found: dict[str, Check] = {}
        for finding in findings:
            key = next((item.effect for item in finding.evidence if item.effect in made), None)
            if key is not None:
                about = unseal(made[key].args, "effects", key)
                check = found.get(key) or Check(tool=made[key].name, args=about.get("made", about["args"]))
                found[key] = check.model_copy(update={"absent": (*check.absent, finding.id)})
        return list(found.values())


class Delegation(Performance):
    """The making of one call that lets others work."""

    def __init__(
        self,
        door: Door,
        judge: Judge,
        request: Request,
        begun: Effect | None,
        ends: float,
        branch: Branch,
    ) -> None:
        super().__init__(door, judge, request, begun, ends)
        self._branch = branch

    @property
    def cost(self) -> Cost:
        """What it used: the time is that of the calls below."""
        return Cost(tool_calls=int(self.made)) + self._branch.cost

    async def run(self) -> ToolResult:
        """Let them work, or find out why not. What was allowed when it began goes on without another question."""
        if self._entry.effect is None:
            return await super().run()
        context = context_of(self._door, self._request.key)
        judged = self._judged(context, self._entry.effect.edit)
        return await self._call(judged, context, self._left())

    async def _tried(self, judged: Judged, context: ToolContext, left: float) -> tuple[str, ToolResult] | BaseException:
        """Let them work under what is left of the time; the recorded result, or why there is none."""
        request, tool = self._request, judged.tool
        timer = self._claim.deadlines.after(max(left, 0.0) + GRACE_SECONDS / 2**self._branch.depth)
        try:
            if not delegating(tool):
                raise InternalError(kind=type(tool).__name__, detail=request.name)
            with timer:
                result = await tool.delegate(judged.parsed, self._branch)
            return recorded(noted(result, judged.edit, self._claim.mission.lang), request.name, request.key)
        except NGError as error:
            if error.control:
                raise
            return error
        except Exception as error:
            if isinstance(error, TimeoutError) and timer.expired:
                return OverBudget(scope=request.task, limit=round(max(left, 0.0), 1), unit="seconds")
            logger.exception("%s failed unforeseen", request.key)
            return error


class DelegatingTool:
    """What every delegating tool shares: it has no call outside a task."""

    async def call(self, args: Any, context: ToolContext) -> ToolResult:
        """Never made: the door calls ``delegate``.

        Raises:
            InternalError: always.
        """
        raise InternalError(kind=type(self).__name__, detail="called outside a task")

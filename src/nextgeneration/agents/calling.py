"""``agent.run``: an agent lets another one work on a part of its task, or a team that is planned for it.

The other agent works in a task of its own below the caller's. It may do what both templates permit, within what is left
of the caller's budget, and what it reports comes back as the result of the call.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nextgeneration.agents.carrying import AGENT_RUN, result_of
from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.errors_calling import (
    CalledTooDeep,
    CalledTooMany,
    CallerNotAllowed,
    CallingInCircles,
    ReportRefused,
)
from nextgeneration.agents.teaming import Errands, run_team
from nextgeneration.credits.units import MICRO
from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.errors import NGError, as_problem
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.show import escaped
from nextgeneration.kernel.tools import Happened, Preview, ToolContext, ToolResult, ToolSpec
from nextgeneration.missions.delegating import Branch, DelegatingTool
from nextgeneration.missions.effects import TaskBudget
from nextgeneration.missions.errors import OverBudget
from nextgeneration.templates.revision import Revision

if TYPE_CHECKING:
    from nextgeneration.missions.effects import TaskDoor

logger = logging.getLogger(__name__)

DEPTH, COUNT, AT_ONCE = 3, 20, 4


class Worker(Protocol):
    """An agent."""

    async def process(self, input_data: Any, context: Any = None) -> dict[str, Any]:
        """Work on one task."""
        ...


class Staff(Protocol):
    """Who can be called."""

    def revision(self, name: str) -> Revision:
        """A template as it is now.

        Raises:
            TemplateUnknown, TemplateInvalid: there is none, or it cannot be used.
        """
        ...

    def hire(self, revision: Revision, name: str) -> Worker:
        """An agent made from a revision."""
        ...

    def given(self, goal: str) -> dict[str, Any]:
        """What an agent is given to work on ``goal``."""
        ...

    def plan(self, goal: str, lang: Lang) -> Errands:
        """Who would work on ``goal``, by rules."""
        ...


class RunArgs(BaseModel):
    """Arguments of ``agent.run``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    goal: str = Field(min_length=1, max_length=20_000, description="what is to be done, in plain words")
    agent: str = Field(
        default="", max_length=64, description="the template to call; without one, agents are chosen to fit the goal"
    )
    input: dict[str, Any] = Field(default_factory=dict, description="what else the agent may read as its input")


class AgentRun(DelegatingTool):
    """The tool.

    Args:
        staff: who can be called; without it the tool is only declared.
        depth: how many agents may stand above the last one.
        count: how many agents one task may call.
        at_once: how many of them work in parallel.
    """

    spec = ToolSpec(
        name=AGENT_RUN,
        summary=Texts(
            "Let another agent work on a part of the task, and get its report.",
            "Confier une part de la tâche à un autre agent, et recevoir son rapport.",
        ),
        args=RunArgs,
        result=Report,
        # What the other agent changes are calls of its own, each judged; this one only waits for its report.
        effect=EffectRule.PURE,
        risk=RiskLabel.SAFE,
        seconds=900.0,
    )

    def __init__(
        self, staff: Staff | None = None, depth: int = DEPTH, count: int = COUNT, at_once: int = AT_ONCE
    ) -> None:
        self._staff = staff
        self._depth = depth
        self._count = count
        self._at_once = at_once

    def assess(self, args: RunArgs, context: ToolContext) -> Assessment:
        """Safe: whatever the other agent does is judged when it does it."""
        return Assessment(label=self.spec.risk)

    def subjects(self, args: RunArgs) -> tuple[str, ...]:
        """The template's name, so that ``agent.run(security_*)`` is a rule; ``*`` for a team."""
        return (args.agent or "*",)

    def preview(self, args: RunArgs, context: ToolContext) -> Preview:
        """Who is called for what."""
        return Preview(title=f"{AGENT_RUN} {escaped(args.agent, newlines=False)}".strip(), body=escaped(args.goal))

    async def probe(self, args: RunArgs, context: ToolContext) -> Happened:
        """Never asked: the call is simply made again."""
        return Happened.UNKNOWN

    async def delegate(self, args: RunArgs, branch: Branch) -> ToolResult:
        """Let the agent, or a team, work; its report.

        Raises:
            CallerNotAllowed, CallingInCircles, CalledTooDeep, CalledTooMany: the call is refused.
            TemplateUnknown, TemplateInvalid: there is no such template, or it cannot be used.
            Parked: somebody below waits for a human.
        """
        staff = self._staff
        if staff is None:
            raise CalledTooDeep(agent=args.agent or "*", depth=branch.depth, limit=0, chain=_chain(branch))
        self._allowed(args, branch)
        if not args.agent:
            return await run_team(branch, args.goal, args.input, lambda goal: staff.plan(goal, branch.lang))
        revision = Revision.from_data(dict(await branch.pin(args.agent, staff.revision)))
        async with branch.slot(self._at_once):
            report, door = await self._worked(staff, revision, args, branch)
        checks = branch.checks(report.findings)
        return result_of(report.model_copy(update={"cost": door.cost}), checks, branch.read, branch.labels)

    def _allowed(self, args: RunArgs, branch: Branch) -> None:
        if not any(fnmatchcase(AGENT_RUN, str(name)) for name in branch.own.get("tools", ())):
            raise CallerNotAllowed(template=branch.template)
        if args.agent in branch.templates:
            raise CallingInCircles(agent=args.agent, chain=_chain(branch))
        if branch.depth > self._depth:
            raise CalledTooDeep(agent=args.agent or "*", depth=branch.depth, limit=self._depth, chain=_chain(branch))
        if branch.called(AGENT_RUN) > self._count:
            raise CalledTooMany(agent=branch.caller, limit=self._count)

    async def _worked(self, staff: Staff, revision: Revision, args: RunArgs, branch: Branch) -> tuple[Report, TaskDoor]:
        """The agent's report, whatever becomes of it. Only what concerns the whole mission is raised."""
        name = revision.name
        door = branch.door(name, revision.permissions, _budget(revision), revision.digest, name)
        told = {"mission": branch.mission, "goal": args.goal, "task": branch.task, "reports": {}}
        context = TaskContext(told, door=door, task=branch.task, lang=branch.lang)
        branch.started(name, name)
        try:
            given = {**staff.given(args.goal), **args.input}
            report = _as_report(await staff.hire(revision, name).process(given, context), name)
        except NGError as error:
            if error.control:
                raise
            report = _no_report(name, error, branch.lang)
        except Exception as error:
            logger.exception("agent %s failed in %s", name, branch.task)
            report = _no_report(name, error, branch.lang)
        report = _signed(report, revision, branch.task)
        branch.ended(report.model_copy(update={"cost": door.cost}))
        return report, door


def _chain(branch: Branch) -> str:
    return " → ".join(branch.templates)


def _budget(revision: Revision) -> TaskBudget:
    """What the template allows one task; what is left to the caller binds it too."""
    budget = revision.budget
    spend = None if budget.credits is None else budget.credits * MICRO
    return TaskBudget(budget.tool_calls, budget.seconds, budget.model_calls, spend)


def _as_report(answer: Mapping[str, Any], agent: str) -> Report:
    """The typed report in what ``process`` returned.

    Raises:
        ReportRefused: its fields do not fit.
    """
    try:
        return Report.model_validate({name: answer[name] for name in Report.model_fields if name in answer})
    except ValidationError as error:
        first = error.errors()[0]
        raise ReportRefused(agent=agent, detail=f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _no_report(agent: str, error: Exception, lang: Lang) -> Report:
    problem = as_problem(error, lang)
    status = ReportStatus.OVER_BUDGET if isinstance(error, OverBudget) else ReportStatus.FAILED
    said = problem["message"]
    return Report(agent=agent, status=status, analysis=said, missing=(said,), problems=(problem,))


def _signed(report: Report, revision: Revision, task: str) -> Report:
    """``report`` as this task's: whose it is, and by whose permissions its actions are judged, is not its say."""
    actions = tuple(
        action.model_copy(update={"agent": revision.name, "task": task, "id": f"act_{digest([task, number])[7:23]}"})
        for number, action in enumerate(report.actions)
    )
    about = {"template": revision.name, "revision": revision.digest, "role": revision.role}
    return report.model_copy(update={**about, "agent": revision.name, "task": task, "actions": actions})

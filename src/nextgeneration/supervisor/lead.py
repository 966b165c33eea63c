"""Leading one claimed mission: plan, work, conclude, act, report.

The phases are methods; ``graph`` strings them together. Each may be run again from its first line after
a crash or a decision: what was done is read back from the mission's own records, never from the graph.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.records import AgentRecords
from nextgeneration.agents.template import TemplateAgent
from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.clock import Clock
from nextgeneration.kernel.errors import NGError, as_problem
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.kernel.tools import Tool
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.effects import Door, Policy, TaskBudget
from nextgeneration.missions.errors import Parked
from nextgeneration.missions.leases import Change
from nextgeneration.missions.schema import TaskRecord
from nextgeneration.missions.tainting import Taint
from nextgeneration.storage.errors import RecordDamaged
from nextgeneration.supervisor.actions import chosen
from nextgeneration.supervisor.errors import DependencyFailed, RubbishReport, TaskHung
from nextgeneration.supervisor.outcome import ActionOutcome, MissionReport, TaskOutcome
from nextgeneration.supervisor.planner import Known, Plan, PlannedTask, Planner, RecordedAgent, validated
from nextgeneration.supervisor.planning import planned
from nextgeneration.supervisor.schedule import Waves, run_all
from nextgeneration.templates.revision import Revision

log = logging.getLogger(__name__)

GRACE = 5.0
"""Seconds a task gets beyond its budget to hand in what it has before it is ended."""


class Worker(Protocol):
    """What the lead needs of an agent."""

    async def process(self, input_data: Any, context: Any = None) -> dict[str, Any]:
        """Work on one task."""
        ...


class Scratch(Protocol):
    """The private folders of missions."""

    def of(self, mission: str) -> Callable[[], Path]:
        """Makes the mission's folder if need be, and names it."""
        ...

    async def drop(self, mission: str) -> None:
        """Remove the folder of a mission that has ended."""
        ...


@dataclass(frozen=True)
class Parts:
    """What every mission of a process shares.

    ``waves`` are for missions about to ask a model for their plan.
    """

    planner: Planner
    revisions: Callable[[], Mapping[str, Revision]]
    hire: Callable[[Revision, str], Worker]
    tools: Mapping[str, Tool]
    scratch: Scratch
    clock: Clock
    records: AgentRecords | None = None
    access: ModelAccess | None = None
    standing: tuple[str, ...] = ()
    at_once: int = 8
    replans: int = 2
    actions: int = 3
    waves: Waves = field(default_factory=Waves)


@dataclass
class Lead:
    """One mission under way in this process."""

    claim: Claim
    parts: Parts
    plan: Plan = field(default_factory=lambda: Plan(goal=""))
    recorded: Known = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    parked: tuple[str, ...] = ()
    outcomes: list[ActionOutcome] | None = None
    fixed: set[str] = field(default_factory=set)
    report: MissionReport | None = None

    def __post_init__(self) -> None:
        mission = self.claim.mission
        self.lang = mission.lang
        options = mission.options
        self.door = Door(
            self.claim,
            self.parts.tools,
            Policy(
                standing=self.parts.standing,
                network=options.network,
                auto=RiskLabel.WRITE if options.yes else None,
                attended=options.attended,
            ),
            scratch=self.parts.scratch.of(mission.id),
            clock=self.parts.clock,
            access=self.parts.access if options.models else None,
        )
        self.revisions = {name: Revision.from_data(data) for name, data in self.claim.pinned().items()}
        self._twins: dict[str, list[str]] = {}
        saved = self.claim.plan()
        if saved is not None:
            self._take(Plan.model_validate(saved))
        self.reports = {task.id: task.report for task in self.claim.tasks() if task.report is not None}
        self._complete()

    def _complete(self) -> None:
        """Refuse to go on with a mission whose records do not fit together any more: one of them is gone.

        Raises:
            RecordDamaged: naming it.
        """
        mission, tasks = self.claim.mission.id, {task.id for task in self.claim.tasks()}
        wanted = [("tasks", task.id, tasks) for task in self.plan.tasks]
        wanted += [("pins", task.pin, set(self.revisions)) for task in self.plan.tasks]
        if tasks and not self.plan.goal:
            wanted.append(("documents", "plan", set()))
        for table, name, there in wanted:
            if name not in there:
                raise RecordDamaged(table=table, id=f"{mission}/{name}", detail="missing")

    async def make_plan(self) -> None:
        """Plan the mission, or add replacements for tasks that failed; a plan that stands is kept."""
        if not self.plan.goal:
            self.recorded = await self._named(self.claim.mission.options.agents or ())
            await self._adopt(await planned(self), "mission.planned")
            return
        replacements = self._replacements()
        if replacements:
            tasks = (*self.plan.tasks, *replacements)
            note = "\n".join((self.plan.note, *(task.why for task in replacements)))
            await self._adopt(self.plan.model_copy(update={"tasks": tasks, "note": note}), "mission.replanned")

    async def _named(self, agents: Sequence[str]) -> Known:
        """Those of ``agents`` that are recorded."""
        records = self.parts.records
        found = await records.named(agents) if records is not None else {}
        return {
            name: (RecordedAgent(id=record.id, name=name, config=record.config), revision)
            for name, (record, revision) in found.items()
        }

    async def _adopt(self, plan: Plan, event: str) -> None:
        live = {**self.parts.revisions(), **{name: revision for name, (_, revision) in self.recorded.items()}}
        pinned = self.claim.pinned()
        # Agents called by others pinned theirs meanwhile.
        self.revisions |= {name: Revision.from_data(pinned[name]) for name in pinned.keys() - self.revisions.keys()}
        known = {**live, **self.revisions}
        budget = self.claim.mission.budget
        plan = validated(plan, known, budget.tool_calls, budget.seconds)
        fresh = {task.pin: known[task.pin] for task in plan.tasks if task.pin not in self.revisions}
        self.revisions.update(fresh)
        had, twins = {task.id for task in self.plan.tasks}, _twins(plan)
        await self.claim.save_plan(
            plan.model_dump(mode="json"),
            tasks=[self._record(task, _name(task, twins)) for task in plan.tasks if task.id not in had],
            pins=fresh,
            event=event,
        )
        self._take(plan)

    def _take(self, plan: Plan) -> None:
        self.plan, self._twins = plan, _twins(plan)

    def _record(self, task: PlannedTask, agent: str) -> TaskRecord:
        return TaskRecord(
            id=task.id,
            agent=agent,
            template=task.template,
            revision=self.revisions[task.pin].digest,
            goal=task.goal,
            input=task.input,
            depends=task.depends,
            why=task.why,
        )

    def agent_name(self, task: PlannedTask) -> str:
        """The agent's name in this mission: its own or its template's, numbered when it works twice."""
        return _name(task, self._twins)

    def revision_of(self, task: str) -> Revision:
        """The revision that the agent of a task is made from."""
        return next(self.revisions[planned.pin] for planned in self.plan.tasks if planned.id == task)

    async def work(self) -> None:
        """Run every task that has not ended; afterwards ``parked`` names the approvals tasks wait for."""
        waiting: list[str] = []

        async def run(task: PlannedTask) -> Report | None:
            since = self.parts.clock.monotonic()
            try:
                report = await self._task(task)
            except Parked as parked:
                waiting.extend(parked.approvals)
                return None
            await self.claim.end_task(task.id, report, self._counting(task, report, since))
            self.reports[task.id] = report
            return report

        await run_all(self.plan.tasks, dict(self.reports), run, self.parts.at_once)
        self.parked = tuple(dict.fromkeys(waiting))

    def _counting(self, task: PlannedTask, report: Report, since: float) -> Change | None:
        """What counts the end of a recorded agent's task, once: it goes with the report."""
        if task.recorded is None or self.parts.records is None or report.status is ReportStatus.SKIPPED:
            return None
        # What it did before it waited for an answer, or before a crash, is in its calls.
        seconds = max(self.parts.clock.monotonic() - since, report.cost.seconds)
        return self.parts.records.counting(task.recorded.id, report=report, seconds=seconds)

    async def _hired(self, task: PlannedTask, revision: Revision, name: str) -> Worker:
        if task.recorded is None or self.parts.records is None:
            return self.parts.hire(revision, name)
        return await self.parts.records.hired(task.recorded.id, name, revision, task.recorded.config)

    async def _task(self, task: PlannedTask) -> Report:
        """One task to its report. Only what concerns the whole mission is raised."""
        failed = [need for need in task.depends if self.reports_failed(need)]
        if task.depends and len(failed) == len(task.depends):
            error = DependencyFailed(task=task.id, needed=", ".join(failed))
            return self._no_report(task, ReportStatus.SKIPPED, error)
        revision = self.revisions[task.pin]
        budget = TaskBudget(task.tool_calls, task.seconds, task.model_calls, task.credits)
        name = self.agent_name(task)
        told = Taint(untrusted=tuple(f"report of {self.reports[need].agent}" for need in task.depends))
        whose = (task.id, name, revision.permissions, budget, revision.digest, task.template)
        door = self.door.task(*whose, after=told)
        context = TaskContext(self._told(task), door=door, task=task.id, lang=self.lang)
        # Rides with the task's first effect: a start that is not followed by anything needs no record.
        self.claim.event_nowait("task.started", {"agent": name, "template": task.template}, task=task.id)
        try:
            async with asyncio.timeout(task.seconds + GRACE):
                worker = await self._hired(task, revision, name)
                answer = await _worked(worker, dict(task.input), context)
            return self._signed(_as_report(answer, name), task)
        except TimeoutError:
            return self._no_report(task, ReportStatus.FAILED, TaskHung(agent=name, seconds=task.seconds))
        except NGError as error:
            if error.control:
                raise
            return self._no_report(task, ReportStatus.FAILED, error)
        except Exception as error:
            log.exception("agent %s failed in %s", name, self.claim.mission.id)
            return self._no_report(task, ReportStatus.FAILED, error)

    def _signed(self, report: Report, task: PlannedTask) -> Report:
        """``report`` as this task's: whose it is, and by whose permissions its actions are judged, is not its say."""
        name, revision = self.agent_name(task), self.revisions[task.pin]
        own = (name, task.id, task.template, revision.digest, revision.role)
        if not report.actions and own == (report.agent, report.task, report.template, report.revision, report.role):
            return report
        whose = {"agent": name, "task": task.id}
        actions = tuple(
            action.model_copy(update={**whose, "id": f"act_{digest([task.id, number])[7:23]}"})
            for number, action in enumerate(report.actions)
        )
        about = {"template": task.template, "revision": revision.digest, "role": revision.role, "actions": actions}
        return report.model_copy(update={**whose, **about})

    def reports_failed(self, task_id: str) -> bool:
        """Whether a task ended without anything to build on."""
        report = self.reports.get(task_id)
        return report is not None and report.status in {ReportStatus.FAILED, ReportStatus.SKIPPED}

    def _told(self, task: PlannedTask) -> dict[str, Any]:
        """What the agent may read: the mission and what the tasks before it found."""
        before = {
            need: {
                "agent": report.agent,
                "status": report.status.value,
                "analysis": report.analysis,
                "findings": [f.model_dump(mode="json") | {"id": f.id} for f in report.findings[:100]],
            }
            for need in task.depends
            if (report := self.reports.get(need)) is not None
        }
        return {"mission": self.claim.mission.id, "goal": task.goal, "task": task.id, "reports": before}

    def _no_report(self, task: PlannedTask, status: ReportStatus, error: Exception) -> Report:
        problem = as_problem(error, self.lang)
        revision = self.revisions[task.pin]
        return Report(
            agent=self.agent_name(task),
            template=task.template,
            revision=revision.digest,
            role=revision.role,
            task=task.id,
            status=status,
            analysis=problem["message"],
            missing=(problem["message"],),
            problems=(problem,),
        )

    def _replacements(self) -> list[PlannedTask]:
        """Tasks for other agents, for each failed task that none has taken over yet."""
        replaced = {task.replaces for task in self.plan.tasks}
        rounds = sum(1 for task in self.plan.tasks if task.replaces)
        used = [task.template for task in self.plan.tasks]
        found: list[PlannedTask] = []
        for task in self.plan.tasks:
            report = self.reports.get(task.id)
            if report is None or report.status is not ReportStatus.FAILED or task.id in replaced:
                continue
            if rounds + len(found) >= self.parts.replans:
                break
            number = len(self.plan.tasks) + len(found) + 1
            other = self.parts.planner.instead(task, used, number, self.lang)
            if other is not None:
                used.append(other.template)
                found.append(other)
        return found

    def should_replan(self) -> bool:
        """Whether a failed task could be taken over by another agent, within the bound."""
        return not self.parked and bool(self._replacements())

    def proposed(self) -> list[ActionOutcome]:
        """The actions of all reports, best first; those beyond the mission's limit stay only offered."""
        mission = self.claim.mission
        limit = self.parts.actions if mission.options.actions is None else mission.options.actions
        return chosen(self.reports, limit, mission.goal)

    def task_outcomes(self) -> tuple[TaskOutcome, ...]:
        """Each planned task's line in the mission's report."""
        return tuple(self._outcome(task) for task in self.plan.tasks)

    def _outcome(self, task: PlannedTask) -> TaskOutcome:
        report = self.reports.get(task.id) or Report(
            agent=self.agent_name(task), task=task.id, status=ReportStatus.SKIPPED
        )
        return TaskOutcome(
            id=task.id,
            agent=report.agent,
            template=task.template,
            revision=self.revisions[task.pin].digest,
            status=report.status,
            why=task.why,
            analysis=report.analysis,
            missing=report.missing,
            problems=report.problems,
            replaces=task.replaces,
            opinions=report.opinions,
            dropped=report.dropped,
            cost=report.cost,
        )


async def _worked(worker: Worker, given: dict[str, Any], context: TaskContext) -> Report | dict[str, Any]:
    """What a worker makes of a task: the report itself where nobody has to see it as an object first."""
    if isinstance(worker, TemplateAgent) and not worker.hooks.after_process:
        return await worker.report(given, context)
    return await worker.process(given, context)


def _as_report(answer: object, agent: str) -> Report:
    """The typed report in what ``process`` returned.

    Raises:
        RubbishReport: it is no mapping, or its fields do not fit.
    """
    if isinstance(answer, Report):
        return answer
    if not isinstance(answer, Mapping):
        raise RubbishReport(agent=agent, detail=f"{type(answer).__name__} instead of a mapping")
    fields = {key: answer[key] for key in Report.model_fields if key in answer}
    try:
        return Report.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise RubbishReport(agent=agent, detail=f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _twins(plan: Plan) -> dict[str, list[str]]:
    """The tasks of each agent, in the order of the plan."""
    twins: dict[str, list[str]] = {}
    for task in plan.tasks:
        twins.setdefault(task.pin, []).append(task.id)
    return twins


def _name(task: PlannedTask, twins: Mapping[str, Sequence[str]]) -> str:
    mine = twins.get(task.pin, ())
    return task.pin if len(mine) < 2 or mine[0] == task.id else f"{task.pin}_{task.id}"

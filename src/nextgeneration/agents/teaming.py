"""A goal handed on without naming an agent: who fits is planned by rules, and their reports become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from nextgeneration.agents.carrying import AGENT_RUN, checks_in, report_in, result_of
from nextgeneration.agents.runtimes.thinking.calls import side_by_side
from nextgeneration.kernel.actions import Check
from nextgeneration.kernel.errors import as_problem
from nextgeneration.kernel.findings import Finding
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.effects import TaskBudget

if TYPE_CHECKING:
    from nextgeneration.kernel.language import Lang
    from nextgeneration.missions.delegating import Branch

MAX_TEAM = 6


class Errand(Protocol):
    """One agent's part of a goal."""

    @property
    def id(self) -> str:
        """Its name in the plan."""
        ...

    @property
    def template(self) -> str:
        """Who works on it."""
        ...

    @property
    def goal(self) -> str:
        """What is to be done."""
        ...

    @property
    def depends(self) -> Sequence[str]:
        """What must have ended before."""
        ...


class Errands(Protocol):
    """A plan, or why there is none."""

    @property
    def tasks(self) -> Sequence[Errand]:
        """In an order in which they can be done."""
        ...

    @property
    def note(self) -> str:
        """What it rests on, in words."""
        ...


async def run_team(branch: Branch, goal: str, given: Mapping[str, Any], plan: Callable[[str], Errands]) -> ToolResult:
    """Let those who fit ``goal`` work, each called like any other agent, and merge their reports.

    The plan is recorded, so that a task that runs again calls the same agents. Those that already work above this call
    are not called.

    Raises:
        Parked: somebody below waits for a human.
    """
    door = branch.door(branch.caller, (), TaskBudget(), branch.revision, branch.template, team=True)
    planned = await door.record("plan", lambda: _told(plan(goal), branch.templates))
    tasks: list[dict[str, Any]] = planned["tasks"]
    outcomes: dict[str, ToolResult | Exception] = {}
    waiting = list(tasks)
    while waiting:
        ready = [task for task in waiting if all(need in outcomes for need in task["depends"])]
        waiting = [task for task in waiting if task not in ready]
        calls = []
        for task in ready:
            before = _before(task["depends"], outcomes)
            args = {"agent": task["template"], "goal": task["goal"], "input": {**given, **before}}
            calls.append(door.call(AGENT_RUN, args))
        outcomes.update(zip((task["id"] for task in ready), await side_by_side(calls), strict=True))
    report = _merged(branch, tasks, outcomes, planned["note"]).model_copy(update={"cost": door.cost})
    checks = [check for outcome in outcomes.values() if isinstance(outcome, ToolResult) for check in checks_in(outcome)]
    return result_of(report, _once(checks), branch.read, branch.labels)


def _told(plan: Errands, above: Sequence[str]) -> dict[str, Any]:
    """A plan as plain JSON, without those who already work above, and with what can still come before what."""
    kept = [task for task in plan.tasks if task.template not in above][:MAX_TEAM]
    tasks: list[dict[str, Any]] = []
    for task in kept:
        known = {earlier["id"] for earlier in tasks}
        depends = [need for need in task.depends if need in known]
        tasks.append({"id": task.id, "template": task.template, "goal": task.goal, "depends": depends})
    return {"tasks": tasks, "note": plan.note}


def _before(needs: Sequence[str], outcomes: Mapping[str, ToolResult | Exception]) -> dict[str, Any]:
    """What those before found, for those after."""
    reports = [report_in(found) for need in needs if isinstance(found := outcomes[need], ToolResult)]
    return (
        {"before": [{"agent": r.agent, "status": r.status.value, "analysis": r.analysis} for r in reports]}
        if needs
        else {}
    )


def _merged(
    branch: Branch, tasks: Sequence[Mapping[str, Any]], outcomes: Mapping[str, ToolResult | Exception], note: str
) -> Report:
    """One report of all."""
    reports = [_report_of(task, outcomes[task["id"]], branch.lang) for task in tasks]
    findings: dict[str, Finding] = {}
    for report in reports:
        for finding in report.findings:
            findings.setdefault(finding.id, finding)
    said = [f"{report.agent}: {report.analysis}" for report in reports if report.analysis]
    return Report(
        agent=branch.caller,
        task=branch.task,
        status=_status(reports),
        analysis="\n".join(said) or note,
        result={"tasks": [{"agent": r.agent, "task": r.task, "status": r.status.value} for r in reports]},
        findings=tuple(findings.values()),
        statements=tuple(one for report in reports for one in report.statements),
        actions=tuple(action for report in reports for action in report.actions),
        missing=tuple(dict.fromkeys(line for report in reports for line in report.missing)) if reports else (note,),
        problems=tuple(problem for report in reports for problem in report.problems),
    )


def _report_of(task: Mapping[str, Any], outcome: ToolResult | Exception, lang: Lang) -> Report:
    if isinstance(outcome, ToolResult):
        return report_in(outcome)
    problem = getattr(outcome, "problem_data", None) or as_problem(outcome, lang)
    said = str(problem["message"])
    return Report(
        agent=task["template"], status=ReportStatus.FAILED, analysis=said, missing=(said,), problems=(problem,)
    )


def _status(reports: Sequence[Report]) -> ReportStatus:
    found = {report.status for report in reports}
    if len(found) == 1:
        return found.pop()
    return ReportStatus.PARTIAL if reports else ReportStatus.FAILED


def _once(checks: Sequence[Check]) -> list[Check]:
    """Each check once."""
    return [check for place, check in enumerate(checks) if check not in checks[:place]]

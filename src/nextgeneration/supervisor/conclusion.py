"""The last phase: everything known becomes one report, and the mission ends with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.reports import ReportStatus
from nextgeneration.supervisor.asking import asked_in, quoted
from nextgeneration.supervisor.edits import edited_calls
from nextgeneration.supervisor.outcome import ActionStatus, MissionReport, TaskOutcome
from nextgeneration.supervisor.synthesis import answer, merged, missing_parts
from nextgeneration.supervisor.writing import worded

if TYPE_CHECKING:
    from nextgeneration.supervisor.lead import Lead

_NOTHING = {ReportStatus.FAILED, ReportStatus.SKIPPED}


def report_of(lead: Lead, status: str = "") -> MissionReport:
    """The mission's report as far as it is known now, but for its cost; ``status`` is what it came to unless given."""
    mission = lead.claim.mission
    tasks = lead.task_outcomes()
    findings = merged(lead.reports, lead.fixed, mission.goal)
    outcomes = tuple(lead.proposed() if lead.outcomes is None else lead.outcomes)
    return MissionReport(
        mission=mission.id,
        goal=mission.goal,
        lang=lead.lang,
        status=status or _came_to(lead, tasks),
        workspace=str(mission.workspace),
        created_at=mission.created_at,
        ended_at=iso(lead.parts.clock.now()),
        plan=lead.plan.note,
        answer=answer(
            findings, tasks, outcomes, lead.lang, lead.plan.note, quoted(lead.reports, asked_in(mission.goal))
        ),
        findings=findings,
        actions=outcomes,
        tasks=tasks,
        missing=(*missing_parts(tasks, _taken_over(tasks)), *lead.plan.unserved) if tasks else (),
        edits=edited_calls(lead.claim.effects.values(), _agents(lead)),
    )


def _came_to(lead: Lead, tasks: Sequence[TaskOutcome]) -> str:
    """``done`` when every task and every approved action came through, ``failed`` when nothing did, else ``partial``.

    A task that another one took over does not count, nor does an action the human refused.
    """
    taken_over = _taken_over(tasks)
    counted = [task for task in tasks if task.id not in taken_over]
    if not counted or all(task.status in _NOTHING for task in counted):
        return "failed"
    failed_action = any(outcome.status is ActionStatus.FAILED for outcome in lead.outcomes or ())
    done = all(task.status is ReportStatus.DONE for task in counted) and not lead.plan.unserved
    return "done" if done and not failed_action else "partial"


def _taken_over(tasks: Iterable[TaskOutcome]) -> set[str]:
    return {task.replaces for task in tasks if task.status not in _NOTHING}


def _agents(lead: Lead) -> dict[str, str]:
    """Who works at each task and action."""
    agents = {task.id: lead.agent_name(task) for task in lead.plan.tasks}
    return agents | {o.action.id: o.action.agent for o in lead.outcomes or ()}


async def report_so_far(lead: Lead) -> MissionReport:
    """The report of a mission that waits, with what it used."""
    return report_of(lead, "waiting").model_copy(update={"cost": await lead.claim.spent()})


async def conclude(lead: Lead) -> None:
    """End the mission with its report, in one transaction."""
    report = report_of(lead)
    prose = await worded(lead, report)
    report = report.model_copy(update={"prose": prose, "cost": await lead.claim.spent()})
    status = await lead.claim.end(report.status, report)
    lead.report = report if status == report.status else report.model_copy(update={"status": status.value})

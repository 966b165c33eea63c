"""The last phase: everything known becomes one report, and the mission ends with it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.reports import Cost, ReportStatus
from nextgeneration.supervisor.asking import asked_in, quoted
from nextgeneration.supervisor.outcome import ActionStatus, MissionReport, TaskOutcome
from nextgeneration.supervisor.synthesis import answer, merged, missing_parts
from nextgeneration.supervisor.writing import worded

if TYPE_CHECKING:
    from nextgeneration.supervisor.lead import Lead

_FREE = Cost()
_NOTHING = {ReportStatus.FAILED, ReportStatus.SKIPPED}


def report_of(lead: Lead, status: str = "") -> MissionReport:
    """The mission's report as far as it is known now; ``status`` is what it came to unless given."""
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
        cost=functools.reduce(operator.add, (task.cost for task in tasks), Cost()),
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


async def conclude(lead: Lead) -> None:
    """End the mission with its report, in one transaction."""
    report = await worded(lead, report_of(lead))
    own = lead.own_cost()
    if own != _FREE:
        report = report.model_copy(update={"cost": report.cost + own})
    status = await lead.claim.end(report.status, report)
    lead.report = report if status == report.status else report.model_copy(update={"status": status.value})

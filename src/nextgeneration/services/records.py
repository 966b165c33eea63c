"""What is recorded, for commands that look at it or decide, and run nothing."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nextgeneration.agents.records import AgentRecords
from nextgeneration.agents.registry import AgentRegistry
from nextgeneration.credits.service import Credits
from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.missions.approvals import Approvals
from nextgeneration.missions.errors import MissionNotEnded
from nextgeneration.missions.records import Effect
from nextgeneration.missions.schema import Approval, ApprovalStatus, Mission, TaskRecord
from nextgeneration.missions.service import Missions
from nextgeneration.services.errors import RecordsNotDeleted
from nextgeneration.services.tracing import traced
from nextgeneration.settings.credits import CreditSettings
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage.database import Storage
from nextgeneration.supervisor.actions import chosen
from nextgeneration.supervisor.edits import edited_calls
from nextgeneration.supervisor.outcome import ActionOutcome, ActionStatus, MissionReport, TaskOutcome
from nextgeneration.supervisor.store import CheckpointStore
from nextgeneration.supervisor.synthesis import answer, merged, missing_parts

SHOWN_ACTIONS = 3

_UNDER_WAY = Texts("{agent}: has not finished", "{agent} : n'a pas terminé")


@dataclass(frozen=True)
class Records:
    """The records of this installation."""

    home: Path
    missions: Missions
    approvals: Approvals
    agents: AgentRecords
    credits: Credits
    storage: Storage

    async def delete(self, ref: str) -> Mission:
        """Delete a mission that has ended: its files first, so that a crash half-way leaves it to be deleted again.

        Raises:
            MissionUnknown, MissionAmbiguous: not exactly one fits.
            MissionNotEnded: it may still go on.
            RecordsNotDeleted: a file of it could not be removed; its records are kept.
        """
        mission = await self.missions.get(ref)
        if not mission.status.ended:
            raise MissionNotEnded(mission=mission.id, status=mission.status.value)
        for folder in (self.home / "reports" / mission.id, self.home / "scratch" / mission.id):
            await asyncio.to_thread(_remove, folder, mission.id)
        await self.storage.write(lambda connection: CheckpointStore().delete_thread(connection, mission.id))
        return await self.missions.delete(mission.id)


def _remove(folder: Path, mission: str) -> None:
    try:
        if folder.is_symlink():
            folder.unlink()
        elif folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise RecordsNotDeleted(mission=mission, path=str(folder), detail=error.strerror or str(error)) from None


@contextmanager
def open_records(registry: AgentRegistry | None = None) -> Iterator[Records]:
    """Open the records alone: no templates, tools or supervisor are loaded.

    Args:
        registry: the live agents of this process, which count against the same limit as recorded ones.

    Raises:
        StorageError: the database cannot be opened.
    """
    kept, clock = StorageSettings(), SystemClock()
    storage = Storage.open(kept.url, busy_seconds=kept.database_busy_seconds)
    try:
        missions = Missions(storage, MissionSettings(), clock=clock)
        home = kept.home.expanduser().absolute()
        agents = AgentRecords(storage, clock, registry=registry)
        books = Credits(storage, CreditSettings(), clock=clock)
        with traced(missions.bus, storage, at_once=False):
            yield Records(home, missions, missions.approvals, agents, books, storage)
    finally:
        storage.close()


async def standing(missions: Missions, ref: str) -> MissionReport:
    """A mission's report: the one it ended with, else what is known of it so far.

    Raises:
        MissionUnknown, MissionAmbiguous: not exactly one fits.
    """
    mission = await missions.get(ref)
    if mission.report is not None and "mission" in mission.report:
        return MissionReport.model_validate(mission.report)
    tasks = await missions.tasks(mission.id)
    if mission.report:
        tasks = [_only_task(mission)]
    reports = {task.id: task.report for task in tasks if task.report is not None}
    outcomes = tuple(_task(task) for task in tasks if task.report is not None)
    effects = await missions.effects(mission.id)
    actions = await _actions(missions, mission, reports, effects)
    agents = {task.id: task.agent for task in tasks} | {o.action.id: o.action.agent for o in actions}
    findings = merged(reports, (), mission.goal)
    open_ = tuple(_UNDER_WAY.say(mission.lang, agent=task.agent) for task in tasks if task.report is None)
    return MissionReport(
        mission=mission.id,
        goal=mission.goal,
        lang=mission.lang,
        status=mission.status.value,
        workspace=mission.workspace,
        created_at=mission.created_at,
        ended_at=mission.ended_at or "",
        plan=str((mission.plan or {}).get("note", "")),
        answer=answer(findings, outcomes, actions, mission.lang) if outcomes else (),
        findings=findings,
        actions=actions,
        tasks=outcomes,
        cost=await missions.spent(mission.id),
        edits=edited_calls(effects, agents),
        missing=(*missing_parts(outcomes), *open_) if not mission.status.ended else missing_parts(outcomes),
    )


def _only_task(mission: Mission) -> TaskRecord:
    """The task of an agent that was called outside any mission: its report is the mission's."""
    report = Report.model_validate(mission.report)
    return TaskRecord(
        id=report.task, agent=report.agent, template=report.template, revision=report.revision,
        goal=mission.goal, report=report,
    )  # fmt: skip


def _task(task: TaskRecord) -> TaskOutcome:
    report = task.report
    return TaskOutcome(
        id=task.id,
        agent=task.agent,
        template=task.template,
        revision=task.revision,
        status=report.status if report else ReportStatus.SKIPPED,
        why=task.why,
        analysis=report.analysis if report else "",
        missing=report.missing if report else (),
        problems=report.problems if report else (),
    )


async def _actions(
    missions: Missions, mission: Mission, reports: dict[str, Report], effects: Sequence[Effect]
) -> tuple[ActionOutcome, ...]:
    """The proposed actions with the answers they have so far."""
    limit = mission.options.actions
    asked = {approval.task_id: approval for approval in await missions.approvals.of_mission(mission.id)}
    found = []
    for outcome in chosen(reports, SHOWN_ACTIONS if limit is None else limit, mission.goal):
        approval = asked.get(outcome.action.id)
        if approval is not None:
            calls = [each for each in effects if each.task == outcome.action.id and each.rule != "record"]
            status = _became(approval, calls, ended=mission.status.ended)
            outcome = outcome.model_copy(update={"status": status, **_shown(approval)})
        elif mission.status.ended:
            outcome = outcome.model_copy(update={"status": ActionStatus.OFFERED})
        found.append(outcome)
    return tuple(found)


_GIVEN = {ApprovalStatus.APPROVED, ApprovalStatus.RETRY, ApprovalStatus.DONE, ApprovalStatus.FAIL}


def _became(approval: Approval, calls: Sequence[Effect], *, ended: bool) -> ActionStatus:
    """What became of an action that was put to a human, in a mission without a report of its own."""
    if approval.status is ApprovalStatus.PENDING:
        return ActionStatus.CANCELLED if ended else ActionStatus.PENDING
    if approval.status is ApprovalStatus.VOID or (approval.status is ApprovalStatus.APPROVED and not calls):
        return ActionStatus.CANCELLED if ended else ActionStatus.APPROVED
    if approval.status not in _GIVEN:
        return ActionStatus.REJECTED
    first = min(calls, key=lambda each: each.position)
    if first.status == "intent":
        return ActionStatus.CUT_OFF if ended else ActionStatus.APPROVED
    return ActionStatus.DONE if first.status == "done" else ActionStatus.FAILED


def _shown(approval: Approval) -> dict[str, object]:
    call = approval.card["calls"][0]
    preview = call["preview"]
    return {
        "label": approval.label,
        "approval": approval.id,
        "decided_by": approval.decided_by or "",
        "edited_by": call.get("edited_by", ""),
        "preview": preview["body"],
        "kind": preview["kind"],
    }

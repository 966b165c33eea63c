"""From proposals to verified remedies: which actions are put to the human, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nextgeneration.kernel.actions import Action
from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.reports import Report
from nextgeneration.kernel.show import shortened
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.effects import Call, Grant, TaskBudget, TaskDoor
from nextgeneration.missions.errors import EffectRefused, Parked
from nextgeneration.supervisor.outcome import ActionOutcome, ActionStatus, Verification

if TYPE_CHECKING:
    from nextgeneration.supervisor.lead import Lead

ACTION_CALLS = 20
ACTION_SECONDS = 600.0


def chosen(reports: Mapping[str, Report], limit: int) -> list[ActionOutcome]:
    """All proposed actions, best first, the first ``limit`` of them pending and the others only offered.

    The same call proposed twice is one action. Of a group of alternatives only the first is put to the
    human; the others stay in the report.
    """
    worst = {f.id: f.severity.rank for report in reports.values() for f in report.findings}
    actions: dict[str, Action] = {}
    for task in sorted(reports):
        for action in reports[task].actions:
            actions.setdefault(digest([action.tool, action.args]), action)
    ranked = sorted(
        actions.values(), key=lambda a: (-max((worst.get(f, 0) for f in a.fixes), default=0), a.rank, a.task, a.id)
    )
    groups: set[str] = set()
    put = 0
    outcomes = []
    for action in ranked:
        alternative = bool(action.group) and action.group in groups
        groups.add(action.group)
        pending = put < limit and not alternative
        put += pending
        outcomes.append(ActionOutcome(action=action, status=ActionStatus.PENDING if pending else ActionStatus.OFFERED))
    return outcomes


async def act(lead: Lead) -> None:
    """Put each chosen action to the human, carry out what was approved, and verify it.

    Every card is written before the run parks, so that one decision does not hide the next. Fills
    ``lead.outcomes``, ``lead.fixed`` and ``lead.parked``.
    """
    waiting: list[str] = []
    outcomes = []
    for outcome in lead.proposed():
        if outcome.status is ActionStatus.PENDING:
            try:
                outcome = await _carry_out(lead, outcome)
            except Parked as parked:
                waiting.extend(parked.approvals)
                outcome = outcome.model_copy(update={"approval": parked.approvals[0]})
        outcomes.append(outcome)
    lead.outcomes = outcomes
    lead.parked = tuple(dict.fromkeys(waiting))


async def _carry_out(lead: Lead, outcome: ActionOutcome) -> ActionOutcome:
    action = outcome.action
    revision = lead.revisions[lead.reports[action.task].template]
    budget = TaskBudget(tool_calls=ACTION_CALLS, seconds=ACTION_SECONDS)
    door = lead.door.task(action.id, action.agent, revision.permissions, budget, revision.digest)
    calls = [Call(action.tool, action.args), *(Call(check.tool, check.args) for check in action.verify)]
    try:
        offer = await door.offer(action.tool, action.args)
        outcome = outcome.model_copy(
            update={"label": offer.assessment.label, "preview": offer.preview.body, "kind": offer.preview.kind}
        )
        grant = await door.authorise(calls, action.reason)
    except EffectRefused as error:
        return outcome.model_copy(update={"status": ActionStatus.REJECTED, "detail": error.message(lead.lang)})
    except NGError as error:
        if error.control:
            raise
        return outcome.model_copy(update={"status": ActionStatus.FAILED, "detail": error.message(lead.lang)})
    outcome = outcome.model_copy(update={"approval": grant.approval, "decided_by": grant.by})
    try:
        result = await door.call(action.tool, action.args, grant=grant)
    except NGError as error:
        if error.control:
            raise
        return await _ended(lead, outcome, ActionStatus.FAILED, error.message(lead.lang))
    return await _verified(lead, outcome, door, grant, result)


async def _verified(
    lead: Lead, outcome: ActionOutcome, door: TaskDoor, grant: Grant, result: ToolResult
) -> ActionOutcome:
    """Run the action's checks; what it found itself joins the mission's findings."""
    action = outcome.action
    outcome = outcome.model_copy(update={"output": {"ok": result.ok, "text": shortened(result.text, 4000)}})
    if result.findings:
        base = lead.reports[action.task]
        update = {"findings": result.findings, "actions": (), "task": action.id, "missing": (), "problems": ()}
        lead.reports[action.id] = base.model_copy(update=update)
    if not result.ok:
        return await _ended(lead, outcome, ActionStatus.FAILED, shortened(result.text, 300))
    checks = []
    for check in action.verify:
        try:
            answer = await door.call(check.tool, check.args, grant=grant)
        except NGError as error:
            if error.control:
                raise
            checks.append(Verification(tool=check.tool, passed=False, detail=error.message(lead.lang)))
            continue
        left = {f.id for f in answer.findings} & set(check.absent)
        detail = shortened(answer.text, 300) if not left else ", ".join(sorted(left))
        checks.append(Verification(tool=check.tool, passed=answer.ok and not left, detail=detail))
    outcome = outcome.model_copy(update={"checks": tuple(checks)})
    if checks and all(check.passed for check in checks):
        lead.fixed.update(action.fixes)
        return await _ended(lead, outcome, ActionStatus.VERIFIED, "")
    return await _ended(lead, outcome, ActionStatus.DONE, "")


async def _ended(lead: Lead, outcome: ActionOutcome, status: ActionStatus, detail: str) -> ActionOutcome:
    kind = "action.verified" if status is ActionStatus.VERIFIED else "action.done"
    data = {"action": outcome.action.id, "status": status.value, "detail": detail}
    await lead.claim.event(kind, data, task=outcome.action.task)
    return outcome.model_copy(update={"status": status, "detail": detail})

"""From proposals to verified remedies: which actions are put to the human, and what became of each."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nextgeneration.kernel.actions import Action, Check
from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.reports import Report
from nextgeneration.kernel.show import brief, escaped, shortened
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.effects import Call, Grant, TaskBudget, TaskDoor
from nextgeneration.missions.errors import EffectRefused, Parked
from nextgeneration.missions.judging import identity
from nextgeneration.missions.tainting import Taint
from nextgeneration.supervisor.asking import asked_in
from nextgeneration.supervisor.outcome import ActionOutcome, ActionStatus, Verification
from nextgeneration.templates.revision import Revision

if TYPE_CHECKING:
    from nextgeneration.supervisor.lead import Lead

ACTION_CALLS = 20
ACTION_SECONDS = 600.0


WORTH_ASKING = Severity.MEDIUM
"""From this severity on a remedy is worth a human's time when the goal did not ask for changes."""


def chosen(reports: Mapping[str, Report], limit: int, goal: str | None = None) -> list[ActionOutcome]:
    """All proposed actions, best first, at most ``limit`` of them pending and the others only offered.

    What the goal asks about comes first, then what mends the worst, then what mends most. The same call proposed
    twice is one action. Of a group of alternatives only the first is put to the human. When ``goal`` only asks for a
    look, a remedy for something minor stays an offer in the report: a question has to be worth its answer.
    """
    actions: dict[str, Action] = {}
    for task in sorted(reports):
        for action in reports[task].actions:
            actions.setdefault(digest([action.tool, action.args]), action)
    if not actions:
        return []
    known = {f.id: f for report in reports.values() for f in report.findings}
    asked = asked_in(goal or "")
    about = asked.about(known.values())

    def worst(action: Action) -> int:
        return max((known[f].severity.rank for f in action.fixes if f in known), default=0)

    def wanted(action: Action) -> bool:
        return any(about(known[f]) for f in action.fixes if f in known)

    def order(action: Action) -> tuple[Any, ...]:
        return (not wanted(action), -worst(action), -len(action.fixes), action.rank, action.task, action.id)

    def worth(action: Action) -> bool:
        return goal is None or asked.change or not action.fixes or worst(action) >= WORTH_ASKING.rank

    groups: set[str] = set()
    put = 0
    outcomes = []
    for action in sorted(actions.values(), key=order):
        alternative = bool(action.group) and action.group in groups
        pending = put < limit and not alternative and worth(action)
        if action.group:
            groups.add(action.group)
        put += pending
        outcomes.append(_outcome(action, ActionStatus.PENDING if pending else ActionStatus.OFFERED))
    return outcomes


def _outcome(action: Action, status: ActionStatus) -> ActionOutcome:
    """The action with what can be shown of it before the door has judged it."""
    argv, patch = action.args.get("argv"), action.args.get("patch")
    if isinstance(patch, str):
        return ActionOutcome(action=action, status=status, preview=escaped(patch), kind="diff")
    if isinstance(argv, list) and all(isinstance(word, str) for word in argv):
        return ActionOutcome(action=action, status=status, preview=escaped(shlex.join(argv)), kind="command")
    return ActionOutcome(action=action, status=status)


async def act(lead: Lead) -> None:
    """Put each chosen action to the human, carry out what was approved, and verify it.

    Every card is written before the run parks, so that one decision does not hide the next. Fills
    ``lead.outcomes``, ``lead.fixed`` and ``lead.parked``.
    """
    waiting: list[str] = []
    outcomes = []
    for outcome in lead.proposed():
        if outcome.status is ActionStatus.PENDING:
            outcome, parked = await _carry_out(lead, outcome)
            waiting.extend(parked)
        outcomes.append(outcome)
    lead.outcomes = outcomes
    lead.parked = tuple(dict.fromkeys(waiting))


async def _carry_out(lead: Lead, outcome: ActionOutcome) -> tuple[ActionOutcome, tuple[str, ...]]:
    """One action as far as it goes: what became of it, and the approvals it waits for."""
    action = outcome.action
    revision = lead.revision_of(action.task)
    budget = TaskBudget(tool_calls=ACTION_CALLS, seconds=ACTION_SECONDS)
    through = lead.claim.pinned()
    narrowed = [Revision.from_data(through[name]).permissions for name in action.through if name in through]
    after = Taint(untrusted=tuple(action.untrusted))
    whose = (action.id, action.agent, revision.permissions, budget, revision.digest, revision.name)
    door = lead.door.task(*whose, after=after, guided=bool(after), narrowed=narrowed)
    calls = [Call(action.tool, action.args), *(Call(check.tool, check.args) for check in action.verify)]
    try:
        offer = await door.offer(action.tool, action.args, calls)
        about = {"label": offer.assessment.label, "preview": offer.preview.body, "kind": offer.preview.kind}
        outcome = outcome.model_copy(update=about | {"edited_by": offer.edited_by})
        grant = await door.authorise(calls, action.reason)
        outcome = outcome.model_copy(update={"approval": grant.approval, "decided_by": grant.by})
        return await _performed(lead, outcome, door, grant), ()
    except Parked as parked:
        return outcome.model_copy(update={"approval": parked.approvals[0]}), parked.approvals
    except NGError as error:
        if error.control:
            raise
        refused = isinstance(error, EffectRefused)
        status = ActionStatus.REJECTED if refused else ActionStatus.FAILED
        return outcome.model_copy(update={"status": status, "detail": error.message(lead.lang)}), ()


async def _performed(lead: Lead, outcome: ActionOutcome, door: TaskDoor, grant: Grant) -> ActionOutcome:
    """Make the call that was approved, then run its checks."""
    action = outcome.action
    try:
        result = await door.call(action.tool, action.args, grant=grant)
    except NGError as error:
        if error.control:
            raise
        return await _ended(lead, outcome, door, ActionStatus.FAILED, error.message(lead.lang))
    return await _verified(lead, outcome, door, grant, result)


async def _verified(
    lead: Lead, outcome: ActionOutcome, door: TaskDoor, grant: Grant, result: ToolResult
) -> ActionOutcome:
    """Run the action's checks; what it found itself joins the mission's findings."""
    action = outcome.action
    outcome = outcome.model_copy(update={"output": {"ok": result.ok, "text": shortened(result.text, 4000)}})
    if result.findings:
        _join(lead, action, result.findings)
    if not result.ok and (action.verify or not result.findings):
        return await _ended(lead, outcome, door, ActionStatus.FAILED, brief(result.text, 300))
    checks, now = [], []
    for check in action.verify:
        try:
            answer = await door.call(check.tool, check.args, grant=grant)
        except NGError as error:
            if error.control:
                raise
            checks.append(Verification(tool=check.tool, passed=False, detail=error.message(lead.lang)))
            continue
        now += _looked_again(lead, check, answer, door)
        left = {f.id for f in answer.findings} & set(check.absent)
        titles = [f.title for f in answer.findings if f.id in left]
        detail = brief("; ".join(titles) or answer.text, 300)
        checks.append(Verification(tool=check.tool, passed=answer.ok and not left, detail=detail))
    if now:
        _join(lead, action, (*result.findings, *now))
    outcome = outcome.model_copy(update={"checks": tuple(checks)})
    if checks and all(check.passed for check in checks):
        lead.fixed.update(action.fixes)
        return await _ended(lead, outcome, door, ActionStatus.VERIFIED, "")
    return await _ended(lead, outcome, door, ActionStatus.DONE, "")


def _join(lead: Lead, action: Action, findings: tuple[Finding, ...]) -> None:
    """Let what an action and its checks found join the mission's findings, as its agent's."""
    update = {"findings": findings, "statements": (), "actions": (), "task": action.id, "missing": (), "problems": ()}
    lead.reports[action.id] = lead.reports[action.task].model_copy(update=update)


def _looked_again(lead: Lead, check: Check, answer: ToolResult, door: TaskDoor) -> list[Finding]:
    """What a call found that had been made before the action, and is new; what it no longer finds is gone.

    Only the same call is one to compare with, and only a whole answer. What only moved is neither: its words are there.
    """
    if not answer.ok or answer.truncated:
        return []
    asked, effects = identity(check.tool, check.args), lead.claim.effects
    before = {
        f"{lead.claim.id}/{effect.task}/{effect.position}/{effect.name}"
        for effect in effects.values()
        if effect.digest == asked and effect.task != door.task and effect.status == "done"
    }
    if not before or any(e.task == door.task and e.digest == asked and e.edit is not None for e in effects.values()):
        return []
    had = {
        finding.id: finding
        for report in lead.reports.values()
        for finding in report.findings
        if any(evidence.effect in before for evidence in finding.evidence)
    }
    there = {finding.id for finding in answer.findings}
    said, was = {_words(f) for f in answer.findings}, {_words(f) for f in had.values()}
    lead.fixed.difference_update(there)
    lead.fixed.update(name for name, old in had.items() if name not in there and _words(old) not in said)
    return [f for f in answer.findings if f.id not in had and _words(f) not in was]


def _words(finding: Finding) -> tuple[str, str, str]:
    """What a finding says, wherever its lines are now."""
    return (finding.rule, finding.location.path if finding.location else "", finding.title)


async def _ended(
    lead: Lead, outcome: ActionOutcome, door: TaskDoor, status: ActionStatus, detail: str
) -> ActionOutcome:
    """The action at its end; the journal says so once, however often the phase runs again for other answers."""
    kind = "action.verified" if status is ActionStatus.VERIFIED else "action.done"
    data = {"action": outcome.action.id, "status": status.value, "detail": detail}

    def told() -> str:
        # Rides with the record, in one transaction.
        lead.claim.event_nowait(kind, data, task=outcome.action.task)
        return status.value

    await door.record("action.ended", told)
    return outcome.model_copy(update={"status": status, "detail": detail})

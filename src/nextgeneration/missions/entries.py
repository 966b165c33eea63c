"""The journal's entries about one call: its intent before, its outcome after, or why it was not made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from nextgeneration.credits.schema import HoldStatus
from nextgeneration.kernel.canonical import canonical
from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.errors import NGError, NotCanonical
from nextgeneration.kernel.risk import EffectRule
from nextgeneration.kernel.show import clean, shortened
from nextgeneration.kernel.tools import Tool
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.errors import ApprovalStale
from nextgeneration.missions.grants import Grant
from nextgeneration.missions.judging import Judge, Judged, identity
from nextgeneration.missions.leases import Draft
from nextgeneration.missions.records import Effect
from nextgeneration.missions.schema import Edit
from nextgeneration.missions.tainting import CLEAN, Taint
from nextgeneration.storage.database import Connection
from nextgeneration.storage.errors import RecordDamaged
from nextgeneration.storage.sealed import plain, seal

if TYPE_CHECKING:
    from nextgeneration.missions.tolls import Toll

NOTE = 300
"""Characters of a message kept in the journal."""


class Request(NamedTuple):
    """A call as it was issued. ``wrong`` is why it cannot be made at all."""

    task: str
    agent: str
    revision: str
    position: int
    key: str
    name: str
    args: dict[str, Any]
    digest: str
    tool: Tool | None
    wrong: NGError | None
    grant: Grant | None
    after: Taint = CLEAN

    @property
    def pure(self) -> bool:
        """Whether the call changes nothing, so that it may be cut short and made again."""
        return self.tool is None or self.tool.spec.effect is EffectRule.PURE


class Caller(Protocol):
    """The run of a task that issues a call."""

    task: str
    agent: str
    revision: str


def requested(
    claim: Claim,
    judge: Judge,
    caller: Caller,
    position: int,
    name: str,
    args: Mapping[str, Any],
    grant: Grant | None,
    after: Taint = CLEAN,
) -> Request:
    """A call as it is recorded: under the tool's own name, with plain arguments and their digest.

    Arguments that are not plain JSON (lone surrogates, infinities) are recorded in a cleaned form, and the call is
    not made.
    """
    tool = judge.tools.get(name)
    real = tool.spec.name if tool else clean(name)
    wrong: NGError | None = None
    given = dict(args)
    try:
        digest = identity(real, given)
    except NotCanonical as error:
        wrong = error
        given = _cleaned(given)
        digest = identity(real, given)
    if tool is None:
        wrong = judge.unknown(name)
    task = caller.task
    key = f"{claim.id}/{task}/{position}/{real}"
    return Request(task, caller.agent, caller.revision, position, key, real, given, digest, tool, wrong, grant, after)


def _cleaned(args: dict[str, Any]) -> dict[str, Any]:
    try:
        cleaned: dict[str, Any] = plain(args)
        canonical(cleaned)
    except NGError:
        # What has no plain form at all is told apart by how it looks.
        return {"unreadable": clean(repr(args))[:NOTE]}
    return cleaned


class Permit(NamedTuple):
    """On what ground a call is made. ``retry`` is the answer that lets a call in doubt run again."""

    approval: str | None = None
    call: int | None = None
    digest: str = ""
    retry: str | None = None

    @property
    def approved(self) -> bool:
        """Whether exactly this call was approved."""
        return self.approval is not None or self.retry is not None


class Entry:
    """One call's place in the record.

    Attributes:
        effect: what is recorded of it so far.
        rule: what repeating it would do.
    """

    def __init__(self, claim: Claim, request: Request, effect: Effect | None, toll: Toll | None = None) -> None:
        self._claim = claim
        self._toll = toll
        self._shared = claim.shared
        self._request = request
        self.effect = effect
        self.rule = EffectRule.PURE if request.tool is None else request.tool.spec.effect

    async def intend(self, judged: Judged, permit: Permit, seconds: float = 0.0) -> None:
        """Record that the call is about to be made, count it, hold its price, and use up the answer that allows it.

        Args:
            judged: the call.
            permit: on what ground it is made.
            seconds: how long to wait for credits that other calls hold.

        Raises:
            ApprovalStale: that answer no longer holds.
            OverBudget: the mission's calls are used up, or its price fits no limit.
        """
        request, claim, shared, toll = self._request, self._claim, self._shared, self._toll
        before = self.effect
        at = iso(shared.clock.now())
        effect = self._fresh(str(judged.assessment.label), "intent", judged.assessment.conditions, at, judged.edit)
        effect.approval, effect.approval_call = permit.approval, permit.call
        if before is not None and permit.approval is None:
            effect.approval, effect.approval_call = before.approval, before.approval_call

        def change(connection: Connection) -> None:
            if toll is not None:
                toll.hold(connection)
            approval, retry = permit.approval, permit.retry
            if approval is not None and not shared.approvals.holds(connection, approval, permit.digest, at):
                raise ApprovalStale(tool=request.name, why=approval)
            if retry is not None and not shared.approvals.use(connection, retry, at):
                raise ApprovalStale(tool=request.name, why=retry)
            if before is None:
                shared.effects.add(connection, row_of(effect, claim.id, shared.tenant))
            elif not shared.effects.again(connection, again_of(effect, claim.id)):
                raise RecordDamaged(table="effects", id=request.key, detail="no open intent")

        data = {
            "tool": request.name,
            "agent": request.agent,
            "position": request.position,
            "label": effect.label,
            "rule": effect.rule,
            "digest": request.digest,
        }
        if permit.approved:
            data["approval"] = permit.approval or permit.retry or ""
        if judged.edit is not None:
            data["edited_by"] = judged.edit.by
        shared.at("effect.judged")
        draft = Draft("effect.intent", data, request.task)
        if toll is None:
            await claim.commit(draft, change=change, calls=1, then=lambda: self._known(effect))
        else:
            data["held"] = toll.price

            def paid() -> None:
                self._known(effect)
                toll.written()

            await toll.held(lambda: claim.commit(draft, change=change, calls=1, then=paid), seconds)
        shared.at("effect.intent")

    async def settle(
        self,
        status: str,
        outcome: str,
        data: dict[str, Any],
        *,
        seconds: float = 0.0,
        used: str | None = None,
        closing: HoldStatus = HoldStatus.SETTLED,
    ) -> None:
        """Record the outcome of the open intent, and use up the answer it rests on.

        What a call that changes nothing gave rides with the task's next transaction: whatever the agent does because
        of it comes later, and a crash before that makes the call again.
        """
        request, claim, shared = self._request, self._claim, self._shared
        at = iso(shared.clock.now())
        values = outcome_of(claim.id, request.task, request.position, status, outcome, at, seconds)
        end = None if self._toll is None else self._toll.ending(at, closing)
        if self._toll is not None and self._toll.cost:
            data = {**data, "credits": self._toll.cost}

        def change(connection: Connection) -> None:
            if end is not None:
                end.change(connection)
            if used is not None:
                shared.approvals.use(connection, used, at)
            shared.effects.settle(connection, values)

        about = {"tool": request.name, "position": request.position, "status": status}
        kind = "effect.refused" if status == "refused" else "effect.outcome"
        draft, effect = Draft(kind, {**about, **data}, request.task), self.effect

        def known() -> None:
            if effect is not None:
                effect.status, effect.outcome, effect.ended_at, effect.seconds = status, outcome, at, seconds

        def written() -> None:
            known()
            if end is not None:
                end.then()

        if self.rule is EffectRule.PURE and used is None:
            # What was held is free again as soon as it can be.
            claim.ride(draft, change, None if end is None else end.then, soon=end is not None)
            known()
        else:
            await claim.commit(draft, change=change, answer=True, then=written)
        shared.at(kind)

    async def close(self, outcome: str, problem: dict[str, Any]) -> None:
        """Record that the call was not made, and why."""
        request, claim, shared = self._request, self._claim, self._shared
        data = {"code": problem["code"], "message": shortened(problem["message"], NOTE)}
        if self.effect is not None:
            await self.settle("refused", outcome, data)
            return
        at = iso(claim.clock.now())
        effect = self._fresh("unknown", "refused", {}, at)
        effect.outcome, effect.ended_at = outcome, at
        about = {"tool": request.name, "agent": request.agent, "position": request.position, **data}
        await claim.commit(
            Draft("effect.refused", about, request.task),
            change=lambda connection: shared.effects.add(connection, row_of(effect, claim.id, shared.tenant)),
            then=lambda: self._known(effect),
        )
        shared.at("effect.refused")

    def _known(self, effect: Effect) -> None:
        self.effect = self._claim.effects[effect.task, effect.position] = effect

    def _fresh(self, label: str, status: str, conditions: dict[str, str], at: str, edit: Edit | None = None) -> Effect:
        request = self._request
        made: dict[str, Any] = {} if edit is None else {"made": edit.args, "edited_by": edit.by}
        if self._toll is not None and status == "intent":
            # What a replay is told: the price counts once the call was begun, and so does that of the tries before.
            made["credits"] = self._toll.earlier + self._toll.price
        return Effect(
            task=request.task,
            position=request.position,
            name=request.name,
            digest=request.digest,
            rule=str(self.rule),
            label=label,
            status=status,
            attempt=self._claim.attempt,
            args=seal({"args": request.args, "conditions": conditions, **made}),
            outcome=None,
            approval=None,
            approval_call=None,
            started_at=at,
            ended_at=None,
            seconds=0.0,
        )


def row_of(effect: Effect, mission: str, tenant: str) -> dict[str, Any]:
    """An effect as its row."""
    return {
        "mission_id": mission,
        "task_id": effect.task,
        "position": effect.position,
        "tenant": tenant,
        "name": effect.name,
        "digest": effect.digest,
        "rule": effect.rule,
        "label": effect.label,
        "status": effect.status,
        "attempt": effect.attempt,
        "args": effect.args,
        "outcome": effect.outcome,
        "approval_id": effect.approval,
        "approval_call": effect.approval_call,
        "started_at": effect.started_at,
        "ended_at": effect.ended_at,
        "seconds": effect.seconds,
    }


def outcome_of(
    mission: str, task: str, position: int, status: str, outcome: str, at: str, seconds: float
) -> dict[str, Any]:
    """What changes in an effect's row when its outcome is known."""
    return {
        "e_mission": mission,
        "e_task": task,
        "e_position": position,
        "e_status": status,
        "e_outcome": outcome,
        "e_at": at,
        "e_seconds": seconds,
    }


def again_of(effect: Effect, mission: str) -> dict[str, Any]:
    """What changes in an effect's row when its call is made again."""
    return {
        "e_mission": mission,
        "e_task": effect.task,
        "e_position": effect.position,
        "e_attempt": effect.attempt,
        "e_label": effect.label,
        "e_args": effect.args,
        "e_approval": effect.approval,
        "e_call": effect.approval_call,
        "e_at": effect.started_at,
    }

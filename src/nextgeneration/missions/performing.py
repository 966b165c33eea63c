"""One call from its judgement to its recorded outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nextgeneration.credits.schema import HoldStatus
from nextgeneration.events.schema import Event
from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.errors import InternalError, NGError, as_problem
from nextgeneration.kernel.reports import Cost
from nextgeneration.kernel.risk import EffectRule
from nextgeneration.kernel.show import shortened
from nextgeneration.kernel.tools import Happened, ToolContext, ToolResult
from nextgeneration.missions.asking import Question
from nextgeneration.missions.entries import NOTE, Entry, Permit, Request
from nextgeneration.missions.errors import (
    ApprovalStale,
    EffectRefused,
    GrantMismatch,
    OutcomeUnknown,
    OverBudget,
    ToolFailed,
)
from nextgeneration.missions.grants import Grant, Granted
from nextgeneration.missions.judging import Judge, Judged, said
from nextgeneration.missions.outcomes import failed, failure, noted, recorded, refusal, unconfirmed
from nextgeneration.missions.records import Effect
from nextgeneration.missions.schema import ApprovalStatus, Edit
from nextgeneration.security.permissions import Verdict
from nextgeneration.tools.errors import ToolTimedOut

if TYPE_CHECKING:
    from nextgeneration.missions.effects import Door
    from nextgeneration.missions.tolls import Toll

logger = logging.getLogger(__name__)

GRACE_SECONDS = 5.0
"""What a tool gets beyond its own limit to end what it began."""

PROBE_SECONDS = 30.0

UNASKED = Permit()
"""The ground of a call that rules allow."""


def _unheard(_line: str) -> None:
    """Where lines of progress go before a call is made."""


def context_of(door: Door, key: str, *, approved: bool = False, emit: Callable[[str], None] = _unheard) -> ToolContext:
    """What a tool is given for one call."""
    return ToolContext(
        workspace=door.workspace,
        scratch=door.scratch,  # type: ignore[arg-type] # made when a tool asks for it
        lang=door.claim.mission.lang,
        key=key,
        network=door.policy.network,
        approved=approved,
        clock=door.clock,
        emit=emit,
    )


class Performance:
    """The making of one call.

    Attributes:
        made: whether the tool was called.
        seconds: how long that took.
    """

    def __init__(
        self,
        door: Door,
        judge: Judge,
        request: Request,
        begun: Effect | None,
        ends: float,
        toll: Toll | None = None,
    ) -> None:
        self._door = door
        self._claim = door.claim
        self._shared = door.claim.shared
        self._judge = judge
        self._request = request
        self._toll = toll
        self._entry = Entry(door.claim, request, begun, toll)
        self._ends = ends
        self.made = False
        self.seconds = 0.0

    @property
    def cost(self) -> Cost:
        """What it used."""
        used = Cost(tool_calls=1, seconds=self.seconds) if self.made else Cost()
        return used if self._toll is None else used + Cost(credits=self._toll.cost)

    async def run(self) -> ToolResult:
        """Make the call, or find out why not."""
        request = self._request
        context = context_of(self._door, request.key, emit=self._emit)
        if self._toll is not None and self._entry.effect is not None:
            await self._toll.look_back()
        edit = await self._edit() if self._put_before() else None
        try:
            judged = self._judged(context, edit)
        except NGError as error:
            if error.control:
                raise
            raise await self._unmade(error) from None
        try:
            if self._in_doubt(judged):
                permit = await self._doubt(judged, context)
                if isinstance(permit, ToolResult):
                    return permit
            else:
                permit = self._free(judged) or await self._asked(judged, context)
            left = self._left()
            if left <= 0:
                raise OverBudget(scope=request.task, limit=round(self._claim.seconds(), 1), unit="seconds")
            await self._entry.intend(judged, permit, left)
        except (EffectRefused, GrantMismatch, OverBudget) as error:
            await self._refused(error)
            raise
        if permit.approved:
            context = context_of(self._door, request.key, approved=True, emit=self._emit)
        return await self._call(judged, context, left)

    def _left(self) -> float:
        """Seconds left to the call."""
        return self._ends - self._shared.clock.monotonic()

    def _put_before(self) -> bool:
        """Whether this call may have been put to a human, or was begun before."""
        request = self._request
        if request.grant is not None or self._entry.effect is not None:
            return True
        return self._door.asking.may_stand(request.task, str(request.position))

    async def _edit(self) -> Edit | None:
        """What a human put in place of this call: on the card that stands for it, or as it was begun."""
        request, effect = self._request, self._entry.effect
        if request.grant is not None and request.grant.approval is not None:
            place = self._place(request.grant)
            return None if place is None else request.grant.calls[place].edit
        (edit,) = await self._door.asking.edits(request.task, str(request.position), (request.digest,))
        return edit or (None if effect is None else effect.edit)

    def _judged(self, context: ToolContext, edit: Edit | None) -> Judged:
        request = self._request
        if request.wrong is not None or request.tool is None:
            raise request.wrong or InternalError(kind="Request", detail=request.name)
        try:
            return self._judge.judge(request.tool, request.args, request.digest, context, request.after, edit)
        except NGError:
            raise
        except Exception as error:
            logger.exception("%s could not be judged", request.key)
            raise InternalError(kind=type(error).__name__, detail=str(error)[:500]) from error

    # -- may it run? -------------------------------------------------------------------------------------------------

    def _free(self, judged: Judged) -> Permit | None:
        """The ground on which the call may be made without a question; ``None``: there is none.

        Raises:
            ApprovalStale, GrantMismatch: what was granted is not this call.
        """
        grant = self._request.grant
        if grant is not None and grant.approval is not None:
            permit = self._granted(judged, grant, grant.approval)
            if permit is not None:
                return permit
        return UNASKED if judged.decision.verdict is Verdict.ALLOW and judged.edit is None else None

    async def _asked(self, judged: Judged, context: ToolContext) -> Permit:
        """The approval on which the call may be made.

        Raises:
            EffectRefused: it may not.
            Parked: a human was asked.
        """
        request = self._request
        why = said(judged.decision.why, self._claim.mission.lang)
        if judged.decision.verdict is Verdict.DENY:
            raise EffectRefused(tool=request.name, why=why)
        question = self._question(str(request.position), "call", judged, why)
        question = replace(question, judge=self._judge, after=request.after)
        approval = await self._door.asking.answer(question, context)
        return Permit(approval.id, 0, approval.digest)

    def _granted(self, judged: Judged, grant: Grant, approval: str) -> Permit | None:
        """The place in a grant; ``None`` when the call needs no grant any more."""
        request, place = self._request, self._place(grant)
        if place is None or grant.calls[place].edit != judged.edit:
            raise GrantMismatch(approval=approval, tool=request.name)
        shown, now = grant.calls[place], Granted.of(judged)
        if (shown.label, shown.conditions) == (now.label, now.conditions):
            return Permit(approval, place, grant.digest)
        if judged.decision.verdict is Verdict.ALLOW and judged.edit is None:
            return None
        raise ApprovalStale(tool=request.name, why=_difference(shown, now))

    def _place(self, grant: Grant) -> int | None:
        """The place of this call in a grant: the one it was begun under, else the first that is left."""
        mine, digest = self._entry.effect, self._request.digest
        if mine is not None and mine.approval == grant.approval and mine.approval_call is not None:
            return mine.approval_call if grant.calls[mine.approval_call].digest == digest else None
        effects = self._claim.effects.values()
        used = {e.approval_call for e in effects if e.approval == grant.approval and e.approval_call is not None}
        return grant.place(digest, used)

    def _question(self, slot: str, kind: str, judged: Judged, why: str) -> Question:
        request = self._request
        return Question(request.task, request.agent, request.revision, slot, kind, (judged,), why)

    # -- did it happen? ----------------------------------------------------------------------------------------------

    def _in_doubt(self, judged: Judged) -> bool:
        """Whether an earlier attempt may have done what must not be done again.

        What is idempotent runs again under its key, unless the world it was judged in has changed: then it may be
        our own call that changed it.
        """
        effect = self._entry.effect
        if effect is None or self._entry.rule is EffectRule.PURE:
            return False
        if self._entry.rule is EffectRule.ONCE:
            return True
        assessment = judged.assessment
        return effect.label != assessment.label.value or effect.conditions != assessment.conditions

    async def _doubt(self, judged: Judged, context: ToolContext) -> Permit | ToolResult:
        """Ask the tool, then a human, what became of the call."""
        happened = await self._probed(judged, context)
        if happened is Happened.NO:
            return self._free(judged) or await self._asked(judged, context)
        lang = self._claim.mission.lang
        if happened is Happened.YES:
            return await self._confirmed(f"{judged.name}.probe")
        question = self._question(f"doubt:{self._request.position}", "in_doubt", judged, _DOUBT[lang])
        try:
            answer = await self._door.asking.answer(question, context)
        except EffectRefused as error:
            raise await self._given_up(judged, error.why) from None
        by = answer.decided_by or ""
        if answer.status is ApprovalStatus.DONE:
            return await self._confirmed(by, answer.id)
        if answer.status is ApprovalStatus.FAIL:
            raise await self._given_up(judged, by, answer.id)
        return Permit(retry=answer.id)

    async def _given_up(self, judged: Judged, by: str, used: str | None = None) -> ToolFailed:
        """Record that the call is taken as failed; what to raise."""
        problem = OutcomeUnknown(tool=judged.name, by=by).problem(self._claim.mission.lang)
        await self._entry.settle("failed", failure(problem), {"code": problem["code"], "by": by}, used=used)
        return failed(judged.name, problem)

    async def _probed(self, judged: Judged, context: ToolContext) -> Happened:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return Happened(await judged.tool.probe(judged.parsed, context))
        except Exception:
            logger.exception("%s: the probe failed", self._request.key)
            return Happened.UNKNOWN

    async def _confirmed(self, by: str, used: str | None = None) -> ToolResult:
        request = self._request
        text, result = unconfirmed(request.name, request.key, by, self._claim.mission.lang)
        await self._entry.settle("done", text, {"unconfirmed": True, "by": by}, used=used)
        return result

    # -- the call ----------------------------------------------------------------------------------------------------

    async def _call(self, judged: Judged, context: ToolContext, left: float) -> ToolResult:
        request, claim = self._request, self._claim
        try:
            started = await claim.secure()
            self.made = True
            answer = await self._tried(judged, context, left)
        except (NGError, asyncio.CancelledError):
            if self._toll is not None:
                await (self._toll.lost() if self.made else self._toll.give_back())
            raise
        self.seconds = round(self._shared.clock.monotonic() - started, 6)
        self._shared.at("effect.called")
        if isinstance(answer, tuple):
            text, result = answer
            data: dict[str, Any] = {"ok": result.ok, "findings": len(result.findings), "seconds": self.seconds}
            await self._entry.settle("done", text, data, seconds=self.seconds)
            return result
        lang = claim.mission.lang
        problem = as_problem(answer, lang)
        data = {"code": problem["code"], "message": shortened(problem["message"], NOTE), "seconds": self.seconds}
        outcome = refusal(answer) if isinstance(answer, OverBudget) else failure(problem)
        # What a tool says of its failure is an answer; one that gave none may have been billed for anything.
        said = isinstance(answer, NGError) and not isinstance(answer, (OverBudget, ToolTimedOut))
        closing = HoldStatus.SETTLED if said else HoldStatus.UNCONFIRMED
        await self._entry.settle("failed", outcome, data, seconds=self.seconds, closing=closing)
        raise answer if isinstance(answer, OverBudget) else failed(request.name, problem)

    async def _tried(self, judged: Judged, context: ToolContext, left: float) -> tuple[str, ToolResult] | BaseException:
        """Call the tool under its time limit; its recorded result, or what it raised."""
        request = self._request
        own = judged.tool.spec.seconds + GRACE_SECONDS
        timer = self._claim.deadlines.after(min(own, left))
        try:
            with timer:
                result: object = await judged.tool.call(judged.parsed, context)
            if not isinstance(result, ToolResult):
                return InternalError(kind="ToolResult", detail=f"{request.name} returned {type(result).__name__}")
            return recorded(noted(result, judged.edit, self._claim.mission.lang), request.name, request.key)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return error
        except NGError as error:
            if error.control:
                raise
            return error
        except (Exception, SystemExit) as error:
            if isinstance(error, TimeoutError) and timer.expired:
                if left < own:
                    return OverBudget(scope=request.task, limit=round(left, 1), unit="seconds")
                return ToolTimedOut(tool=request.name, seconds=judged.tool.spec.seconds)
            logger.exception("%s failed unforeseen", request.key)
            return error

    def _emit(self, line: str) -> None:
        bus = self._shared.bus
        if bus.watched:
            request = self._request
            data = {"tool": request.name, "position": request.position, "line": line}
            at = iso(self._claim.clock.now())
            bus.publish(Event(self._claim.id, 0, at, "effect.progress", request.task, data))

    # -- what was not made -------------------------------------------------------------------------------------------

    async def _unmade(self, error: NGError) -> NGError:
        """Record that the call could not even be judged; what to raise."""
        problem = error.problem(self._claim.mission.lang)
        await self._entry.close(failure(problem), problem)
        return failed(self._request.name, problem)

    async def _refused(self, error: NGError) -> None:
        await self._entry.close(refusal(error), error.problem(self._claim.mission.lang))


_DOUBT = {
    "en": "The process was interrupted during this call: it is not known whether it happened.",
    "fr": "Le processus a été interrompu pendant cet appel : on ne sait pas s'il a eu lieu.",
}


def _difference(shown: Granted, now: Granted) -> str:
    before, after = dict(shown.conditions), dict(now.conditions)
    changed = [
        f"{name}: {before.get(name)} → {after.get(name)}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    if shown.label != now.label:
        changed.insert(0, f"{shown.label} → {now.label}")
    return shortened("; ".join(changed), 500)

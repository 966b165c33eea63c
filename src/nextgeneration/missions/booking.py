"""What the records and the books say of one model call: its worst case before, its outcome and its cost after."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from nextgeneration.credits.errors import CreditError
from nextgeneration.credits.schema import Hold, HoldStatus, Limit, ReportLine, Scopes, SoftWarning
from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.models import ModelRequest, Usage, Wish
from nextgeneration.kernel.risk import EffectRule
from nextgeneration.kernel.show import shortened
from nextgeneration.missions.access import Candidate, ModelAccess
from nextgeneration.missions.entries import NOTE, again_of, outcome_of, row_of
from nextgeneration.missions.holding import ending, hold_for
from nextgeneration.missions.leases import Draft
from nextgeneration.missions.records import Effect
from nextgeneration.missions.spending import asked_for
from nextgeneration.storage.database import Connection
from nextgeneration.storage.errors import RecordDamaged
from nextgeneration.storage.sealed import seal

if TYPE_CHECKING:
    from nextgeneration.missions.effects import Door

logger = logging.getLogger(__name__)

NAME = "model"
NO_USAGE = Usage()
_RULE = EffectRule.IDEMPOTENT.value
MAX_NAMED = 8
"""Models named in one event of the journal beside the one that is asked."""


class Asked(NamedTuple):
    """A model call as it was issued.

    Attributes:
        template: whose account it is charged to.
        limits: the budgets of its mission, its task and those that works for.
    """

    task: str
    agent: str
    template: str
    position: int
    key: str
    digest: str
    request: ModelRequest
    wish: Wish
    limits: tuple[Limit, ...]


class Booking:
    """One model call's place in the record and in the books.

    Attributes:
        effect: what is recorded of it so far.
        beside: what the journal says of other models with the next call that is about to be made.
    """

    def __init__(self, door: Door, access: ModelAccess, asked: Asked, begun: Effect | None) -> None:
        self._door = door
        self._claim = door.claim
        self._shared = door.claim.shared
        self._access = access
        self._asked = asked
        self.effect = begun
        self.beside: dict[str, Any] = {}

    def instead_of(self, model: str, error: NGError) -> None:
        """Remember why a model did not answer, for what the journal says of the next one."""
        passed: dict[str, str] = self.beside.setdefault("instead_of", {})
        if model in passed or len(passed) < MAX_NAMED:
            passed[model] = shortened(error.message(self._claim.mission.lang), NOTE)

    async def before(self) -> ReportLine:
        """What earlier tries of this call cost, whose process died or whose task was cut off."""
        ledger, key, tenant = self._access.credits.ledger, self._asked.key, self._shared.tenant
        return await self._shared.storage.read(lambda connection: ledger.tried(connection, key, tenant=tenant))

    async def reserve(self, candidate: Candidate, request: ModelRequest, seconds: float) -> Hold:
        """Hold the worst case and journal that the call is about to be made, in one transaction.

        Args:
            candidate: the model.
            request: what it will be asked.
            seconds: how long to wait for credits that other calls hold.

        Raises:
            HoldRefused: it does not fit.
            Parked, EffectRefused: a soft limit would be passed, and a human is asked, or said no.
        """
        asked, claim, shared, ledger = self._asked, self._claim, self._shared, self._access.credits.ledger
        # A model on this machine is free unless somebody gave it a price: a proxy answers there, and bills.
        worst = candidate.worst(request) if candidate.priced else 0
        hold = hold_for(claim, asked.key, worst, self._scopes(candidate), asked.limits)
        at, before = hold.at, self.effect
        effect = self._intent(candidate, at)
        warnings: list[SoftWarning] = []

        def change(connection: Connection) -> None:
            if not candidate.local and not candidate.priced:
                ledger.refuse_unpriced(connection, hold.scopes, candidate.name, at, hold.limits)
            elif hold.amount:
                warnings[:] = ledger.hold(connection, hold)
            if before is None:
                shared.effects.add(connection, row_of(effect, claim.id, shared.tenant))
            elif not shared.effects.again(connection, again_of(effect, claim.id)):
                raise RecordDamaged(table="effects", id=asked.key, detail="no open intent")

        about = self._said(candidate, hold, effect)
        kind = "effect.intent" if before is None else "effect.again"
        shared.at("effect.judged")

        def attempt() -> Coroutine[Any, Any, None]:
            return claim.commit(Draft(kind, about, asked.task), change=change, then=lambda: self._known(effect))

        books = self._access.credits
        wait = min(books.settings.credit_wait_seconds, seconds)
        claim.holds.add(hold.id)
        try:
            await books.queue.held(hold.scopes, hold.amount, attempt, wait)
            self.beside = {}
            shared.at("effect.intent")
            for warning in warnings:
                await asked_for(self._door, warning)
        except (NGError, asyncio.CancelledError) as error:
            if self.effect is effect:
                await self.give_back(hold)
            else:
                claim.holds.discard(hold.id)
                if isinstance(error, CreditError):
                    books.figures.refused(error)
            raise
        return hold

    def _known(self, effect: Effect) -> None:
        self.effect = self._claim.effects[effect.task, effect.position] = effect

    def _said(self, candidate: Candidate, hold: Hold, effect: Effect) -> dict[str, Any]:
        """What the journal says of the call that is about to be made."""
        return {
            "tool": NAME,
            "agent": self._asked.agent,
            "position": self._asked.position,
            "label": effect.label,
            "rule": effect.rule,
            "digest": self._asked.digest,
            "model": candidate.name,
            "why": shortened(candidate.why.say(self._claim.mission.lang), NOTE),
            "held": hold.amount,
            **self.beside,
        }

    async def give_back(self, hold: Hold) -> None:
        """Release what was held for a call that is not made after all.

        When that cannot be written, the hold is charged with the end of the attempt.
        """
        if self._claim.over:
            return
        try:
            await self.close(hold, None, HoldStatus.RELEASED, Draft("credits.released", {"hold": hold.id}))
        except NGError as error:
            logger.warning("%s stays held: %s (%s)", hold.id, error, error.code)

    def _scopes(self, candidate: Candidate) -> Scopes:
        mission, asked = self._claim.mission, self._asked
        return Scopes(mission.tenant, mission.options.user, asked.template, mission.id, asked.task, candidate.name)

    def _intent(self, candidate: Candidate | None, at: str) -> Effect:
        asked = self._asked
        model = "" if candidate is None else candidate.name
        about = {"model": model, "purpose": asked.wish.purpose, "messages": len(asked.request.messages)}
        return Effect(
            task=asked.task,
            position=asked.position,
            name=NAME,
            digest=asked.digest,
            rule=_RULE,
            label="safe" if candidate is None or candidate.local else "network",
            status="intent",
            attempt=self._claim.attempt,
            args=seal({"args": about, "conditions": {}}),
            outcome=None,
            approval=None,
            approval_call=None,
            started_at=at,
            ended_at=None,
            seconds=0.0,
        )

    async def close(
        self, hold: Hold, cost: int | None, status: HoldStatus, draft: Draft, usage: Usage | None = None
    ) -> int:
        """Close the hold of a try that gave no answer, with what the journal says of it; what was charged."""
        at = iso(self._shared.clock.now())
        end = ending(self._claim, self._access.credits, hold, cost, status, at, usage or NO_USAGE)
        draft = Draft(draft.type, draft.data, self._asked.task)
        await self._claim.commit(draft, change=end.change, answer=True, then=end.then)
        return end.settled[0].charged if end.settled else 0

    async def settle(
        self, hold: Hold, cost: int | None, usage: Usage, outcome: str, about: dict[str, Any], seconds: float
    ) -> None:
        """Record the answer to the call, and settle what it cost, in one transaction.

        It goes with the next one of the claim, which is there within moments: what the agent does because of the answer
        is journaled together with it or after it. Only a call that cost more than was held for it is written at once,
        so that its model is stopped before anybody asks it again.

        Args:
            cost: ``None``: what the provider counted is no count, so that all it could cost is charged.
        """
        asked, claim, effect, shared = self._asked, self._claim, self.effect, self._shared
        at = iso(shared.clock.now())
        values = outcome_of(claim.id, asked.task, asked.position, "done", outcome, at, seconds)
        data = {"tool": NAME, "position": asked.position, "status": "done", **about}
        status = HoldStatus.UNCONFIRMED if cost is None else HoldStatus.SETTLED
        end = ending(claim, self._access.credits, hold, cost, status, at, usage)
        draft = Draft("effect.outcome", data, asked.task)

        def change(connection: Connection) -> None:
            end.change(connection)
            shared.effects.settle(connection, values)

        def known() -> None:
            if effect is not None:
                effect.status, effect.outcome, effect.ended_at, effect.seconds = "done", outcome, at, seconds

        def written() -> None:
            known()
            end.then()
            shared.at("effect.outcome")

        if cost is None or cost <= hold.amount:
            claim.check()
            claim.ride(draft, change, written, soon=True)
            known()
        else:
            await claim.commit(draft, change=change, answer=True, then=written)

    async def end(self, status: str, outcome: str, problem: dict[str, Any], seconds: float) -> None:
        """Record that the call came to nothing, whether or not it was ever begun."""
        asked, claim, shared = self._asked, self._claim, self._shared
        at = iso(claim.clock.now())
        about = {
            "tool": NAME,
            "agent": asked.agent,
            "position": asked.position,
            "status": status,
            "code": problem["code"],
            "message": shortened(problem["message"], NOTE),
        }
        effect = self.effect
        fresh = effect is None
        if effect is None:
            effect = self._intent(None, at)
        ended = replace(effect, status=status, outcome=outcome, ended_at=at, seconds=seconds)
        values = outcome_of(claim.id, asked.task, asked.position, status, outcome, at, seconds)

        def change(connection: Connection) -> None:
            if fresh:
                shared.effects.add(connection, row_of(ended, claim.id, shared.tenant))
            else:
                shared.effects.settle(connection, values)

        kind = "effect.refused" if status == "refused" else "effect.outcome"
        draft = Draft(kind, about, asked.task)
        await claim.commit(draft, change=change, answer=True, then=lambda: self._known(ended))
        shared.at(kind)

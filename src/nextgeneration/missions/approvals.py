"""``Approvals``: what waits for a human, and the answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from nextgeneration.events.schema import Event
from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.show import clean, shortened
from nextgeneration.missions import records
from nextgeneration.missions.asking import put, summary
from nextgeneration.missions.asking import row_of as row_of_question
from nextgeneration.missions.editing import World, card_with, changed
from nextgeneration.missions.errors import (
    ApprovalAlreadyDecided,
    ApprovalAmbiguous,
    ApprovalChanged,
    ApprovalExpired,
    ApprovalReplaced,
    ApprovalUnknown,
    DeciderRefused,
    VerdictRefused,
)
from nextgeneration.missions.schema import CHOICES, Approval, ApprovalStatus
from nextgeneration.missions.shared import Shared
from nextgeneration.storage.database import Connection
from nextgeneration.storage.sealed import seal

_DECIDER = re.compile(r"(human|rule):\S.{0,199}", re.DOTALL)
_HUMAN = re.compile(r"human:\S.{0,199}", re.DOTALL)


class Approvals:
    """The questions of one tenant's missions. Agents have no way to reach it."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def pending(self, mission: str | None = None, limit: int | None = None) -> Sequence[Approval]:
        """What waits for an answer, oldest first, without cards. What has expired is no longer among it."""
        now = iso(self._shared.clock.now())
        return [approval for approval in await self.list(("pending",), mission, limit) if approval.expires_at > now]

    async def list(
        self, status: Sequence[str] | None = None, mission: str | None = None, limit: int | None = None
    ) -> Sequence[Approval]:
        """Questions in these states, oldest first, without cards."""
        shared = self._shared
        states = None if status is None else [str(state) for state in status]
        rows = await shared.storage.read(lambda c: shared.approvals.listed(c, shared.tenant, states, mission, limit))
        return [records.approval(row) for row in rows]

    async def of_mission(self, mission: str) -> Sequence[Approval]:
        """Every question of one mission, with its card."""
        return [await self.get(approval.id) for approval in await self.list(mission=mission)]

    async def get(self, ref: str) -> Approval:
        """One question with its card: by its id, or the beginning or end of it.

        Raises:
            ApprovalUnknown, ApprovalAmbiguous: not exactly one fits.
            RecordDamaged: the card is not what was written.
        """
        shared, ref = self._shared, clean(ref).strip()

        def op(connection: Connection) -> tuple[list[str], Any]:
            row = shared.approvals.get(connection, shared.tenant, ref)
            if row is not None:
                return [ref], row
            found = shared.approvals.matching(connection, shared.tenant, ref) if ref else []
            return found, shared.approvals.get(connection, shared.tenant, found[0]) if len(found) == 1 else None

        found, row = await shared.storage.read(op)
        if len(found) > 1:
            raise ApprovalAmbiguous(ref=shortened(ref, 80), found=", ".join(found))
        if row is None:
            raise ApprovalUnknown(ref=shortened(ref, 80))
        return records.approval(row)

    async def decide(
        self, ref: str, verdict: ApprovalStatus | str, by: str, reason: str = "", *, digest: str | None = None
    ) -> Approval:
        """Answer a question, once.

        Args:
            ref: the approval.
            verdict: one of its ``choices``.
            by: ``human:<name>``, or ``rule:<rule>`` for a rule a human made.
            reason: why, in the decider's words.
            digest: what the decider looked at; refused when the question is about something else.

        Raises:
            DeciderRefused: nobody who may answer.
            VerdictRefused: not one of the choices.
            ApprovalAlreadyDecided: it has an answer, or no longer stands.
            ApprovalExpired: nobody answered in time.
            ApprovalChanged: ``digest`` is not this question's.
        """
        if not _DECIDER.fullmatch(by):
            raise DeciderRefused(by=shortened(clean(by), 80))
        asked = await self.get(ref)
        if verdict not in CHOICES.get(asked.kind, ()):
            about = {"choices": ", ".join(asked.choices), "command": asked.command}
            raise VerdictRefused(verdict=str(verdict), approval=asked.id, **about)
        if digest is not None and digest != asked.digest:
            raise ApprovalChanged(approval=asked.id, digest=asked.digest, given=digest)
        shared, at = self._shared, iso(self._shared.clock.now())
        change = {"status": str(verdict), "decided_at": at, "decided_by": clean(by), "reason": clean(reason)}

        def op(connection: Connection) -> tuple[Any, Event]:
            self._open(connection, asked.id, at)
            if not shared.approvals.move(connection, asked.id, "pending", change):
                raise ApprovalAlreadyDecided(approval=asked.id, status="?")
            length = shared.missions.wake(connection, asked.mission_id) or 0
            event = decided(asked, str(verdict), by, at, length)
            shared.missions.append(connection, [row_of(event, shared.tenant)])
            return shared.approvals.get(connection, shared.tenant, asked.id), event

        row, event = await shared.storage.write(op)
        shared.bus.publish(event)
        shared.at("approval.decided")
        return records.approval(row)

    async def edit(
        self, ref: str, args: dict[str, Any], by: str, world: World, *, call: int = 1, digest: str | None = None
    ) -> Approval:
        """Change the arguments of a call and ask anew: the question that stands then, with a card of its own.

        Args:
            ref: the approval.
            args: what the call is to be made with.
            by: ``human:<name>``.
            world: with what it is judged.
            call: which call of the card, from 1 on.
            digest: what the human looked at; refused when the question is about something else.

        Raises:
            DeciderRefused: nobody who may answer.
            EditRefused: it cannot be edited, or not into this: a deny stays a deny.
            ToolUnknown, BadArguments, NotCanonical, …: the call could not be made.
            ApprovalAlreadyDecided, ApprovalReplaced, ApprovalExpired, ApprovalChanged: as :meth:`decide` says.
        """
        if not _HUMAN.fullmatch(by):
            raise DeciderRefused(by=shortened(clean(by), 80))
        asked = await self.get(ref)
        if digest is not None and digest != asked.digest:
            raise ApprovalChanged(approval=asked.id, digest=asked.digest, given=digest)
        shared, at = self._shared, iso(self._shared.clock.now())

        def look(connection: Connection) -> Any:
            self._open(connection, asked.id, at)
            return shared.missions.get(connection, shared.tenant, asked.mission_id)

        mission = records.mission(await shared.storage.read(look))
        judged = changed(asked, mission, call, args, clean(by), world)
        edited = put(card_with(asked, mission, call, judged, world), asked.slot, asked.card["bounds"], shared)
        gone = {"status": ApprovalStatus.REPLACED.value, "decided_at": at, "decided_by": clean(by)}
        about = {"approval": asked.id, "by": clean(by), "instead": edited.id, "call": call, "digest": edited.digest}

        def op(connection: Connection) -> list[Event]:
            self._open(connection, asked.id, at)
            shared.approvals.move(connection, asked.id, "pending", gone)
            shared.approvals.add(connection, row_of_question(edited, shared.tenant))
            length = shared.missions.count(connection, asked.mission_id, 2)
            events = [
                Event(asked.mission_id, length - 1, at, "approval.edited", asked.task_id, about),
                Event(asked.mission_id, length, at, "approval.asked", asked.task_id, summary(edited)),
            ]
            shared.missions.append(connection, [row_of(event, shared.tenant) for event in events])
            return events

        for event in await shared.storage.write(op):
            shared.bus.publish(event)
        return edited

    def _open(self, connection: Connection, approval: str, at: str) -> None:
        """Refuse what has no answer to give any more."""
        store, tenant = self._shared.approvals, self._shared.tenant
        row = store.get(connection, tenant, approval)
        if row.status == ApprovalStatus.REPLACED:
            instead = store.latest(connection, row.mission_id, row.task_id, row.slot)
            if instead is not None:
                raise ApprovalReplaced(approval=approval, instead=instead.id, status=row.status)
        if row.status != ApprovalStatus.PENDING:
            raise ApprovalAlreadyDecided(approval=approval, status=row.status)
        if row.expires_at <= at:
            raise ApprovalExpired(approval=approval, at=row.expires_at)


def decided(asked: Approval, verdict: str, by: str, at: str, seq: int) -> Event:
    """The journal's word of an answer."""
    data = {"approval": asked.id, "verdict": verdict, "by": by, "digest": asked.digest}
    return Event(asked.mission_id, seq, at, "approval.decided", asked.task_id, data)


def row_of(event: Event, tenant: str) -> tuple[Any, ...]:
    """An event as its journal row, in the order of the table's columns."""
    return (event.mission_id, event.seq, tenant, event.at, event.type, event.task, seal(event.data))

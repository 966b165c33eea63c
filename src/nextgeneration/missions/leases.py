"""A lease: the right of one attempt to write to one mission.

Each write carries the attempt's number in the statement that numbers its journal events: a worker that lost its lease
changes nothing, and learns it at that moment.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from nextgeneration.events.schema import Event
from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.errors import NGError
from nextgeneration.missions.errors import LeaseLost, MissionCancelled, MissionEnded, OverBudget
from nextgeneration.missions.schema import Mission, MissionStatus
from nextgeneration.missions.shared import Shared
from nextgeneration.missions.tenure import Tenure
from nextgeneration.storage.database import Connection
from nextgeneration.storage.errors import RecordDamaged, StorageError
from nextgeneration.storage.sealed import seal

logger = logging.getLogger(__name__)

Change = Callable[[Connection], None]
"""Part of a transaction: a plain function of a connection."""

Then = Callable[[], None]
"""What follows once a part is on disk: what is known of it in memory."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it has its number."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    task: str | None = None


class Noted(NamedTuple):
    """An event as its row has it behind its mission and number."""

    tenant: str
    at: str
    type: str
    task: str | None
    data: str


class _Left(NamedTuple):
    """What a mission was left as, the length of its journal, and the last events of that."""

    status: MissionStatus
    length: int
    drafts: Sequence[Draft]
    rows: Sequence[Noted]


@dataclass(slots=True)
class _Riders:
    """What goes with the next transaction, whoever makes it."""

    drafts: list[Draft] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    follow: list[Then] = field(default_factory=list)
    tasks: set[str | None] = field(default_factory=set)
    soon: bool = False

    def __bool__(self) -> bool:
        return bool(self.drafts or self.changes)

    def before(self, later: _Riders) -> _Riders:
        """These, and after them those that came later."""
        return _Riders(
            self.drafts + later.drafts,
            self.changes + later.changes,
            self.follow + later.follow,
            self.tasks | later.tasks,
            self.soon or later.soon,
        )


class Lease(Tenure):
    """The fenced transactions of one attempt. Used from one event loop."""

    def __init__(self, shared: Shared, mission: Mission) -> None:
        super().__init__(shared, mission)
        self._riders = _Riders()
        self._flushing: asyncio.Future[int] | None = None
        self._aboard: dict[str | None, asyncio.Future[int]] = {}
        """By task, the transaction of another one that what it did last rides with."""

    # -- the lease ---------------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Renew the lease and look for a cancellation, until the claim is lost or this is cancelled.

        Returns:
            When the claim is lost; ``lost`` says why.
        """
        renewed = self.clock.monotonic()
        while True:
            row, unread = None, None
            try:
                row = await self._shared.rounds.next(self.id)
            except NGError as error:
                unread = error
            if self.over:
                return
            try:
                if self.clock.monotonic() - renewed >= self._shared.lease_seconds / 3:
                    await self.renew()
                    renewed = self.clock.monotonic()
                elif unread is not None:
                    raise unread
                else:
                    self._look(row)
                    if not self.over:
                        await self.flush()
            except NGError as error:
                if not self.over and not error.retryable:
                    self.stop(error)

    # -- transactions ------------------------------------------------------------------------------------------------

    def event_nowait(self, kind: str, data: Mapping[str, Any] | None = None, task: str | None = None) -> None:
        """Journal an event with the next transaction of this claim, whichever comes first."""
        self.ride(Draft(kind, data or {}, task))

    def ride(
        self,
        draft: Draft | None,
        change: Change | None = None,
        then: Then | None = None,
        *,
        task: str | None = None,
        soon: bool = False,
    ) -> None:
        """Write an event, a change or both with the next transaction of this claim, whichever comes first.

        For what may be lost with the process as long as nothing that came after it is kept.

        Args:
            draft: the event.
            change: the change.
            then: called once they are on disk.
            task: whose a change without an event is.
            soon: make a transaction for it when none comes within ``SOON_SECONDS``.
        """
        riders = self._riders
        riders.tasks.add(task if draft is None else draft.task)
        if draft is not None:
            riders.drafts.append(draft)
        if change is not None:
            riders.changes.append(change)
        if then is not None:
            riders.follow.append(then)
        if soon:
            riders.soon = True
            self._shared.soon.add(self._flush_soon)

    async def event(self, kind: str, data: Mapping[str, Any] | None = None, task: str | None = None) -> None:
        """Journal an event; it is on disk when this returns."""
        await self.commit(Draft(kind, data or {}, task))

    async def flush(self) -> None:
        """Write what waits for the next transaction, after what is being written because it should be on disk soon."""
        if self._flushing is not None and not self._flushing.done():
            await asyncio.wait({self._flushing})
        if self._riders:
            await self.commit()

    async def commit(
        self,
        *drafts: Draft,
        change: Change | None = None,
        calls: int = 0,
        answer: bool = False,
        then: Then | None = None,
    ) -> None:
        """Write events and a change in one fenced transaction, with everything that waited for one.

        A caller that is cancelled meanwhile hears of it when it is known whether they are on disk.

        Args:
            drafts: events, journaled in this order.
            change: what else is to be written.
            calls: tool calls to count against the mission's budget.
            answer: an outcome is recorded even while the mission is being cancelled.
            then: called once they are on disk, also when the caller was cancelled.

        Raises:
            LeaseLost, MissionCancelled, MissionEnded: nothing was written, and nothing more will be.
            OverBudget: nothing was written; the budget of calls is used up.
            StorageError: nothing was written.
        """
        for draft in () if answer else drafts:
            aboard = self._aboard.get(draft.task)
            if aboard is not None:
                # Were that refused, what its task did before would be written after this.
                await asyncio.wait({aboard})
        await self._transaction(drafts, change, calls, answer=answer, then=then)

    def _transaction(
        self,
        drafts: Sequence[Draft] = (),
        change: Change | None = None,
        calls: int = 0,
        *,
        answer: bool = False,
        then: Then | None = None,
    ) -> Awaitable[int]:
        """Hand :meth:`commit`'s transaction over; the journal's new length when it is on disk."""
        self.check()
        riders, self._riders = self._riders, _Riders()
        events = [*riders.drafts, *drafts]
        changes = riders.changes if change is None else [*riders.changes, change]
        rows = self._rows(events)
        store = self._shared.missions

        def op(connection: Connection) -> int:
            length = store.fence(connection, self.id, self.attempt, len(rows), calls, answer=answer)
            if length is None:
                raise _refusal(self, store.standing(connection, self.id))
            self._append(connection, rows, changes, length)
            return length

        def written(length: int) -> None:
            for follow in riders.follow:
                follow()
            if then is not None:
                then()
            if self._shared.bus.listening:
                self._publish(events, rows, length)

        handed = self._shared.storage.write_whole(op, written, functools.partial(self._unwritten, riders))
        others = riders.tasks.difference(draft.task for draft in drafts)
        if others:
            handed = asyncio.ensure_future(handed)
            self._aboard.update(dict.fromkeys(others, handed))
            handed.add_done_callback(self._ashore)
        return handed

    def _ashore(self, handed: asyncio.Future[int]) -> None:
        self._aboard = {task: each for task, each in self._aboard.items() if each is not handed}

    def _unwritten(self, riders: _Riders, error: BaseException) -> None:
        """A transaction failed: what rode with it goes with the next one, if there may be one."""
        if not isinstance(error, (LeaseLost, MissionEnded, RecordDamaged)):
            # What cannot be written because its record is gone would fail every later transaction too.
            self._put_back(riders)
            if riders.soon and not isinstance(error, StorageError):
                # Whoever made the transaction was refused. A disk that takes nothing is not asked at every moment.
                self._shared.soon.add(self._flush_soon)
        if isinstance(error, (LeaseLost, MissionCancelled, MissionEnded)):
            self.stop(error)

    def _put_back(self, riders: _Riders) -> None:
        self._riders = riders.before(self._riders)

    def _flush_soon(self) -> None:
        """No transaction came: make one for what should be on disk soon."""
        if self._riders.soon and not self.over:
            try:
                # No task of its own: one that has not begun would be lost with a loop that ends.
                self._flushing = asyncio.ensure_future(self._transaction())
            except NGError as error:
                self._unflushed(error)
            else:
                self._flushing.add_done_callback(self._flushed)

    def _flushed(self, flushing: asyncio.Future[int]) -> None:
        error = None if flushing.cancelled() else flushing.exception()
        if error is not None:
            self._unflushed(error)

    def _unflushed(self, error: BaseException) -> None:
        # Whoever writes next meets it too, and says so.
        logger.log(logging.DEBUG if isinstance(error, NGError) else logging.ERROR, "%s: %s", self.id, error)

    def _append(self, connection: Connection, rows: Sequence[Noted], changes: Sequence[Change], length: int) -> None:
        numbered = [(self.id, place, *row) for place, row in enumerate(rows, length - len(rows) + 1)]
        self._shared.missions.append(connection, numbered)
        for part in changes:
            part(connection)

    def _rows(self, drafts: Sequence[Draft]) -> list[Noted]:
        if not drafts:
            return []
        at, tenant = iso(self.clock.now()), self.mission.tenant
        return [Noted(tenant, at, draft.type, draft.task, seal(draft.data)) for draft in drafts]

    def _publish(self, drafts: Sequence[Draft], rows: Sequence[Noted], length: int) -> None:
        for place, (draft, row) in enumerate(zip(drafts, rows, strict=True), length - len(rows) + 1):
            self._shared.bus.publish(Event(self.id, place, row.at, draft.type, draft.task, dict(draft.data)))

    async def _leave(
        self,
        status: MissionStatus,
        reason: str,
        kind: str | None,
        *,
        report: str | None = None,
        unless_decided: Sequence[str] = (),
    ) -> bool:
        """Give the mission back in a new state, with one last event of type ``kind``.

        Returns:
            False, with nothing changed, when one of ``unless_decided`` has an answer.
        """
        self.check()
        shared, at = self._shared, iso(self.clock.now())
        riders, self._riders = self._riders, _Riders()
        drafts = [*riders.drafts, *([Draft(kind, {"status": status.value, "reason": reason})] if kind else [])]
        rows = self._rows(drafts)
        values = {
            "m_id": self.id,
            "m_attempt": self.attempt,
            "m_status": status.value,
            "m_at": at,
            "m_ended": at if status.ended else None,
            "m_reason": reason,
            "m_events": len(rows),
            "m_seconds": self.seconds(),
        }

        def op(connection: Connection) -> _Left | None:
            if unless_decided and shared.approvals.open(connection, unless_decided, at) < len(unless_decided):
                return None
            found = shared.missions.leave(connection, values)
            if found is None:
                raise _refusal(self, shared.missions.standing(connection, self.id))
            length, left_as, by = found
            left = _Left(MissionStatus(left_as), length, drafts, rows)
            if left.status is not status:
                left = self._end_cancelled(connection, left, by, replaces=kind is not None)
            self._append(connection, left.rows, riders.changes, left.length)
            if report is not None:
                shared.missions.save(connection, shared.tenant, self.id, "report", report)
            if left.status.ended:
                shared.approvals.void(connection, self.id)
            if self.holds:
                # Calls that were cut off: what they cost is not known, so all they could is charged.
                shared.ledger.charge_dead(connection, self.id, self.attempt + 1, at, tenant=shared.tenant)
            return left

        def given_back(left: _Left | None) -> None:
            if left is None:
                self._put_back(riders)
                return
            for follow in riders.follow:
                follow()
            self._left(left.status, left.length, at, reason)
            self._publish(left.drafts, left.rows, left.length)

        return await shared.storage.write_whole(op, given_back, functools.partial(self._unwritten, riders)) is not None

    def _end_cancelled(self, connection: Connection, left: _Left, by: str, *, replaces: bool) -> _Left:
        """The last event of a mission that was being cancelled, in place of the one meant or as one more."""
        last = Draft("mission.ended", {"status": MissionStatus.CANCELLED.value, "by": by})
        kept, length = len(left.drafts) - replaces, left.length
        if not replaces:
            length = self._shared.missions.wake(connection, self.id) or length
        drafts, rows = [*left.drafts[:kept], last], [*left.rows[:kept], *self._rows([last])]
        return left._replace(length=length, drafts=drafts, rows=rows)

    def _left(self, status: MissionStatus, length: int, at: str, reason: str) -> None:
        self.mission = replace(
            self.mission,
            status=status,
            seq=length,
            holder=None,
            lease_until=None,
            reason=reason,
            ended_at=at if status.ended else None,
        )
        self.lost = MissionEnded(mission=self.id, status=status.value)
        self.deadlines.rest()
        self._shared.live.pop(self.id, None)


def _refusal(lease: Lease, row: Any) -> NGError:
    """Why a fenced statement changed nothing."""
    if row is None or row[0] != lease.attempt:
        return LeaseLost(mission=lease.id, attempt=lease.attempt)
    if row[2] is not None:
        return MissionCancelled(mission=lease.id, by=row[2])
    if row[1] != MissionStatus.RUNNING:
        return MissionEnded(mission=lease.id, status=row[1])
    return OverBudget(scope=lease.id, limit=row[4], unit="tool_calls")

"""A claim: the right of one attempt to work on one mission, and everything it may write.

Each write carries the attempt's number in the statement that numbers its journal events: a worker that lost its lease
changes nothing, and learns it at that moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nextgeneration.events.schema import Event
from nextgeneration.kernel.clock import Clock, iso
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.reports import Report
from nextgeneration.kernel.tools import Tool
from nextgeneration.missions.errors import (
    LeaseLost,
    MissionCancelled,
    MissionEnded,
    MissionStopped,
    OverBudget,
    PinChanged,
)
from nextgeneration.missions.records import Effect, Pin
from nextgeneration.missions.schema import Mission, MissionStatus, TaskRecord
from nextgeneration.missions.shared import Shared
from nextgeneration.storage.database import Connection
from nextgeneration.storage.sealed import seal, seal_json

if TYPE_CHECKING:
    from nextgeneration.missions.effects import Door, Policy

Change = Callable[[Connection], None]
"""Part of a transaction: a plain function of a connection."""

POLL_SECONDS = 0.5
"""How often a worker looks whether its mission was cancelled from elsewhere."""


class Pinned(Protocol):
    """What can be pinned: a template's revision."""

    @property
    def digest(self) -> str:
        """Its name by content."""
        ...

    @property
    def data(self) -> dict[str, Any]:
        """Its canonical form, from which it is rebuilt."""
        ...


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it has its number."""

    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    task: str | None = None


@dataclass(slots=True)
class _Riders:
    """What goes with the next transaction, whoever makes it."""

    drafts: list[Draft] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


class Claim:
    """A live lease on a mission. Made by ``Missions.claim``; used from one event loop.

    Attributes:
        mission: the record as it was claimed.
        attempt: number of this attempt.
        lost: why nothing more may be written, once that is so.
        effects: every effect of the mission by task and position.
        waiting: ids of the approvals that tasks of this claim wait for.
        flights: the calls under way; they end when the claim does.
    """

    def __init__(
        self,
        shared: Shared,
        mission: Mission,
        *,
        effects: Iterable[Effect] = (),
        tasks: Iterable[TaskRecord] = (),
        pins: Iterable[Pin] = (),
    ) -> None:
        self._shared = shared
        self.mission = mission
        self.id = mission.id
        self.attempt = mission.attempt
        self.lost: NGError | None = None
        self.effects: dict[tuple[str, int], Effect] = {(e.task, e.position): e for e in effects}
        self.waiting: set[str] = set()
        self.flights: set[asyncio.Task[Any]] = set()
        self._tasks: dict[str, TaskRecord] = {task.id: task for task in tasks}
        self._pins: dict[str, Pin] = {pin.name: pin for pin in pins}
        self._plan = mission.plan
        self._riders = _Riders()
        self._since = shared.clock.monotonic()

    @property
    def shared(self) -> Shared:
        """The parts this claim works with."""
        return self._shared

    @property
    def clock(self) -> Clock:
        """The clock of the mission's process."""
        return self._shared.clock

    def seconds(self) -> float:
        """Time worked on the mission, over all attempts as far as it was recorded."""
        return self.mission.seconds + self.clock.monotonic() - self._since

    def remaining(self) -> float:
        """Seconds left of the mission's budget; may be negative."""
        return self.mission.budget.seconds - self.seconds()

    @property
    def over(self) -> bool:
        """Whether nothing more may be written under it."""
        return self.lost is not None

    def check(self) -> None:
        """Raise why the claim is lost, if it is.

        Raises:
            LeaseLost, MissionCancelled, MissionEnded, MissionStopped: this attempt may do nothing more.
        """
        if self.lost is not None:
            raise self.lost

    def stop(self, error: NGError | None = None) -> None:
        """Let go: calls under way are cancelled, their outcome stays unknown; nothing more is written.

        Without ``error`` this is a wish of the process itself (Ctrl-C): the mission can be resumed.
        """
        if self.lost is None:
            self.lost = error or MissionStopped(mission=self.id)
        for flight in tuple(self.flights):
            flight.cancel()

    # -- the lease ---------------------------------------------------------------------------------------------------

    async def renew(self) -> None:
        """Extend the lease.

        Raises:
            LeaseLost: another attempt has taken over.
            MissionCancelled: somebody cancelled the mission.
        """
        self.check()
        until = iso(self._shared.lease_end())
        seconds = self.seconds()
        store = self._shared.missions

        def op(connection: Connection) -> Any:
            return store.renew(connection, self.id, self.attempt, until, seconds)

        row = await self._shared.storage.write(op)
        if row is None:
            self._lose(LeaseLost(mission=self.id, attempt=self.attempt))
        elif row[0] is not None:
            self._lose(MissionCancelled(mission=self.id, by=row[0]))

    async def keep(self) -> None:
        """Renew the lease and look for a cancellation, until the claim is lost or this is cancelled.

        Returns:
            When the claim is lost; ``lost`` says why.
        """
        store = self._shared.missions
        renewed = self.clock.monotonic()
        while True:
            await asyncio.sleep(min(POLL_SECONDS, self._shared.lease_seconds / 3))
            if self.over:
                return
            try:
                if self.clock.monotonic() - renewed >= self._shared.lease_seconds / 3:
                    await self.renew()
                    renewed = self.clock.monotonic()
                    continue
                row = await self._shared.storage.read(lambda connection: store.standing(connection, self.id))
                self._look(row)
            except NGError as error:
                if not self.over and not error.retryable:
                    self.stop(error)

    def _look(self, row: Any) -> None:
        if row is None or row[0] != self.attempt or row[1] != MissionStatus.RUNNING:
            self.stop(LeaseLost(mission=self.id, attempt=self.attempt))
        elif row[2] is not None:
            self.stop(MissionCancelled(mission=self.id, by=row[2]))

    def _lose(self, error: NGError) -> None:
        self.stop(error)
        raise error

    # -- transactions ------------------------------------------------------------------------------------------------

    def event_nowait(self, kind: str, data: Mapping[str, Any] | None = None, task: str | None = None) -> None:
        """Journal an event with the next transaction of this claim, whichever comes first."""
        self._riders.drafts.append(Draft(kind, data or {}, task))

    async def event(self, kind: str, data: Mapping[str, Any] | None = None, task: str | None = None) -> None:
        """Journal an event; it is on disk when this returns."""
        await self.commit(Draft(kind, data or {}, task))

    async def flush(self) -> None:
        """Write what waits for the next transaction."""
        if self._riders.drafts or self._riders.changes:
            await self.commit()

    async def commit(self, *drafts: Draft, change: Change | None = None, calls: int = 0, answer: bool = False) -> None:
        """Write events and a change in one fenced transaction, with everything that waited for one.

        Args:
            drafts: events, journaled in this order.
            change: what else is to be written.
            calls: tool calls to count against the mission's budget.
            answer: an outcome is recorded even while the mission is being cancelled.

        Raises:
            LeaseLost, MissionCancelled, MissionEnded: nothing was written, and nothing more will be.
            OverBudget: nothing was written; the budget of calls is used up.
            StorageError: nothing was written.
        """
        self.check()
        riders, self._riders = self._riders, _Riders()
        events = [*riders.drafts, *drafts]
        changes = riders.changes if change is None else [*riders.changes, change]
        rows = self._rows(events)
        store = self._shared.missions

        def op(connection: Connection) -> int:
            length = store.fence(connection, self.id, self.attempt, len(rows), calls, answer=answer)
            if length is None:
                raise self._refusal(store.standing(connection, self.id))
            first = length - len(rows)
            for place, row in enumerate(rows, first + 1):
                row["seq"] = place
            store.append(connection, rows)
            for part in changes:
                part(connection)
            return first

        try:
            first = await self._shared.storage.write(op)
        except NGError as error:
            if isinstance(error, (LeaseLost, MissionCancelled, MissionEnded)):
                self.stop(error)
            else:
                self._riders.drafts[:0] = riders.drafts
                self._riders.changes[:0] = riders.changes
            raise
        self._publish(events, rows, first)

    def _rows(self, drafts: Sequence[Draft]) -> list[dict[str, Any]]:
        if not drafts:
            return []
        at = iso(self.clock.now())
        tenant = self.mission.tenant
        return [
            {
                "mission_id": self.id,
                "tenant": tenant,
                "at": at,
                "type": draft.type,
                "task_id": draft.task,
                "data": seal(draft.data),
            }
            for draft in drafts
        ]

    def _publish(self, drafts: Sequence[Draft], rows: Sequence[dict[str, Any]], first: int) -> None:
        bus = self._shared.bus
        if not bus.listening:
            return
        for place, (draft, row) in enumerate(zip(drafts, rows, strict=True), first + 1):
            bus.publish(Event(self.id, place, row["at"], draft.type, draft.task, dict(draft.data)))

    def _refusal(self, row: Any) -> NGError:
        if row is None or row[0] != self.attempt:
            return LeaseLost(mission=self.id, attempt=self.attempt)
        if row[2] is not None:
            return MissionCancelled(mission=self.id, by=row[2])
        if row[1] != MissionStatus.RUNNING:
            return MissionEnded(mission=self.id, status=row[1])
        return OverBudget(scope=self.id, limit=row[4], unit="tool_calls")

    # -- plan, revisions, tasks --------------------------------------------------------------------------------------

    def plan(self) -> dict[str, Any] | None:
        """The saved plan."""
        return self._plan

    def tasks(self) -> list[TaskRecord]:
        """The saved tasks in the order of the plan, with the reports of those that ended."""
        return list(self._tasks.values())

    def pinned(self) -> dict[str, dict[str, Any]]:
        """The data of each pinned revision by template name."""
        return {pin.name: pin.data for pin in self._pins.values()}

    async def save_plan(
        self,
        plan: Mapping[str, Any],
        *,
        tasks: Sequence[TaskRecord] = (),
        pins: Mapping[str, Pinned] | None = None,
        event: str = "mission.planned",
    ) -> None:
        """Save the plan, new tasks and the revisions they use in one transaction.

        Raises:
            PinChanged: a name is pinned to another revision already.
        """
        self._shared.at("plan.saving")
        text = seal(plan)
        fresh = self._fresh_pins(pins or {})
        pinning = self._pinning(fresh)
        adding = self._adding(tasks)
        store = self._shared.missions

        def change(connection: Connection) -> None:
            store.save_plan(connection, self.id, text)
            pinning(connection)
            adding(connection)

        names = [task.id for task in tasks]
        draft = Draft(event, {"tasks": names, "revisions": {pin.name: pin.digest for pin in fresh}})
        await self.commit(draft, change=change)
        self._plan = dict(plan)
        self._pins.update({pin.name: pin for pin in fresh})
        self._tasks.update({task.id: task for task in tasks})
        self._shared.known_revisions.update(pin.digest for pin in fresh)
        self._shared.at("plan.saved")

    async def pin(self, name: str, digest: str, data: dict[str, Any]) -> None:
        """Keep a revision for this mission.

        Raises:
            PinChanged: the name is pinned to another revision already.
        """
        fresh = self._fresh_pins({name: Pin(name, digest, data)})
        if fresh:
            await self.commit(change=self._pinning(fresh))
            self._pins.update({pin.name: pin for pin in fresh})
            self._shared.known_revisions.update(pin.digest for pin in fresh)

    async def save_tasks(self, tasks: Sequence[TaskRecord]) -> None:
        """Add tasks to the mission."""
        await self.commit(change=self._adding(tasks))
        self._tasks.update({task.id: task for task in tasks})

    async def end_task(self, task_id: str, report: Report) -> None:
        """Keep a task's report."""
        self._shared.at("task.ending")
        text = self._sealed_report(report)
        store = self._shared.missions

        def change(connection: Connection) -> None:
            store.end_task(connection, self.id, task_id, report.status, text)

        data = {
            "agent": report.agent,
            "status": report.status.value,
            "findings": len(report.findings),
            "actions": len(report.actions),
            "missing": len(report.missing),
            "cost": {"tool_calls": report.cost.tool_calls, "seconds": round(report.cost.seconds, 3)},
        }
        await self.commit(Draft("task.ended", data, task_id), change=change)
        if task_id in self._tasks:
            self._tasks[task_id] = replace(self._tasks[task_id], status=report.status.value, report=report)
        self._shared.at("task.ended")

    @staticmethod
    def _sealed_report(report: Report) -> str:
        try:
            return seal_json(report.model_dump_json())
        except ValueError:
            return seal(report.model_dump())

    def _fresh_pins(self, pins: Mapping[str, Pinned]) -> list[Pin]:
        fresh = []
        for name, revision in pins.items():
            pinned = self._pins.get(name)
            if pinned is None:
                fresh.append(Pin(name, revision.digest, revision.data))
            elif pinned.digest != revision.digest:
                raise PinChanged(where=self.id, name=name, pinned=pinned.digest, given=revision.digest)
        return fresh

    def _pinning(self, fresh: Sequence[Pin]) -> Change:
        shared, tenant = self._shared, self.mission.tenant
        unknown = {pin.digest: seal(pin.data) for pin in fresh if pin.digest not in shared.known_revisions}
        at = iso(self.clock.now())
        rows = [
            {"mission_id": self.id, "name": pin.name, "tenant": tenant, "digest": pin.digest, "at": at} for pin in fresh
        ]

        def change(connection: Connection) -> None:
            for digest, data in unknown.items():
                shared.missions.add_revision(connection, tenant, digest, data)
            shared.missions.add_pins(connection, rows)

        return change

    def _adding(self, tasks: Sequence[TaskRecord]) -> Change:
        rows = [
            {
                "mission_id": self.id,
                "task_id": task.id,
                "tenant": self.mission.tenant,
                "place": len(self._tasks) + place,
                "agent": task.agent,
                "template": task.template,
                "revision": task.revision,
                "status": task.status,
                "plan": seal(
                    {
                        "goal": task.goal,
                        "input": task.input,
                        "depends": task.depends,
                        "budget": task.budget,
                        "why": task.why,
                    }
                ),
                "report": None if task.report is None else self._sealed_report(task.report),
            }
            for place, task in enumerate(tasks)
        ]
        return lambda connection: self._shared.missions.add_tasks(connection, rows)

    # -- the end of the claim ----------------------------------------------------------------------------------------

    async def wait(self, reason: str) -> bool:
        """Give the mission back to wait for the approvals its tasks asked for.

        Returns:
            False when one of them has been answered meanwhile: the claim stays, go on.
        """
        waiting = tuple(self.waiting)
        left = await self._leave(MissionStatus.WAITING, reason, "mission.waiting", unless_decided=waiting)
        if left:
            self._shared.at("mission.waiting")
        return left

    async def park(self, reason: str) -> None:
        """Give the mission back until a human resumes it: it cannot go on by itself."""
        await self._leave(MissionStatus.PARKED, reason, "mission.waiting")

    async def release(self) -> None:
        """Give the mission back so that any worker can go on with it. Does nothing once the claim is lost."""
        if self.lost is None or isinstance(self.lost, MissionStopped):
            self.lost = None
            await self._leave(MissionStatus.QUEUED, "", None)

    async def end(self, status: MissionStatus | str, report: Mapping[str, Any], reason: str = "") -> MissionStatus:
        """End the mission with its report; open questions are closed.

        Returns:
            The state it ended in: ``cancelled`` when that was asked for before.
        """
        self._shared.at("mission.ending")
        await self._leave(MissionStatus(status), reason, "mission.ended", report=seal(report))
        self._shared.at("mission.ended")
        return self.mission.status

    async def _leave(
        self,
        status: MissionStatus,
        reason: str,
        kind: str | None,
        *,
        report: str | None = None,
        unless_decided: Sequence[str] = (),
    ) -> bool:
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
            "m_report": report,
            "m_events": len(rows),
            "m_seconds": self.seconds(),
        }

        def op(connection: Connection) -> tuple[int, str] | None:
            if unless_decided and shared.approvals.open(connection, unless_decided, at) < len(unless_decided):
                return None
            row = shared.missions.leave(connection, values)
            if row is None:
                raise self._refusal(shared.missions.standing(connection, self.id))
            length, left_as, by = row
            if left_as != status.value and kind is not None:
                rows[-1].update(type="mission.cancelled", data=seal({"by": by}))
            for place, event in enumerate(rows, length - len(rows) + 1):
                event["seq"] = place
            shared.missions.append(connection, rows)
            for part in riders.changes:
                part(connection)
            if MissionStatus(left_as).ended:
                shared.approvals.void(connection, self.id)
            return length - len(rows), left_as

        try:
            left = await shared.storage.write(op)
        except NGError as error:
            if isinstance(error, (LeaseLost, MissionCancelled, MissionEnded)):
                self.stop(error)
            raise
        if left is None:
            self._riders.drafts[:0] = riders.drafts
            self._riders.changes[:0] = riders.changes
            return False
        first, left_as = left
        self.mission = replace(
            self.mission, status=MissionStatus(left_as), holder=None, lease_until=None, reason=reason
        )
        self.lost = MissionEnded(mission=self.id, status=left_as)
        shared.live.pop(self.id, None)
        self._publish([replace(d, type=r["type"]) for d, r in zip(drafts, rows, strict=True)], rows, first)
        return True

    # -- the door ----------------------------------------------------------------------------------------------------

    def door(self, tools: Mapping[str, Tool], policy: Policy, scratch: Path) -> Door:
        """The only way for this mission's agents to do something outside."""
        from nextgeneration.missions.effects import Door

        return Door(self, tools, policy, scratch=scratch, clock=self.clock)

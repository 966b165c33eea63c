"""A claim: a lease with everything that was recorded of its mission, and what an attempt may add to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.reports import Cost, Report
from nextgeneration.kernel.tools import Tool
from nextgeneration.missions.errors import MissionCancelled, MissionStopped, PinChanged
from nextgeneration.missions.leases import Change, Draft, Lease
from nextgeneration.missions.records import Effect, Pin
from nextgeneration.missions.schema import Mission, MissionStatus, TaskRecord
from nextgeneration.missions.shared import Shared
from nextgeneration.storage.database import Connection
from nextgeneration.storage.sealed import seal, seal_json

if TYPE_CHECKING:
    from nextgeneration.missions.access import ModelAccess
    from nextgeneration.missions.effects import Door, Policy


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


class Claim(Lease):
    """One attempt at a mission. Made by ``Missions.claim``.

    Attributes:
        effects: every effect of the mission by task and position.
        waiting: ids of the approvals that tasks of this claim wait for, by task and place in it.
        asked: the places where a question was put under it.
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
        super().__init__(shared, mission)
        self.effects: dict[tuple[str, int], Effect] = {(e.task, e.position): e for e in effects}
        self.waiting: dict[tuple[str, str], str] = {}
        self.asked: set[tuple[str, str]] = set()
        self._tasks: dict[str, TaskRecord] = {task.id: task for task in tasks}
        self._pins: dict[str, Pin] = {pin.name: pin for pin in pins}
        self._plan = mission.plan

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

    def kept(self, digest: str) -> dict[str, Any] | None:
        """The data of a pinned revision by its digest."""
        return next((pin.data for pin in self._pins.values() if pin.digest == digest), None)

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
            store.save(connection, self.mission.tenant, self.id, "plan", text)
            pinning(connection)
            adding(connection)

        planned = [{"id": task.id, "agent": task.agent, "depends": list(task.depends)} for task in tasks]
        draft = Draft(event, {"tasks": planned, "revisions": {pin.name: pin.digest for pin in fresh}})

        def saved() -> None:
            self._plan = dict(plan)
            self._keep_pins(fresh)
            self._tasks.update({task.id: task for task in tasks})

        await self.commit(draft, change=change, then=saved)
        self._shared.at("plan.saved")

    async def pin(self, name: str, digest: str, data: dict[str, Any]) -> None:
        """Keep a revision for this mission.

        Raises:
            PinChanged: the name is pinned to another revision already.
        """
        fresh = self._fresh_pins({name: Pin(name, digest, data)})
        if fresh:
            await self.commit(change=self._pinning(fresh), then=lambda: self._keep_pins(fresh))

    def add_tasks(self, tasks: Sequence[TaskRecord]) -> None:
        """Add tasks to the mission; written with the next transaction, so before anything that they do."""
        self.check()
        self.ride(None, self._adding(tasks))
        self._tasks.update({task.id: task for task in tasks})

    async def end_task(self, task_id: str, report: Report, also: Change | None = None) -> None:
        """Keep a task's report, and ``also`` what else its end means; written with the next transaction.

        Whatever builds on it comes after it. A crash before that runs the task again, and its recorded effects give the
        same report.
        """
        self.check()
        self._shared.at("task.ending")
        text = _sealed(report)
        store = self._shared.missions

        def change(connection: Connection) -> None:
            store.end_task(connection, self.id, task_id, report.status, text)
            if also is not None:
                also(connection)

        data = {
            "agent": report.agent,
            "status": report.status.value,
            "findings": len(report.findings),
            "actions": len(report.actions),
            "missing": len(report.missing),
            "cost": {
                "tool_calls": report.cost.tool_calls,
                **report.cost.model_dump(exclude_defaults=True),
                "seconds": round(report.cost.seconds, 3),
            },
        }
        self.ride(Draft("task.ended", data, task_id), change)
        if task_id in self._tasks:
            self._tasks[task_id] = replace(self._tasks[task_id], status=report.status.value, report=report)
        self._shared.at("task.ended")

    def _fresh_pins(self, pins: Mapping[str, Pinned]) -> list[Pin]:
        fresh = []
        for name, revision in pins.items():
            pinned = self._pins.get(name)
            if pinned is None:
                fresh.append(Pin(name, revision.digest, revision.data))
            elif pinned.digest != revision.digest:
                raise PinChanged(where=self.id, name=name, pinned=pinned.digest, given=revision.digest)
        return fresh

    def _keep_pins(self, fresh: Sequence[Pin]) -> None:
        self._pins.update({pin.name: pin for pin in fresh})
        self._shared.known_revisions.update(pin.digest for pin in fresh)

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
                "report": None if task.report is None else _sealed(task.report),
            }
            for place, task in enumerate(tasks)
        ]
        return lambda connection: self._shared.missions.add_tasks(connection, rows)

    async def spent(self) -> Cost:
        """What the mission used so far, over all attempts: its tasks, the supervisor's own questions, its actions."""
        from nextgeneration.missions.spent import spent

        return await spent(self._shared, self.id, list(self.effects.values()))

    # -- the end of the claim ----------------------------------------------------------------------------------------

    async def wait(self, reason: str) -> bool:
        """Give the mission back to wait for the approvals its tasks asked for.

        Returns:
            False when one of them has been answered meanwhile: the claim stays, go on.
        """
        waiting = tuple(self.waiting.values())
        left = await self._leave(MissionStatus.WAITING, reason, "mission.waiting", unless_decided=waiting)
        if left:
            self._shared.at("mission.waiting")
        return left

    async def park(self, reason: str) -> None:
        """Give the mission back until a human resumes it: it cannot go on by itself."""
        await self._leave(MissionStatus.PARKED, reason, "mission.waiting")

    async def release(self) -> None:
        """Give the mission back: any worker can go on with it, or it ends, when it was being cancelled.

        Does nothing once the mission was left otherwise, or taken over.
        """
        if self.lost is None or isinstance(self.lost, (MissionStopped, MissionCancelled)):
            self.stop()
            self.lost = None
            await self._leave(MissionStatus.QUEUED, "", None)

    async def end(
        self, status: MissionStatus | str, report: BaseModel | Mapping[str, Any], reason: str = ""
    ) -> MissionStatus:
        """End the mission with its report; open questions are closed.

        Returns:
            The state it ended in: ``cancelled`` when that was asked for before.
        """
        self._shared.at("mission.ending")
        await self._leave(MissionStatus(status), reason, "mission.ended", report=_sealed(report))
        self._shared.at("mission.ended")
        return self.mission.status

    # -- the door ----------------------------------------------------------------------------------------------------

    def door(
        self,
        tools: Mapping[str, Tool],
        policy: Policy,
        scratch: Path | Callable[[], Path],
        access: ModelAccess | None = None,
    ) -> Door:
        """The only way for this mission's agents to do something outside."""
        from nextgeneration.missions.effects import Door

        return Door(self, tools, policy, scratch=scratch, clock=self.clock, access=access)


def _sealed(report: BaseModel | Mapping[str, Any]) -> str:
    if not isinstance(report, BaseModel):
        return seal(report)
    try:
        return seal_json(report.model_dump_json().encode())
    except ValueError:
        return seal(report.model_dump())

"""``Missions``: accept, find, claim and cancel missions."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from nextgeneration.credits.schema import Scopes
from nextgeneration.credits.units import from_credits, shown
from nextgeneration.events.bus import Bus
from nextgeneration.events.schema import Event
from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.clock import Clock, SystemClock, iso
from nextgeneration.kernel.ids import new_id
from nextgeneration.kernel.reports import Cost
from nextgeneration.kernel.show import clean, shortened
from nextgeneration.missions import records
from nextgeneration.missions.approvals import Approvals, row_of
from nextgeneration.missions.boundaries import At, nowhere
from nextgeneration.missions.claiming import Claiming
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.errors import (
    BudgetRefused,
    CreditsShort,
    GoalRefused,
    IdempotencyConflict,
    MissionAmbiguous,
    MissionNotEnded,
    MissionUnknown,
    SpendRefused,
    StateExposed,
)
from nextgeneration.missions.goals import kept, secrets_in
from nextgeneration.missions.holders import this_process
from nextgeneration.missions.records import Effect, Pin
from nextgeneration.missions.schema import (
    Budget,
    Mission,
    MissionLine,
    MissionRequest,
    MissionStatus,
    TaskRecord,
)
from nextgeneration.missions.shared import Shared
from nextgeneration.missions.spent import spent
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.storage.database import Connection, Storage
from nextgeneration.storage.errors import RecordDamaged
from nextgeneration.storage.sealed import seal

__all__ = ["Claim", "Damage", "Missions"]

if TYPE_CHECKING:
    from nextgeneration.missions.tolls import Tolls

T = TypeVar("T")

ID_LENGTH = 30
"""Characters of a whole mission id."""


class Damage(NamedTuple):
    """One record that does not hold what was written."""

    mission: str
    table: str
    id: str
    detail: str


class Missions:
    """The missions of one tenant.

    Args:
        storage: where they are kept.
        settings: limits and defaults.
        clock: the time.
        bus: where events are announced.
        holder: the name under which leases are held; by default this process.
        at: called at every boundary, so that tests can cut there.
        tolls: what calls of tools cost.
    """

    def __init__(
        self,
        storage: Storage,
        settings: MissionSettings | None = None,
        *,
        clock: Clock | None = None,
        bus: Bus | None = None,
        holder: str | None = None,
        at: At = nowhere,
        tolls: Tolls | None = None,
    ) -> None:
        self.settings = settings or MissionSettings()
        self._shared = Shared(
            storage,
            clock or SystemClock(),
            bus or Bus(),
            holder or this_process(),
            lease_seconds=self.settings.lease_seconds,
            approval_days=self.settings.approval_days,
            at=at,
            tolls=tolls,
        )
        self._around = _around(storage.path)
        self._claiming = Claiming(self._shared)
        self.approvals = Approvals(self._shared)

    @property
    def bus(self) -> Bus:
        """Where the events of these missions are announced."""
        return self._shared.bus

    # -- accepting ---------------------------------------------------------------------------------------------------

    async def accept(self, request: MissionRequest, key: str | None = None) -> Mission:
        """Take a mission; it is on disk when this returns. Nothing is held or run yet.

        A secret in the goal is masked before anything is written; ``masked`` of its first event says which kinds.

        Args:
            request: what is asked for.
            key: an idempotency key: the same key and request give the same mission.

        Raises:
            GoalRefused: the goal is empty or too long.
            BudgetRefused: the budget is none, or more than the settings leave.
            IdempotencyConflict: the key stands for another request.
            StateExposed: the workspace holds our own state.
        """
        mission = self._mission(request)
        shared, at = self._shared, mission.created_at
        row = _row(mission)
        about = {"goal": mission.goal, "workspace": mission.workspace}
        # A goal that is kept as it was typed holds none.
        hidden = [] if mission.goal == clean(request.goal).strip() else secrets_in(request.goal)
        event = Event(mission.id, 1, at, "mission.accepted", None, {**about, "masked": hidden} if hidden else about)
        asked = "" if key is None else digest([*about.values(), mission.lang, row["budget"], row["options"]])

        def op(connection: Connection) -> str:
            if key is not None:
                known = shared.missions.remembered(connection, shared.tenant, clean(key))
                if known is not None:
                    if known[1] != asked:
                        raise IdempotencyConflict(mission=known[0])
                    return known[0]
            self._affordable(connection, mission, request.budget.credits, at)
            shared.missions.accept(connection, row)
            shared.missions.append(connection, [row_of(event, shared.tenant)])
            if key is not None:
                remembered = {"tenant": shared.tenant, "key": clean(key), "mission_id": mission.id}
                shared.missions.remember(connection, {**remembered, "digest": asked, "at": at})
            return mission.id

        taken = await shared.storage.write(op)
        if taken != mission.id:
            return await self.get(taken)
        shared.bus.publish(event)
        shared.at("mission.accepted")
        return mission

    def _mission(self, request: MissionRequest) -> Mission:
        self._apart(request.workspace)
        return Mission(
            id=new_id("mis"),
            tenant=self._shared.tenant,
            status=MissionStatus.QUEUED,
            goal=self._goal(request.goal),
            workspace=clean(request.workspace),
            lang=request.lang,
            budget=self._budget(request),
            options=request.options,
            attempt=0,
            holder=None,
            lease_until=None,
            seq=1,
            tool_calls=0,
            seconds=0.0,
            cancelled_by=None,
            reason="",
            created_at=iso(self._shared.clock.now()),
            ended_at=None,
        )

    def _goal(self, text: str) -> str:
        goal = clean(text).strip()
        if not goal or not any(character.isprintable() and not character.isspace() for character in goal):
            raise GoalRefused(detail="it is empty")
        if len(goal) > self.settings.mission_max_goal:
            raise GoalRefused(detail=f"{len(goal)} > {self.settings.mission_max_goal}")
        return kept(goal)

    def _apart(self, workspace: str) -> None:
        """Refuse a workspace whose agents could write what this class keeps; ``.nextgen`` is closed to them."""
        root = os.path.realpath(clean(workspace))
        if os.path.normcase(root) in self._around:
            raise StateExposed(workspace=root, home=self._around[0])

    def _budget(self, request: MissionRequest) -> Budget:
        asked, settings = request.budget, self.settings
        calls = settings.mission_tool_calls if asked.tool_calls is None else asked.tool_calls
        seconds = settings.mission_seconds if asked.seconds is None else asked.seconds
        if not 0 < calls <= settings.mission_max_tool_calls:
            raise BudgetRefused(field="tool_calls", value=calls, limit=settings.mission_max_tool_calls)
        if not math.isfinite(seconds) or not 0 < seconds <= settings.mission_max_seconds:
            raise BudgetRefused(field="seconds", value=seconds, limit=settings.mission_max_seconds)
        credits_ = from_credits(settings.mission_credits) if asked.credits is None else asked.credits
        most = from_credits(settings.mission_max_credits)
        if not 0 <= credits_ <= most:
            raise SpendRefused(field="credits", value=shown(credits_), limit=shown(most))
        return Budget(calls, float(seconds), credits_)

    def _affordable(self, connection: Connection, mission: Mission, wanted: int | None, at: str) -> None:
        """Refuse a mission that asks for more credits than the limits on it leave. Nothing is held yet."""
        if wanted:
            scopes = Scopes(tenant=mission.tenant, user=mission.options.user, mission=mission.id)
            room = self._shared.ledger.room(connection, scopes, at)
            if room is not None and wanted > room.left:
                raise CreditsShort(value=shown(wanted), limit=shown(room.left))

    # -- reading -----------------------------------------------------------------------------------------------------

    async def resolve(self, ref: str) -> str:
        """The id of the one mission that ``ref`` names: an id, or its beginning or end.

        Raises:
            MissionUnknown: none.
            MissionAmbiguous: several.
        """
        shared, ref = self._shared, clean(ref).strip()

        def op(connection: Connection) -> list[str]:
            exact = shared.missions.get(connection, shared.tenant, ref)
            return [ref] if exact else shared.missions.matching(connection, shared.tenant, ref) if ref else []

        found = await shared.storage.read(op)
        if not found:
            raise MissionUnknown(ref=shortened(ref, 80))
        if len(found) > 1:
            raise MissionAmbiguous(ref=shortened(ref, 80), found=", ".join(found))
        return found[0]

    async def get(self, ref: str) -> Mission:
        """One mission, with its plan and report.

        Raises:
            MissionUnknown, MissionAmbiguous: not exactly one fits.
            RecordDamaged: its record is not what was written.
        """
        shared, mission = self._shared, await self.resolve(ref)

        def op(connection: Connection) -> tuple[dict[str, Any] | None, dict[str, str]]:
            store = shared.missions
            return store.get(connection, shared.tenant, mission), store.documents(connection, mission)

        row, documents = await shared.storage.read(op)
        if row is None:
            raise MissionUnknown(ref=mission)
        return records.mission(row, documents)

    async def list(
        self, status: Sequence[MissionStatus] | None = None, limit: int | None = 100
    ) -> Sequence[MissionLine]:
        """Missions, newest first."""
        shared = self._shared
        states = None if status is None else [str(state) for state in status]
        rows = await shared.storage.read(lambda c: shared.missions.lines(c, shared.tenant, states, limit))
        return [records.line(row) for row in rows]

    async def journal(self, ref: str, after: int = 0, limit: int | None = None) -> Sequence[Event]:
        """A mission's events, in order, from the one after number ``after``."""
        shared, mission = self._shared, await self.resolve(ref)
        rows = await shared.storage.read(lambda c: shared.missions.journal(c, mission, after, limit))
        return [records.event(mission, row) for row in rows]

    async def tasks(self, ref: str) -> Sequence[TaskRecord]:
        """A mission's tasks, with their reports."""
        shared, mission = self._shared, await self.resolve(ref)
        rows = await shared.storage.read(lambda c: shared.missions.tasks(c, mission))
        return [records.task(mission, row) for row in rows]

    async def effects(self, ref: str) -> Sequence[Effect]:
        """A mission's effects, by task and position."""
        shared, mission = self._shared, await self.resolve(ref)
        rows = await shared.storage.read(lambda c: shared.effects.all(c, mission))
        return [records.effect(row) for row in rows]

    async def spent(self, ref: str) -> Cost:
        """What a mission used so far, as far as it is recorded."""
        mission = await self.resolve(ref)
        return await spent(self._shared, mission, await self.effects(mission))

    # -- claiming ----------------------------------------------------------------------------------------------------

    async def claim(self, ref: str) -> Claim:
        """Take the lease on a mission. What was recorded of it is loaded once, here.

        Raises:
            MissionHeld: a live worker has it; ``holder`` names it.
            MissionEnded: nothing more happens in it.
            MissionCancelled: it had been cancelled; now it has ended.
            RecordDamaged: one of its records is not what was written.
        """
        whole = len(ref) == ID_LENGTH and ref.startswith("mis_")
        return await self._claiming.claim(ref if whole else await self.resolve(ref))

    async def orphans(self) -> Sequence[MissionLine]:
        """Missions somebody should go on with, oldest first.

        Queued ones, running ones whose worker is dead, and waiting ones whose questions were all answered or have
        expired. Those that were being cancelled when their worker died are ended on the way.
        """
        return await self._claiming.orphans()

    async def cancel(self, ref: str, by: str) -> Mission:
        """Cancel a mission: at once when nobody works on it, else its worker is told.

        Raises:
            MissionEnded: it has ended already; being cancelled twice is no error.
        """
        return await self._claiming.cancel(await self.resolve(ref), by)

    async def delete(self, ref: str) -> Mission:
        """Forget a mission that has ended: its journal, tasks, effects and their results, questions and report.

        What it spent stays in the ledger, and the templates it ran are kept for other missions.

        Returns:
            The mission as it was.

        Raises:
            MissionNotEnded: somebody may still go on with it.
        """
        shared, found = self._shared, await self.get(ref)
        if not found.status.ended:
            raise MissionNotEnded(mission=found.id, status=found.status.value)
        await shared.storage.write(lambda c: shared.missions.delete(c, found.id))
        return found

    # -- checking ----------------------------------------------------------------------------------------------------

    async def integrity(self) -> Sequence[Damage]:
        """Read every record of every mission and name those that are not what was written."""
        damages: list[Damage] = []
        for line in await self.list(limit=None):
            for read in (self.get, self.tasks, self.effects, self.journal, self.approvals.of_mission, self._pins):
                try:
                    await read(line.id)
                except RecordDamaged as error:
                    damages.append(Damage(line.id, error.table, error.id, error.detail))
        return damages

    async def _pins(self, mission: str) -> Sequence[Pin]:
        shared = self._shared
        rows = await shared.storage.read(lambda c: shared.missions.pins(c, mission))
        return [records.pin(mission, row) for row in rows]


def _around(database: Path | None) -> tuple[str, ...]:
    """The folders that nobody may work in: the one that keeps a database first, and those around it."""
    if database is None:
        return ()
    home = database.parent.resolve()
    found = [root for root in (home, *home.parents) if ".nextgen" not in home.relative_to(root).parts]
    return tuple([os.path.normcase(root) for root in found])


def _row(mission: Mission) -> dict[str, Any]:
    budget = mission.budget
    row = {name: getattr(mission, name) for name in Mission.__slots__ if name not in {"plan", "report"}}
    row["status"] = mission.status.value
    row["budget"] = seal({"tool_calls": budget.tool_calls, "seconds": budget.seconds, "credits": budget.credits})
    row["options"] = seal(mission.options.model_dump(mode="json"))
    row["tool_limit"] = budget.tool_calls
    return row

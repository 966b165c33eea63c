"""Taking missions: leases given, dead workers' missions found, missions cancelled."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from nextgeneration.events.schema import Event
from nextgeneration.kernel.clock import from_iso, iso
from nextgeneration.kernel.show import clean, shortened
from nextgeneration.missions import records
from nextgeneration.missions.approvals import row_of
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.errors import MissionCancelled, MissionEnded, MissionHeld, MissionUnknown
from nextgeneration.missions.holders import is_alive, is_dead
from nextgeneration.missions.schema import Mission, MissionLine, MissionStatus
from nextgeneration.missions.shared import Shared
from nextgeneration.storage.database import Connection
from nextgeneration.storage.errors import RecordDamaged

log = logging.getLogger(__name__)

OPEN = (MissionStatus.QUEUED, MissionStatus.RUNNING, MissionStatus.WAITING)

_IDLE = frozenset({"queued", "waiting", "parked"})

Values = dict[str, Any]


class _Taken(NamedTuple):
    """What a claim transaction read."""

    row: Values
    event: Event
    effects: list[Any]
    tasks: list[Any]
    pins: list[Any]
    documents: dict[str, str]


class Claiming:
    """Who may work on which mission."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    async def claim(self, mission: str) -> Claim:
        """See ``Missions.claim``; ``mission`` is a whole id."""
        shared = self._shared
        expected: int | None = None
        while True:
            until = iso(shared.lease_end())
            seen = expected

            def op(connection: Connection, until: str = until, seen: int | None = seen) -> _Taken | Values:
                row = shared.missions.get(connection, shared.tenant, mission)
                if row is None:
                    raise MissionUnknown(ref=shortened(clean(mission), 80))
                free = row["status"] in _IDLE or (row["status"] == "running" and row["attempt"] == seen)
                return self._take(connection, row, until) if free and not row["cancelled_by"] else row

            taken = await shared.storage.write(op)
            if isinstance(taken, _Taken):
                try:
                    return self._claimed(taken)
                except RecordDamaged as error:
                    await self._set_aside(taken, error)
                    raise
            expected = await self._may_take(taken)

    def _take(self, connection: Connection, row: Values, until: str) -> _Taken:
        shared, store = self._shared, self._shared.missions
        mission, attempt = row["id"], row["attempt"]
        effects: list[Any] = []
        tasks: list[Any] = []
        pins: list[Any] = []
        documents: dict[str, str] = {}
        if attempt:
            documents = store.documents(connection, mission)
            effects = shared.effects.all(connection, mission)
            tasks = store.tasks(connection, mission)
            pins = store.pins(connection, mission)
        taken = store.claim(connection, mission, attempt, shared.holder, until) or row
        about: dict[str, Any] = {"attempt": attempt + 1, "holder": shared.holder}
        if attempt:
            # Model calls that a dead attempt began: what they cost is not known, so all they could is charged.
            lost = shared.ledger.charge_dead(
                connection, mission, attempt + 1, iso(shared.clock.now()), tenant=shared.tenant
            )
            if lost:
                about["unconfirmed"] = [{"hold": one.id, "credits": one.charged} for one in lost]
        event = Event(mission, taken["seq"], iso(shared.clock.now()), "mission.claimed", None, about)
        store.append(connection, [row_of(event, shared.tenant)])
        return _Taken(taken, event, effects, tasks, pins, documents)

    def _claimed(self, taken: _Taken) -> Claim:
        shared = self._shared
        mission = records.mission(taken.row, taken.documents)
        claim = Claim(
            shared,
            mission,
            effects=[records.effect(row) for row in taken.effects],
            tasks=[records.task(mission.id, row) for row in taken.tasks],
            pins=[records.pin(mission.id, row) for row in taken.pins],
        )
        shared.live[mission.id] = claim
        shared.bus.publish(taken.event)
        shared.at("mission.claimed")
        return claim

    async def _set_aside(self, taken: _Taken, error: RecordDamaged) -> None:
        """Give back a mission whose records are damaged, with the reason: taking it again would give the same."""
        shared, store = self._shared, self._shared.missions
        row, at = taken.row, iso(shared.clock.now())
        reason = error.problem(row["lang"] if row["lang"] in {"en", "fr"} else "en")["message"]
        values = {
            "m_id": row["id"],
            "m_attempt": row["attempt"],
            "m_status": MissionStatus.PARKED.value,
            "m_at": at,
            "m_ended": None,
            "m_reason": reason,
            "m_events": 1,
            "m_seconds": row["seconds"],
        }

        def op(connection: Connection) -> Event | None:
            left = store.leave(connection, values)
            if left is None:
                return None
            seq, status, by = left
            ended = status != MissionStatus.PARKED
            about = {"status": status, "by": by} if ended else {"status": status, "reason": reason}
            event = Event(row["id"], seq, at, "mission.ended" if ended else "mission.waiting", None, about)
            store.append(connection, [row_of(event, shared.tenant)])
            if ended:
                shared.approvals.void(connection, row["id"])
            return event

        event = await shared.storage.write(op)
        shared.bus.publish(taken.event)
        if event is not None:
            shared.bus.publish(event)

    async def _may_take(self, row: Values) -> int:
        """The attempt that may be taken over: its lease is free.

        Raises:
            MissionEnded, MissionCancelled, MissionHeld: it may not.
        """
        if records.state(row["id"], row["status"]).ended:
            raise MissionEnded(mission=row["id"], status=row["status"])
        if not self._free(row):
            raise MissionHeld(mission=row["id"], holder=row["holder"])
        if row["cancelled_by"]:
            await self.cancel(row["id"], row["cancelled_by"])
            raise MissionCancelled(mission=row["id"], by=row["cancelled_by"])
        return int(row["attempt"])

    def _free(self, row: Values) -> bool:
        """Whether nobody works on it: it is not running, or its worker is dead or its lease has run out."""
        holder, until = row["holder"], row["lease_until"]
        if row["status"] != "running" or holder is None or until is None or is_dead(holder):
            return True
        try:
            now, end = self._shared.clock.now(), from_iso(until)
        except ValueError:
            raise RecordDamaged(table="missions", id=row["id"], detail=f"lease_until {until}") from None
        # A lease that ends later than any lease can was taken before the clock was set back.
        nonsense = end > now + timedelta(seconds=2 * self._shared.lease_seconds)
        return end <= now or (nonsense and not is_alive(holder))

    async def orphans(self) -> list[MissionLine]:
        """See ``Missions.orphans``."""
        shared = self._shared
        now = iso(shared.clock.now())

        def op(connection: Connection) -> tuple[list[Any], set[str]]:
            rows = shared.missions.lines(connection, shared.tenant, [state.value for state in OPEN], None)
            return rows, shared.approvals.asking(connection, shared.tenant, now)

        rows, asking = await shared.storage.read(op)
        found = []
        for row in reversed(rows):
            try:
                if not self._free(row._asdict()) or (row.status == "waiting" and row.id in asking):
                    continue
                if row.cancelled_by:
                    await self.cancel(row.id, row.cancelled_by)
                    continue
            except RecordDamaged as error:
                log.warning("mission %s is left alone: %s (%s)", row.id, error, error.code)
                continue
            found.append(records.line(row))
        return found

    async def cancel(self, mission: str, by: str) -> Mission:
        """See ``Missions.cancel``; ``mission`` is a whole id."""
        shared = self._shared
        by, at = clean(by), iso(shared.clock.now())

        def op(connection: Connection) -> tuple[Values, Sequence[Event]]:
            row = shared.missions.get(connection, shared.tenant, mission)
            if row is None:
                raise MissionUnknown(ref=mission)
            now = self._free(row)
            if records.state(row["id"], row["status"]).ended or (row["cancelled_by"] and not now):
                return row, []
            events = self._cancelled(row, by, at, now=now)
            who = row["cancelled_by"] or by
            shared.missions.cancel(connection, mission, who, at, now=now, events=len(events))
            shared.missions.append(connection, [row_of(event, shared.tenant) for event in events])
            if now:
                shared.approvals.void(connection, mission)
                shared.ledger.charge_dead(connection, mission, row["attempt"] + 1, at, tenant=shared.tenant)
            return shared.missions.get(connection, shared.tenant, mission) or row, events

        row, events = await shared.storage.write(op)
        if not events and row["status"] not in {"cancelled", "running"}:
            raise MissionEnded(mission=mission, status=row["status"])
        for event in events:
            shared.bus.publish(event)
        claim = shared.live.get(mission)
        if claim is not None:
            claim.stop(MissionCancelled(mission=mission, by=by))
        return records.mission(row)

    @staticmethod
    def _cancelled(row: Values, by: str, at: str, *, now: bool) -> Sequence[Event]:
        """The events of a cancellation: that it was asked, once, and that the mission has ended."""
        kinds = [] if row["cancelled_by"] else [("mission.cancelled", {"by": by})]
        if now:
            kinds.append(("mission.ended", {"status": "cancelled", "by": row["cancelled_by"] or by}))
        return [Event(row["id"], row["seq"] + n, at, kind, None, data) for n, (kind, data) in enumerate(kinds, 1)]

"""How long an attempt may go on: until its lease is over, taken over, or let go."""

from __future__ import annotations

from typing import Any, Protocol

from nextgeneration.kernel.clock import Clock, from_iso, iso
from nextgeneration.kernel.errors import NGError
from nextgeneration.missions.deadlines import Deadlines
from nextgeneration.missions.errors import LeaseLost, MissionCancelled, MissionStopped
from nextgeneration.missions.schema import Mission, MissionStatus
from nextgeneration.missions.shared import Shared
from nextgeneration.storage.database import Connection


class Call(Protocol):
    """A call under way."""

    def cancel(self) -> object:
        """Cut it short."""
        ...


class Tenure:
    """One attempt's time at a mission.

    Attributes:
        shared: the parts this claim works with.
        mission: the record as it was claimed, and as it was left.
        attempt: number of this attempt.
        ends: when the mission's time is used up, by the clock that only goes forward.
        lost: why nothing more may be written, once that is so.
        holds: ids of what is held for model calls under way.
        tries: how often each model call was begun under it.
        flights: the calls under way; they end when the lease does.
        deadlines: their time limits.
    """

    def __init__(self, shared: Shared, mission: Mission) -> None:
        self.shared = self._shared = shared
        self.mission = mission
        self.id = mission.id
        self.attempt = mission.attempt
        self.lost: NGError | None = None
        self.holds: set[str] = set()
        self.tries: dict[str, int] = {}
        self.flights: set[Call] = set()
        self.deadlines = Deadlines()
        now = shared.clock.now()
        self._since = shared.clock.monotonic()
        self.ends = self._since + mission.budget.seconds - mission.seconds
        self._until = now if mission.lease_until is None else from_iso(mission.lease_until)
        self._deadline = self._since + (self._until - now).total_seconds()

    @property
    def clock(self) -> Clock:
        """The clock of the mission's process."""
        return self._shared.clock

    def seconds(self) -> float:
        """Time worked on the mission, over all attempts as far as it was recorded."""
        return self.mission.seconds + self.clock.monotonic() - self._since

    def remaining(self) -> float:
        """Seconds left of the mission's budget; may be negative."""
        return self.ends - self.clock.monotonic()

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

    async def renew(self) -> None:
        """Extend the lease.

        Raises:
            LeaseLost: another attempt has taken over.
            MissionCancelled: somebody cancelled the mission.
        """
        self.check()
        deadline = self.clock.monotonic() + self._shared.lease_seconds
        end = self._shared.lease_end()
        until, seconds = iso(end), self.seconds()
        store = self._shared.missions

        def op(connection: Connection) -> Any:
            return store.renew(connection, self.id, self.attempt, until, seconds)

        row = await self._shared.storage.write(op)
        if row is None:
            self._lose(LeaseLost(mission=self.id, attempt=self.attempt))
        elif row[0] is not None:
            self._lose(MissionCancelled(mission=self.id, by=row[0]))
        self._until, self._deadline = end, deadline

    async def secure(self) -> float:
        """Be sure, right before something is done outside, that no other worker has taken over.

        The lease is looked at by both clocks: one stands still while the machine sleeps, the other can be set. When it
        is over, only the database can tell.

        Returns:
            When that was, by the clock that only goes forward.

        Raises:
            LeaseLost, MissionCancelled, MissionEnded, MissionStopped: this attempt may do nothing more.
        """
        self.check()
        clock = self.shared.clock
        while (now := clock.monotonic()) >= self._deadline or clock.now() >= self._until:
            await self.renew()
        return now

    def _look(self, row: Any) -> None:
        if row is None or row[0] != self.attempt or row[1] != MissionStatus.RUNNING:
            self.stop(LeaseLost(mission=self.id, attempt=self.attempt))
        elif row[2] is not None:
            self.stop(MissionCancelled(mission=self.id, by=row[2]))

    def _lose(self, error: NGError) -> None:
        self.stop(error)
        raise error

"""Calls under way: cancelling a task does not cut a call off from its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from nextgeneration.missions.claims import Claim

T = TypeVar("T")

Slot = tuple[str, int]
"""A task and a position."""


class Flight:
    """A call under way in the task that asked for it: the end of the claim ends the call, and not the task."""

    __slots__ = ("_landed", "cut", "task")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        self.cut = False
        self._landed: asyncio.Future[None] | None = None

    def cancel(self) -> None:
        """Cut the call short. A task that does so to itself hears it from what it called."""
        if not self.cut and asyncio.current_task() is not self.task:
            self.cut = True
            self.task.cancel()

    def landed(self) -> asyncio.Future[None]:
        """Done when the call is over."""
        if self._landed is None:
            self._landed = asyncio.get_running_loop().create_future()
        return self._landed

    def land(self) -> None:
        """The call is over."""
        if self.cut:
            self.task.uncancel()
        if self._landed is not None and not self._landed.done():
            self._landed.set_result(None)


class Flights:
    """The calls of one door that are under way."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._under_way: dict[Slot, Flight | asyncio.Task[Any]] = {}

    async def landed(self, slot: Slot) -> None:
        """Wait for a call at this place that an earlier run of the task left under way."""
        flight = self._under_way.get(slot)
        if flight is not None:
            await asyncio.wait({flight.landed() if isinstance(flight, Flight) else flight})

    async def exposed(self, slot: Slot, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work``, a call that may be made again: it ends at once when the task is cancelled, or the claim over.

        Raises:
            LeaseLost, MissionCancelled, MissionStopped: the claim is over.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        flight = Flight(task)
        self._under_way[slot] = flight
        self._claim.flights.add(flight)
        try:
            return await work
        except asyncio.CancelledError:
            self._claim.check()
            raise
        finally:
            flight.land()
            self._over(slot, flight)

    async def sheltered(self, slot: Slot, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` so that cancelling the task does not cut the call off from its outcome.

        It goes on to its own time limit and is recorded, then the task is cancelled. Only the end of the claim cuts it
        short.

        Raises:
            LeaseLost, MissionCancelled, MissionStopped: the claim is over.
        """
        claim = self._claim
        flight = asyncio.create_task(work, name=f"{slot[0]}/{slot[1]}")
        self._under_way[slot] = flight
        claim.flights.add(flight)
        try:
            return await asyncio.shield(flight)
        except asyncio.CancelledError:
            while not flight.done():
                try:
                    await asyncio.wait({flight})
                except asyncio.CancelledError:
                    continue
            if not flight.cancelled():
                flight.exception()
            claim.check()
            raise
        finally:
            self._over(slot, flight)

    def _over(self, slot: Slot, flight: Flight | asyncio.Task[Any]) -> None:
        self._claim.flights.discard(flight)
        if self._under_way.get(slot) is flight:
            del self._under_way[slot]

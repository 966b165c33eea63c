"""Calls under way: cancelling a task does not cut a call off from its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

from nextgeneration.missions.claims import Claim

T = TypeVar("T")

Slot = tuple[str, int]
"""A task and a position."""


class Flight:
    """A call under way in the task that asked for it: the end of the claim ends the call, and not the task."""

    __slots__ = ("_flights", "_landed", "_slot", "_task", "cut")

    def __init__(self, flights: Flights, slot: Slot) -> None:
        self._flights = flights
        self._slot = slot
        self._landed: asyncio.Future[None] | None = None
        self.cut = False

    def cancel(self) -> None:
        """Cut the call short. A task that does so to itself hears it from what it called."""
        if not self.cut and asyncio.current_task() is not self._task:
            self.cut = True
            self._task.cancel()

    def landed(self) -> asyncio.Future[None]:
        """Done when the call is over."""
        if self._landed is None:
            self._landed = asyncio.get_running_loop().create_future()
        return self._landed

    def __enter__(self) -> Flight:
        task = asyncio.current_task(asyncio.get_running_loop())
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._task = task
        self._flights.begun(self._slot, self)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self.cut:
            self._task.uncancel()
        if self._landed is not None and not self._landed.done():
            self._landed.set_result(None)
        self._flights.over(self._slot, self)
        if isinstance(error, asyncio.CancelledError):
            self._flights.claim.check()


class Flights:
    """The calls of one door that are under way.

    Attributes:
        under_way: the calls by their place.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.under_way: dict[Slot, Flight | asyncio.Task[Any]] = {}

    async def landed(self, slot: Slot) -> None:
        """Wait for a call at this place that an earlier run of the task left under way."""
        flight = self.under_way.get(slot)
        if flight is not None:
            await asyncio.wait({flight.landed() if isinstance(flight, Flight) else flight})

    def exposed(self, slot: Slot) -> Flight:
        """A block for a call that may be made again: it ends at once when the task is cancelled, or the claim over.

        Raises (where it ends):
            LeaseLost, MissionCancelled, MissionStopped: the claim is over.
        """
        return Flight(self, slot)

    async def sheltered(self, slot: Slot, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` so that cancelling the task does not cut the call off from its outcome.

        It goes on to its own time limit and is recorded, then the task is cancelled. Only the end of the claim cuts it
        short.

        Raises:
            LeaseLost, MissionCancelled, MissionStopped: the claim is over.
        """
        flight = asyncio.create_task(work, name=f"{slot[0]}/{slot[1]}")
        self.begun(slot, flight)
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
            self.claim.check()
            raise
        finally:
            self.over(slot, flight)

    def begun(self, slot: Slot, flight: Flight | asyncio.Task[Any]) -> None:
        """A call is under way."""
        self.under_way[slot] = flight
        self.claim.flights.add(flight)

    def over(self, slot: Slot, flight: Flight | asyncio.Task[Any]) -> None:
        """It is no more."""
        self.claim.flights.discard(flight)
        if self.under_way.get(slot) is flight:
            del self.under_way[slot]

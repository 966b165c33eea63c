"""Calls under way: cancelling a task does not cut a call off from its outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from nextgeneration.missions.claims import Claim

T = TypeVar("T")

Slot = tuple[str, int]
"""A task and a position."""


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Do ``work`` whole, however often the caller is cancelled meanwhile; then the cancellation goes on.

    For writing down what has happened: a transaction that was handed over commits in any case, and what is known of it
    in memory must follow.
    """
    doing = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not doing.done():
        try:
            await asyncio.wait({doing})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not doing.cancelled():
            doing.exception()
        raise cancelled
    return doing.result()


class Flights:
    """The calls of one door that are under way."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._under_way: dict[Slot, asyncio.Task[Any]] = {}

    async def landed(self, slot: Slot) -> None:
        """Wait for a call at this place that an earlier run of the task left under way."""
        flight = self._under_way.get(slot)
        if flight is not None:
            await asyncio.wait({flight})

    async def sheltered(self, slot: Slot, work: Coroutine[Any, Any, T], *, pure: bool) -> T:
        """Run ``work`` so that cancelling the task does not cut the call off from its outcome.

        A call that may be made again ends at once when the task is cancelled; another one goes on to its own time limit
        and is recorded, then the task is cancelled. Only the end of the claim cuts it short.
        """
        claim = self._claim
        flight = asyncio.create_task(work, name=f"{slot[0]}/{slot[1]}")
        self._under_way[slot] = flight
        claim.flights.add(flight)
        try:
            return await asyncio.shield(flight)
        except asyncio.CancelledError:
            if not flight.done() and pure:
                flight.cancel()
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
            claim.flights.discard(flight)
            if self._under_way.get(slot) is flight:
                del self._under_way[slot]

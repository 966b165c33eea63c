"""Waiting, in turn, for credits that other calls hold.

Who waits stands in the line of the account whose limit is full. Nobody who came later and concerns that account may
try before: a stream of small calls cannot starve a large one. Settlements of this process wake the line at once; those
of other processes are found by looking again, at intervals that grow and are never the same in two processes.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from bisect import insort
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TypeVar

from nextgeneration.credits.errors import HoldTimedOut, HoldWaits
from nextgeneration.credits.schema import Scopes
from nextgeneration.observability.metrics import Timing

T = TypeVar("T")

SOONEST, LATEST = 0.02, 0.5
"""Bounds of the interval between two looks, in seconds."""


class Place:
    """The place of one call that waits: in the line of the account ``line``, because of ``full``."""

    __slots__ = ("full", "line", "ticket", "wanted", "woken")

    def __init__(self, ticket: int, wanted: int) -> None:
        self.ticket = ticket
        self.wanted = wanted
        self.line = ""
        self.full: HoldWaits | None = None
        self.woken = asyncio.Event()


class Queue:
    """The lines of one process, for one event loop."""

    def __init__(self) -> None:
        self._lines: dict[str, list[Place]] = {}
        self._tickets = itertools.count()
        self._settlements = 0
        self.waits = Timing()

    def waiting(self, account: str | None = None) -> int:
        """How many calls wait in the line of an account, or in all lines."""
        lines = self._lines.values() if account is None else [self._lines.get(account, [])]
        return sum(len(line) for line in lines)

    def settled(self, scopes: Scopes) -> None:
        """Wake who waits on an account of ``scopes``. Called after a settlement was committed."""
        self._settlements += 1
        if self._lines:
            for account in scopes.accounts():
                self._wake(account)

    async def held(self, scopes: Scopes, wanted: int, attempt: Callable[[], Awaitable[T]], seconds: float) -> T:
        """Run ``attempt``, which holds ``wanted`` for ``scopes``, until it fits.

        Args:
            scopes: whom the call concerns.
            wanted: its worst case.
            attempt: one transaction that calls ``Ledger.hold``; tried again after each ``HoldWaits``.
            seconds: how long to wait at most.

        Raises:
            HoldTimedOut: other calls held too much until the time was over.
        """
        ticket, started, pause = next(self._tickets), perf_counter(), SOONEST
        deadline = started + seconds
        place: Place | None = None
        try:
            while True:
                while (before := self._before(ticket, scopes)) is not None:
                    place = self._stand(place or Place(ticket, wanted), before.line, before.full)
                    await self._pause(place, deadline, deadline, seconds)
                first, seen = place is None, self._settlements
                if place is not None:
                    place.woken.clear()
                try:
                    return await attempt()
                except HoldWaits as full:
                    place = self._stand(place or Place(ticket, wanted), full.account, full)
                if first and seen != self._settlements:
                    continue  # something was settled before anybody knew that this call waits
                until = perf_counter() + pause * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
                await self._pause(place, until, deadline, seconds)
                pause = min(2 * pause, LATEST)
        finally:
            if place is not None:
                self._leave(place)
                self.waits.add(perf_counter() - started)

    async def _pause(self, place: Place, until: float, deadline: float, seconds: float) -> None:
        """Sleep until ``until`` or until woken.

        Raises:
            HoldTimedOut: the deadline has passed.
        """
        now = perf_counter()
        if now >= deadline and place.full is not None:
            full = place.full
            raise HoldTimedOut(
                limit=full.limit, wanted=place.wanted, held=full.held, seconds=round(seconds, 1)
            ) from full
        try:
            async with asyncio.timeout(max(min(until, deadline) - now, 0)):
                await place.woken.wait()
        except TimeoutError:
            return
        place.woken.clear()

    def _before(self, ticket: int, scopes: Scopes) -> Place | None:
        """Somebody who came earlier and waits on an account of this call."""
        for account in scopes.accounts() if self._lines else ():
            line = self._lines.get(account)
            if line and line[0].ticket < ticket:
                return line[0]
        return None

    def _stand(self, place: Place, account: str, full: HoldWaits | None) -> Place:
        """Stand in the line of an account that is full."""
        place.full = full
        if place.line != account:
            self._leave(place)
            place.line = account
            insort(self._lines.setdefault(account, []), place, key=_ticket)
        return place

    def _leave(self, place: Place) -> None:
        line = self._lines.get(place.line)
        if line is None:
            return
        line.remove(place)
        if line:
            self._wake(place.line)
        else:
            del self._lines[place.line]

    def _wake(self, account: str) -> None:
        """Wake the first of a line: the others cannot go before it does."""
        line = self._lines.get(account)
        if line:
            line[0].woken.set()


def _ticket(place: Place) -> int:
    return place.ticket

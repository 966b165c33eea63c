"""One call outside any mission, held and settled like every other: ``nextgen models check`` passes no limit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nextgeneration.credits.schema import Hold, HoldStatus, Scopes, Settled
from nextgeneration.kernel.clock import Clock, SystemClock, iso
from nextgeneration.kernel.ids import new_id
from nextgeneration.kernel.models import Usage
from nextgeneration.missions.billing import Bill
from nextgeneration.models.errors import ModelFailure
from nextgeneration.storage.database import Connection

if TYPE_CHECKING:
    from nextgeneration.kernel.models import ModelAnswer, ModelRequest
    from nextgeneration.models.candidates import Candidate
    from nextgeneration.services.records import Records

DEAD_SECONDS = 600
"""A trial that is still open after so long has no process any more: the next one charges it, as unconfirmed."""


class Trial:
    """A model's one call, on the books.

    Args:
        records: the records of this installation.
        user: who asks.
        clock: the time.
    """

    def __init__(self, records: Records, *, user: str, clock: Clock | None = None) -> None:
        self._books, self._storage = records.credits, records.storage
        self._user, self._clock = user, clock or SystemClock()

    async def ask(self, candidate: Candidate, request: ModelRequest) -> tuple[ModelAnswer, int]:
        """The answer, and what it cost in micro-credits.

        Raises:
            ModelFailure: there is none. What is known of its bill stays on the books.
            HoldRefused: a limit leaves no room for its worst case.
            PriceMissing: nobody knows its price, and a hard limit applies.
        """
        hold = self._hold(candidate, candidate.worst(request) if candidate.priced else 0)
        await self._reserve(candidate, hold)
        try:
            answer = await candidate.client.answer(request)
        except ModelFailure as error:
            await self._failed(candidate, hold, error)
            raise
        except (asyncio.CancelledError, Exception):
            await self._close(hold, None, HoldStatus.UNCONFIRMED)
            raise
        bill = Bill.of(candidate, hold, answer.usage)
        settled = await self._close(hold, bill.cost, HoldStatus.SETTLED, bill.usage)
        return answer, settled.charged if settled else 0

    def _hold(self, candidate: Candidate, worst: int) -> Hold:
        now = self._clock.now()
        scopes = Scopes(user=self._user, model=candidate.name)
        return Hold(new_id("trial"), worst, scopes, int(now.timestamp()), iso(now))

    async def _reserve(self, candidate: Candidate, hold: Hold) -> None:
        ledger = self._books.ledger

        def ready(connection: Connection) -> None:
            ledger.charge_dead(connection, "", hold.attempt - DEAD_SECONDS, hold.at)
            if not candidate.local and not candidate.priced:
                ledger.refuse_unpriced(connection, hold.scopes, candidate.name, hold.at)

        await self._storage.write(ready)
        if hold.amount:
            await self._books.hold(hold)

    async def _failed(self, candidate: Candidate, hold: Hold, error: ModelFailure) -> None:
        if error.spent == "none":
            await self._close(hold, None, HoldStatus.RELEASED)
            return
        bill = Bill.of(candidate, hold, error.usage) if error.usage is not None else None
        known = error.spent == "known" and bill is not None and bill.cost is not None
        status = HoldStatus.SETTLED if known else HoldStatus.UNCONFIRMED
        await self._close(hold, bill.cost if known and bill else None, status, bill.usage if bill else None)

    async def _close(
        self, hold: Hold, cost: int | None, status: HoldStatus, usage: Usage | None = None
    ) -> Settled | None:
        ledger, at = self._books.ledger, iso(self._clock.now())
        used = usage or Usage()

        def op(connection: Connection) -> Settled | None:
            if hold.amount:
                return ledger.settle(connection, hold.id, cost, status=status, at=at, usage=used)
            return None if status is HoldStatus.RELEASED else ledger.record(connection, hold, usage=used)

        settled = await self._storage.write(op)
        if settled is not None:
            self._books.settled(settled)
        return settled

"""A hold beside a call's record: made under a name of its own, ended in the transaction of what it was for."""

from __future__ import annotations

from typing import NamedTuple

from nextgeneration.credits.errors import HoldUnknown
from nextgeneration.credits.ledger import NO_USAGE
from nextgeneration.credits.schema import Hold, HoldStatus, Limit, Scopes, Settled
from nextgeneration.credits.service import Credits
from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.models import Usage
from nextgeneration.missions.leases import Change, Then
from nextgeneration.missions.tenure import Tenure
from nextgeneration.storage.database import Connection
from nextgeneration.storage.errors import RecordDamaged


class Ending(NamedTuple):
    """The end of a hold: the change, what follows once it is on disk, and what it gave once it was made."""

    change: Change
    then: Then
    settled: list[Settled]


def hold_for(claim: Tenure, key: str, amount: int, scopes: Scopes, limits: tuple[Limit, ...]) -> Hold:
    """The hold of the next try of a call, which no other try of any attempt has the name of."""
    number = claim.tries[key] = claim.tries.get(key, 0) + 1
    at = iso(claim.shared.clock.now())
    return Hold(f"{key}/{claim.attempt}.{number}", amount, scopes, claim.attempt, at, limits)


def ending(
    claim: Tenure, books: Credits, hold: Hold, cost: int | None, status: HoldStatus, at: str, usage: Usage = NO_USAGE
) -> Ending:
    """How a hold ends; of a call that costs nothing only the tokens are written down.

    Args:
        cost: ``None``: all that was held.
        at: now.
    """
    tenant = hold.scopes.tenant
    settled: list[Settled] = []

    def change(connection: Connection) -> None:
        ledger = books.ledger
        if not hold.amount:
            settled[:] = [] if status is HoldStatus.RELEASED else [ledger.record(connection, hold, usage=usage)]
            return
        try:
            found = ledger.settle(connection, hold.id, cost, status=status, at=at, usage=usage, tenant=tenant)
        except HoldUnknown as error:
            # Trying again would give the same, for whatever is written together with it.
            raise RecordDamaged(table="credit_holds", id=hold.id, detail="no such hold") from error
        settled[:] = [found]

    def closed() -> None:
        claim.holds.discard(hold.id)
        for each in settled:
            books.settled(each)

    return Ending(change, closed, settled)

"""Whether the books agree with their own postings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from nextgeneration.credits.schema import Discrepancy, HoldStatus, Period, Scopes
from nextgeneration.credits.store import ReportStore, Row
from nextgeneration.storage.database import Connection
from nextgeneration.storage.tables import LOCAL


def verify(connection: Connection, tenant: str = LOCAL) -> list[Discrepancy]:
    """Everything that does not add up, from the postings alone: movements, holds, then running balances."""
    store = ReportStore()
    found = [
        Discrepancy("movement", f"{hold} {step}", int(total), 0)
        for hold, step, total in store.unbalanced(connection, tenant)
    ]
    found += [Discrepancy("posting without hold", hold, 1, 0) for hold in store.homeless(connection, tenant)]
    spent: dict[tuple[str, str], int] = defaultdict(int)
    held: dict[tuple[str, str], int] = defaultdict(int)
    for row in store.posted(connection, tenant):
        found += _hold(row)
        scopes = Scopes(tenant, row.user, row.agent, row.mission, row.task, row.model)
        for account in filter(None, scopes.accounts()):
            for period in Period:
                key = account, period.bucket(row.at)
                spent[key] += row.posted_spent
                held[key] += row.posted_held
    granted = store.granted(connection, tenant)
    for account, bucket, is_spent, is_held, is_granted in store.balances(connection, tenant):
        key, where = (account, bucket), f"{account} {bucket}".strip()
        found += _same("balance spent", where, is_spent, spent[key])
        found += _same("balance held", where, is_held, held[key])
        found += _same("balance granted", where, is_granted, granted.get(key, 0))
    return found


def _hold(row: Row) -> Iterator[Discrepancy]:
    """A hold is held in full while it is open, and holds nothing after; what it cost is what was posted."""
    yield from _same("hold", row.id, row.posted_held, row.amount if row.status == HoldStatus.HELD else 0)
    yield from _same("charge", row.id, row.posted_spent, row.charged)


def _same(kind: str, where: str, found: int, expected: int) -> Iterator[Discrepancy]:
    if found != expected:
        yield Discrepancy(kind, where, int(found), int(expected))

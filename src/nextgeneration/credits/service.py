"""``Credits``: the ledger with its queue and figures, and what a human does with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nextgeneration.credits.audit import verify
from nextgeneration.credits.errors import AmountRefused, LimitUnknown, NothingStopped, ScopeRefused
from nextgeneration.credits.figures import CreditFigures
from nextgeneration.credits.ledger import Ledger, settled_of
from nextgeneration.credits.schema import (
    EACH,
    SCOPES,
    Discrepancy,
    Grant,
    Hold,
    Limit,
    Period,
    ReportLine,
    Settled,
    Standing,
    Stop,
    account_of,
    checked,
)
from nextgeneration.credits.store import LedgerStore, LimitStore, ReportStore
from nextgeneration.credits.waiting import Queue
from nextgeneration.kernel.clock import Clock, SystemClock, iso
from nextgeneration.kernel.ids import new_id
from nextgeneration.settings.credits import CreditSettings
from nextgeneration.storage.database import Connection, Storage
from nextgeneration.storage.tables import LOCAL

GROUPS = ("mission", "agent", "model", "user", "task", "day")
"""What a report can be made by."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The books at a glance.

    Attributes:
        today, month, total: what was used.
        open: calls that are held now, newest first.
        limits: the recorded limits as they were set.
        standings: how much of each is used; of a limit for each, one for everybody who spent.
        stops: accounts that wait for a human.
    """

    today: ReportLine
    month: ReportLine
    total: ReportLine
    open: tuple[Settled, ...]
    limits: tuple[Limit, ...]
    standings: tuple[Standing, ...]
    stops: tuple[Stop, ...]


class Credits:
    """The credits of one tenant."""

    def __init__(
        self,
        storage: Storage,
        settings: CreditSettings | None = None,
        *,
        clock: Clock | None = None,
        tenant: str = LOCAL,
    ) -> None:
        self.settings = settings or CreditSettings()
        self.ledger = Ledger(self.settings.credit_warn_percent)
        self.queue = Queue()
        self.figures = CreditFigures(self.queue.waits)
        self._storage = storage
        self._clock = clock or SystemClock()
        self._tenant = tenant
        self._holds = LedgerStore()
        self._limits = LimitStore()
        self._reports = ReportStore()

    def settled(self, settled: Settled) -> None:
        """Say that a settlement was committed: who waits is woken, and it is counted."""
        if not settled.again:
            self.figures.settled(settled)
            self.queue.settled(settled.scopes)

    async def hold(self, hold: Hold) -> None:
        """Hold in a transaction of its own, waiting in turn; for calls outside any mission's transaction.

        Raises:
            HoldRefused: it does not fit, and why.
        """
        await self.queue.held(
            hold.scopes,
            hold.amount,
            lambda: self._storage.write(lambda connection: self.ledger.hold(connection, hold)),
            self.settings.credit_wait_seconds,
        )

    async def set_limit(self, limit: Limit, *, by: str) -> Standing:
        """Set a limit, instead of the one this account may have for this period.

        Raises:
            ScopeRefused: no account has this name.
            AmountRefused: the amount cannot stand in the books.
        """
        checked("limit", limit.amount)
        account, at = account_of(limit.scope, limit.name), self._now()
        row = {
            "tenant": self._tenant,
            "account": account,
            "period": limit.per.value,
            "amount": limit.amount,
            "kind": "soft" if limit.soft else "hard",
            "by": by,
            "at": at,
        }

        def op(connection: Connection) -> Standing:
            self._limits.put(connection, row)
            return self._standing(connection, limit, at)

        return await self._storage.write(op)

    async def remove_limit(self, scope: str, name: str, per: Period = Period.TOTAL) -> None:
        """Remove a limit.

        Raises:
            LimitUnknown: there is none.
        """
        account = account_of(scope, name)

        def op(connection: Connection) -> None:
            if not self._limits.drop(connection, self._tenant, account, per.value):
                raise LimitUnknown(limit=f"{account}/{per.value}")
            self._limits.forget(connection, self._tenant, account, per)

        await self._storage.write(op)

    async def limits(self) -> list[Limit]:
        """The recorded limits, by account."""
        return await self._storage.read(self._all_limits)

    async def grant(
        self, scope: str, name: str, amount: int, per: Period = Period.TOTAL, *, reason: str, by: str
    ) -> Standing | None:
        """Add to a limit for its present period. The limit of a mission's or task's own budget can be added to as well.

        Returns:
            The recorded limit as it stands now; ``None`` when it is one that comes with the calls.

        Raises:
            LimitUnknown: nothing limits this account in this kind of period.
        """
        checked("grant", amount)
        if not amount:
            raise AmountRefused(field="grant", value="0")
        if name == EACH:
            raise ScopeRefused(given=f"{scope} {name}", known=", ".join(SCOPES))
        account, at = account_of(scope, name), self._now()
        bucket = per.bucket(at)
        row = {
            "id": new_id("grt"),
            "tenant": self._tenant,
            "account": account,
            "period": per.value,
            "bucket": bucket,
            "amount": amount,
            "reason": reason,
            "by": by,
            "at": at,
        }

        def op(connection: Connection) -> Standing | None:
            wanted = {f"{account}/{per.value}", f"{scope}:{EACH}/{per.value}"}
            known = [limit for limit in self._all_limits(connection) if limit.key in wanted]
            if not known and not (scope in {"mission", "task"} and per is Period.TOTAL):
                raise LimitUnknown(limit=f"{account}/{per.value}")
            self._holds.grant(connection, row)
            self._holds.extend(connection, self._tenant, account, bucket, amount)
            own = sorted(known, key=lambda limit: limit.name == EACH)
            return self._standing(connection, _for(own[0], name), at) if own else None

        return await self._storage.write(op)

    async def grants(self, limit: int | None = None) -> list[Grant]:
        """The grants, newest first."""
        rows = await self._storage.read(lambda connection: self._reports.grants(connection, self._tenant, limit))
        return [Grant(*row) for row in rows]

    async def overview(self, open_limit: int = 20) -> Overview:
        """The books at a glance."""
        at = self._now()

        def op(connection: Connection) -> Overview:
            limits = self._all_limits(connection)
            standings = [each for limit in limits for each in self._standings(connection, limit, at)]
            held = self._reports.history(connection, self._tenant, {"status": "held"}, open_limit)
            return Overview(
                today=self._total(connection, at[:10]),
                month=self._total(connection, at[:7]),
                total=self._total(connection, ""),
                open=tuple(settled_of(tuple(row)) for row in held),
                limits=tuple(limits),
                standings=tuple(standings),
                stops=tuple(Stop(*row) for row in self._holds.stops(connection, self._tenant)),
            )

        return await self._storage.read(op)

    async def history(self, filters: Mapping[str, str] | None = None, limit: int | None = 50) -> list[Settled]:
        """Calls, newest first; ``filters`` are scopes, or ``status``, with the value they must have."""
        wanted = dict(filters or {})
        rows = await self._storage.read(lambda c: self._reports.history(c, self._tenant, wanted, limit))
        return [settled_of(tuple(row)) for row in rows]

    async def report(
        self, by: str, *, since: str = "", until: str = "", filters: Mapping[str, str] | None = None
    ) -> list[ReportLine]:
        """What was used by each mission, agent, model, user, task or day, the dearest first.

        Args:
            by: one of :data:`GROUPS`.
            since: a time, or the beginning of one such as ``2026-11``; calls from then on.
            until: the same; calls before then.
            filters: scopes with the name they must have.

        Raises:
            ScopeRefused: ``by`` is none of them.
        """
        if by not in GROUPS:
            raise ScopeRefused(given=by, known=", ".join(GROUPS))
        wanted = dict(filters or {})
        rows = await self._storage.read(lambda c: self._reports.report(c, self._tenant, by, since, until, wanted))
        return [ReportLine(*row) for row in rows]

    async def cost(self, **filters: str) -> ReportLine:
        """What everything together used that fits, such as ``mission="mis_…", task="t1"``."""
        return await self._storage.read(lambda connection: self._total(connection, "", filters))

    async def verify(self) -> list[Discrepancy]:
        """Where the books do not agree with their own postings."""
        return await self._storage.read(lambda connection: verify(connection, self._tenant))

    async def clear(self, account: str | None, *, by: str, reason: str = "") -> int:
        """Let a stopped account, or all of them, go on; how many stops ended.

        Raises:
            NothingStopped: it is not stopped.
        """
        change = {"cleared_at": self._now(), "cleared_by": by, "reason": reason}
        ended = await self._storage.write(lambda c: self._holds.clear(c, self._tenant, account, change))
        if account is not None and not ended:
            raise NothingStopped(account=account)
        return ended

    def _now(self) -> str:
        return iso(self._clock.now())

    def _all_limits(self, connection: Connection) -> list[Limit]:
        found = []
        for account, period, amount, kind in self._limits.all(connection, self._tenant):
            scope, _, name = account.partition(":")
            found.append(Limit(scope, name, amount, Period(period), kind == "soft"))
        return found

    def _standings(self, connection: Connection, limit: Limit, at: str) -> list[Standing]:
        if limit.name != EACH:
            return [self._standing(connection, limit, at)]
        bucket = limit.per.bucket(at)
        rows = self._limits.using(connection, self._tenant, limit.scope, bucket)
        return [Standing(_for(limit, row[0].partition(":")[2]), bucket, *row[1:]) for row in rows]

    def _standing(self, connection: Connection, limit: Limit, at: str) -> Standing:
        bucket = limit.per.bucket(at)
        counted = self.ledger.balance(connection, self._tenant, limit.account, bucket)
        return Standing(limit, bucket, *counted)

    def _total(self, connection: Connection, since: str, filters: Mapping[str, str] | None = None) -> ReportLine:
        rows = self._reports.report(connection, self._tenant, "tenant", since, "", dict(filters or {}))
        return ReportLine(*rows[0]) if rows else ReportLine(self._tenant, 0, 0, 0, 0, 0, 0, 0)


def _for(limit: Limit, name: str) -> Limit:
    """A limit on everyone's own account, for one of them."""
    return Limit(limit.scope, name, limit.amount, limit.per, limit.soft)

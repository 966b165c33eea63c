"""The ledger: what may be spent is held first, in the caller's own transaction, and settled to what it cost.

Each movement is one row whose postings cancel out: a hold moves its amount from ``available`` to ``held``, a settlement
moves it on to ``spent`` and gives the rest back. Whom it concerns stands on the hold, so that a movement costs one row
however many accounts count it. A running balance is kept for every account and period that a limit
asked about; it is made from the holds when first asked for, and moves with every posting after that.
"""

from __future__ import annotations

from collections.abc import Iterable

from nextgeneration.credits.errors import (
    AccountStopped,
    HoldUnknown,
    HoldWaits,
    LimitForeign,
    OverLimit,
    PriceMissing,
)
from nextgeneration.credits.schema import (
    Hold,
    HoldStatus,
    Limit,
    ReportLine,
    Room,
    Scopes,
    Settled,
    SoftWarning,
    Standing,
    checked,
)
from nextgeneration.credits.store import Applying, Balance, HoldRow, LedgerStore, Row, Touched, View, touched
from nextgeneration.kernel.models import Usage
from nextgeneration.storage.database import Connection
from nextgeneration.storage.sealed import seal, unseal
from nextgeneration.storage.tables import LOCAL

NO_USAGE = Usage()
_NOTHING = seal({})


class Ledger:
    """Holds and settlements as functions of a connection. Nothing here begins or ends a transaction.

    Args:
        warn_percent: share of a soft limit from which it warns.
    """

    def __init__(self, warn_percent: int = 80) -> None:
        self._store = LedgerStore()
        self._warn = warn_percent

    def hold(self, connection: Connection, hold: Hold) -> tuple[SoftWarning, ...]:
        """Reserve the worst case of a call against every limit that applies.

        Returns:
            The soft limits it comes close to or passes.

        Raises:
            AmountRefused: the worst case is no amount.
            AccountStopped: a call cost more than its worst case, and nobody has looked since.
            OverLimit: what is spent and this worst case exceed a hard limit: waiting cannot help.
            HoldWaits: it does not fit only because of what other calls hold.
            HoldKnown: the id was used before.
            LimitForeign: a limit came with the call that does not concern it.
        """
        amount = checked("amount", hold.amount)
        where = touched(hold.scopes, hold.at)
        inline = _inline(hold.limits, where)
        view = self._store.view(connection, where)
        for account, by, overrun in view.stops:
            raise AccountStopped(account=account, hold=by, overrun=overrun)
        standings, kept = self._standings(connection, where, view, inline, keep=True)
        warnings = self._judged(standings, amount)
        if kept:
            view = self._store.view(connection, where)
        self._store.add(connection, _row(hold, HoldStatus.HELD, NO_USAGE))
        self._store.post(connection, (where.tenant, hold.id, "hold", -amount, amount, 0, hold.at))
        self._store.move(connection, where.tenant, view, 0, amount)
        return warnings

    def settle(
        self,
        connection: Connection,
        hold_id: str,
        amount: int | None,
        *,
        status: HoldStatus | str = HoldStatus.SETTLED,
        at: str,
        usage: Usage = NO_USAGE,
        tenant: str = LOCAL,
    ) -> Settled:
        """Close a hold with what the call cost, and give the rest back. The first settlement holds.

        Args:
            connection: inside the caller's transaction.
            hold_id: the hold.
            amount: what it cost, which may be more than was held; ``None`` charges the hold in full.
            status: ``settled``, ``unconfirmed`` (the answer was never read) or ``released`` (never called: costs 0).
            at: now.
            usage: the tokens it took.
            tenant: whose hold it is.

        Returns:
            What holds now. With ``overrun`` the model and every limited account are stopped until a human clears them.

        Raises:
            AmountRefused: the cost is no amount.
            HoldUnknown: nothing was held under this id.
        """
        status = HoldStatus(status)
        known = 0 if status is HoldStatus.RELEASED else None if amount is None else checked("amount", amount)
        found = self._store.unsettled(connection, tenant, hold_id)
        if found is None:
            return self._earlier(connection, tenant, hold_id)
        held = found.amount
        charge = held if known is None else known
        closed = (status.value, charge, usage.input, usage.output, usage.cached, _beside(usage), at)
        self._store.settle(connection, tenant, hold_id, closed)
        scopes = Scopes(tenant, found.user, found.agent, found.mission, found.task, found.model)
        settled = Settled(hold_id, status, scopes, found.attempt, held, charge, usage, found.at, at)
        self._store.post(connection, (tenant, hold_id, "settle", held - charge, -held, charge, at))
        where = touched(scopes, found.at)
        self._store.move(connection, tenant, self._store.view(connection, where), charge, -held)
        if settled.overrun:
            self._stop(connection, settled, where)
        return settled

    def record(self, connection: Connection, hold: Hold, *, usage: Usage = NO_USAGE) -> Settled:
        """Write down a call that costs nothing: its tokens, without a hold before it. Writing it twice is once.

        Raises:
            AmountRefused: it has a price.
        """
        checked("amount", -1 if hold.amount else 0)
        tenant = hold.scopes.tenant
        known = self._store.get(connection, tenant, hold.id)
        if known is not None:
            return self._earlier(connection, tenant, hold.id)
        row = _row(hold, HoldStatus.SETTLED, usage, hold.at)
        self._store.add(connection, row)
        return settled_of(row)

    def charge_dead(
        self, connection: Connection, mission: str, attempt: int, at: str, *, tenant: str = LOCAL
    ) -> list[Settled]:
        """Charge in full what earlier attempts of a mission held and never settled: their answers are unknown.

        Called by whoever takes the mission over, in the transaction of the claim.
        """
        dead = self._store.open(connection, tenant, mission, attempt)
        return [
            self.settle(connection, hold, None, status=HoldStatus.UNCONFIRMED, at=at, tenant=tenant) for hold in dead
        ]

    def tried(self, connection: Connection, key: str, *, tenant: str = LOCAL) -> ReportLine:
        """What all tries of one call used that are settled, whoever made them."""
        calls, charged, given, said = self._store.beneath(connection, tenant, f"{key}/")
        return ReportLine(key, calls, int(charged), 0, 0, int(given), int(said), 0)

    def get(self, connection: Connection, hold_id: str, *, tenant: str = LOCAL) -> Settled:
        """One hold as it stands.

        Raises:
            HoldUnknown: nothing was held under this id.
        """
        row = self._store.get(connection, tenant, hold_id)
        if row is None:
            raise HoldUnknown(hold=hold_id)
        return settled_of(row)

    def standings(
        self, connection: Connection, scopes: Scopes, at: str, limits: Iterable[Limit] = ()
    ) -> tuple[Standing, ...]:
        """Every limit that applies to a call, and how much of it is used. Writes nothing."""
        where = touched(scopes, at)
        view = self._store.view(connection, where)
        return tuple(self._standings(connection, where, view, _inline(limits, where))[0])

    def room(self, connection: Connection, scopes: Scopes, at: str, limits: Iterable[Limit] = ()) -> Room | None:
        """What the hard limits leave for a call; ``None`` when none applies, nothing when an account is stopped."""
        where = touched(scopes, at)
        view = self._store.view(connection, where)
        if view.stops:
            return Room(left=0, free=0)
        standings, _ = self._standings(connection, where, view, _inline(limits, where))
        hard = [each for each in standings if not each.limit.soft]
        if not hard:
            return None
        return Room(max(min(each.cap - each.spent for each in hard), 0), min(each.left for each in hard))

    def refuse_unpriced(
        self, connection: Connection, scopes: Scopes, model: str, at: str, limits: Iterable[Limit] = ()
    ) -> None:
        """Let a model whose price nobody knows be used only where no hard limit applies.

        Raises:
            PriceMissing: one does.
        """
        for each in self.standings(connection, scopes, at, limits):
            if not each.limit.soft:
                raise PriceMissing(model=model, limit=each.limit.key)

    def _judged(self, standings: Iterable[Standing], amount: int) -> tuple[SoftWarning, ...]:
        """Refuse by the limit that leaves least, so that what fits that one fits them all."""
        over: list[Standing] = []
        waits: list[Standing] = []
        warnings = []
        for each in standings:
            limit, bucket, spent, held, granted = each
            cap = limit.amount + granted
            if limit.soft:
                if 100 * (spent + held + amount) >= self._warn * cap:
                    warnings.append(SoftWarning(limit, bucket, spent, held, amount, cap))
            elif spent + amount > cap:
                over.append(each)
            elif spent + held + amount > cap:
                waits.append(each)
        if over:
            worst = min(over, key=lambda each: each.cap - each.spent)
            left = max(worst.cap - worst.spent, 0)
            raise OverLimit(limit=worst.limit.key, spent=worst.spent, wanted=amount, left=left)
        if waits:
            full = min(waits, key=lambda each: each.left)
            limit, held, spent = full.limit, full.held, full.spent
            raise HoldWaits(limit=limit.key, account=limit.account, held=held, spent=spent, wanted=amount)
        return tuple(warnings)

    def _standings(
        self, connection: Connection, where: Touched, view: View, inline: list[Applying], *, keep: bool = False
    ) -> tuple[list[Standing], bool]:
        """Every limit that applies, and how much of it is used; whether there are any whose balance the view lacks."""
        found = []
        fresh: dict[tuple[str, str], Balance] = {}
        for account, bucket, limit in inline + view.limits:
            one = view.balances.get((account, bucket)) or fresh.get((account, bucket))
            if one is None:
                one = Balance(account, bucket, *self.balance(connection, where.tenant, account, bucket))
                fresh[account, bucket] = one
                if keep:
                    self._store.keep(connection, where.tenant, one)
            found.append(Standing(limit, bucket, one.spent, one.held, one.granted))
        return found, bool(fresh)

    def balance(self, connection: Connection, tenant: str, account: str, bucket: str) -> tuple[int, int, int]:
        """``spent, held, granted`` of an account in a period, counted anew."""
        return self._store.sums(connection, tenant, account, bucket)

    def _earlier(self, connection: Connection, tenant: str, hold_id: str) -> Settled:
        row = self._store.get(connection, tenant, hold_id)
        if row is None:
            raise HoldUnknown(hold=hold_id)
        return settled_of(row, again=True)

    def _stop(self, connection: Connection, settled: Settled, where: Touched) -> None:
        """Stop the model, whose worst cases are none, and every account whose limit this cost may have passed."""
        model = f"model:{settled.scopes.model}" if settled.scopes.model else ""
        accounts = {account for account, _ in self._store.view(connection, where).balances} | {model} - {""}
        about = {"tenant": settled.scopes.tenant, "hold_id": settled.id, "overrun": settled.overrun}
        open_ = {"at": settled.settled_at, "cleared_at": None, "cleared_by": None, "reason": None}
        rows = [about | open_ | {"account": account} for account in sorted(accounts)]
        self._store.stop(connection, rows)


def settled_of(row: Row, *, again: bool = False) -> Settled:
    """A hold from its row."""
    found = HoldRow(*row)
    beside = {} if found.usage == _NOTHING else unseal(found.usage, "credit_holds", found.id)
    usage = Usage(**{"input": found.input, "output": found.output, "cached": found.cached, **beside})
    scopes = Scopes(found.tenant, found.user, found.agent, found.mission, found.task, found.model)
    return Settled(
        id=found.id,
        status=HoldStatus(found.status),
        scopes=scopes,
        attempt=found.attempt,
        held=found.amount,
        charged=found.charged,
        usage=usage,
        at=found.at,
        settled_at=found.settled_at or "",
        again=again,
    )


def _row(hold: Hold, status: HoldStatus, usage: Usage, settled_at: str | None = None) -> HoldRow:
    """A hold as its row."""
    tenant, user, agent, mission, task, model = hold.scopes
    return HoldRow(
        tenant,
        hold.id,
        user,
        agent,
        mission,
        task,
        model,
        hold.attempt,
        status.value,
        hold.amount,
        0,
        usage.input,
        usage.output,
        usage.cached,
        _beside(usage),
        hold.at,
        settled_at,
    )


def _beside(usage: Usage) -> str:
    """What the columns of a hold do not say of its tokens."""
    beyond = usage.cache_written or usage.reasoning or usage.estimated
    return seal(usage.as_data()) if beyond else _NOTHING


def _inline(limits: Iterable[Limit], where: Touched) -> list[Applying]:
    """The limits that come with the call."""
    buckets = where.buckets
    found = [(limit.account, buckets[limit.per], limit) for limit in limits]
    for account, _, limit in found:
        if account not in where.accounts:
            raise LimitForeign(limit=limit.key, hold=", ".join(where.accounts))
        checked("limit", limit.amount)
    return found

"""The ledger: what may be spent is held first, in the caller's own transaction, and settled to what it cost.

Each movement is a set of postings that cancel out: a hold moves its amount from ``available`` to ``held``, a
settlement moves it on to ``spent`` and gives the rest back. Whom it concerns stands on the hold, so that a movement
costs a few rows however many accounts count it. A running balance is kept for every account and period that a limit
asked about; it is made from the holds when first asked for, and moves with every posting after that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nextgeneration.credits.errors import (
    AccountStopped,
    HoldUnknown,
    HoldWaits,
    LimitForeign,
    OverLimit,
    PriceMissing,
)
from nextgeneration.credits.schema import (
    EACH,
    Hold,
    HoldStatus,
    Limit,
    Period,
    ReportLine,
    Room,
    Scopes,
    Settled,
    SoftWarning,
    Standing,
    checked,
)
from nextgeneration.credits.store import LedgerStore, Row, Values, touched
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
        scopes = hold.scopes
        values = touched(scopes.tenant, scopes.accounts(), hold.at)
        stopped = self._store.stopped(connection, values)
        if stopped is not None:
            raise AccountStopped(account=stopped[0], hold=stopped[1], overrun=stopped[2])
        standings = self._standings(connection, values, scopes, hold.at, hold.limits, keep=True)
        warnings = self._judged(standings, amount)
        self._store.add(connection, _row(hold))
        self._store.post(connection, _postings(scopes.tenant, hold.id, "hold", hold.at, available=-amount, held=amount))
        self._store.move(connection, values, 0, amount)
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
        charged = 0 if status is HoldStatus.RELEASED else None if amount is None else checked("amount", amount)
        row = self._store.settle(connection, _closing(tenant, hold_id, status, charged, at, usage))
        if row is None:
            return self._earlier(connection, tenant, hold_id)
        settled = settled_of(row)
        charge, held = settled.charged, settled.held
        postings = _postings(tenant, hold_id, "settle", at, held=-held, spent=charge, available=held - charge)
        self._store.post(connection, postings)
        values = touched(tenant, settled.scopes.accounts(), settled.at)
        self._store.move(connection, values, charge, -held)
        if settled.overrun:
            self._stop(connection, settled, values)
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
        tokens = {"input": usage.input, "output": usage.output, "cached": usage.cached}
        closed = {"status": HoldStatus.SETTLED.value, "settled_at": hold.at, "usage": seal(usage.as_data())}
        row = _row(hold) | tokens | closed
        self._store.add(connection, row)
        return settled_of(tuple(row.values()))

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
        values = touched(scopes.tenant, scopes.accounts(), at)
        return tuple(self._standings(connection, values, scopes, at, limits))

    def room(self, connection: Connection, scopes: Scopes, at: str, limits: Iterable[Limit] = ()) -> Room | None:
        """What the hard limits leave for a call; ``None`` when none applies, nothing when an account is stopped."""
        values = touched(scopes.tenant, scopes.accounts(), at)
        if self._store.stopped(connection, values) is not None:
            return Room(left=0, free=0)
        hard = [each for each in self._standings(connection, values, scopes, at, limits) if not each.limit.soft]
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
            limit, spent, held, cap = each.limit, each.spent, each.held, each.cap
            if limit.soft:
                if 100 * (spent + held + amount) >= self._warn * cap:
                    warnings.append(SoftWarning(limit, each.bucket, spent, held, amount, cap))
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
        self,
        connection: Connection,
        values: Values,
        scopes: Scopes,
        at: str,
        inline: Iterable[Limit],
        *,
        keep: bool = False,
    ) -> list[Standing]:
        limits = [*_foreign_refused(inline, scopes), *self._recorded(connection, values, scopes)]
        if not limits:
            return []
        balances = self._store.balances(connection, values)
        found = []
        for limit in limits:
            bucket = limit.per.bucket(at)
            key = (limit.account, bucket)
            if key not in balances:
                balances[key] = self.balance(connection, scopes.tenant, limit.account, bucket, keep=keep)
            found.append(Standing(limit, bucket, *balances[key]))
        return found

    def _recorded(self, connection: Connection, values: Values, scopes: Scopes) -> list[Limit]:
        """The recorded limits that apply, each on the account of this call."""
        found = []
        mine = [account.split(":", 1) for account in scopes.accounts() if account]
        for account, period, amount, kind in self._store.limits(connection, values):
            scope, _, name = account.partition(":")
            found += [
                Limit(scope, own, amount, Period(period), kind == "soft")
                for kept, own in mine
                if kept == scope and name in {EACH, own}
            ]
        return found

    def balance(
        self, connection: Connection, tenant: str, account: str, bucket: str, *, keep: bool
    ) -> tuple[int, int, int]:
        """``spent, held, granted`` of an account in a period, counted anew; kept from now on if told to."""
        spent, held, granted = self._store.sums(connection, tenant, account, bucket)
        if keep:
            row = {"tenant": tenant, "account": account, "bucket": bucket}
            self._store.keep(connection, row | {"spent": spent, "held": held, "granted": granted})
        return spent, held, granted

    def _earlier(self, connection: Connection, tenant: str, hold_id: str) -> Settled:
        row = self._store.get(connection, tenant, hold_id)
        if row is None:
            raise HoldUnknown(hold=hold_id)
        return settled_of(row, again=True)

    def _stop(self, connection: Connection, settled: Settled, values: Values) -> None:
        """Stop the model, whose worst cases are none, and every account whose limit this cost may have passed."""
        model = f"model:{settled.scopes.model}" if settled.scopes.model else ""
        accounts = {account for account, _ in self._store.balances(connection, values)} | {model} - {""}
        about = {"tenant": settled.scopes.tenant, "hold_id": settled.id, "overrun": settled.overrun}
        open_ = {"at": settled.settled_at, "cleared_at": None, "cleared_by": None, "reason": None}
        rows = [about | open_ | {"account": account} for account in sorted(accounts)]
        self._store.stop(connection, rows)


def settled_of(row: Row, *, again: bool = False) -> Settled:
    """A hold from its row."""
    tenant, hold, user, agent, mission, task, model, attempt, status, amount, charged, *_, usage, at, settled_at = row
    return Settled(
        id=hold,
        status=HoldStatus(status),
        scopes=Scopes(tenant, user, agent, mission, task, model),
        attempt=attempt,
        held=amount,
        charged=charged,
        usage=NO_USAGE if usage == _NOTHING else Usage(**unseal(usage, "credit_holds", hold)),
        at=at,
        settled_at=settled_at or "",
        again=again,
    )


def _row(hold: Hold) -> dict[str, Any]:
    scopes = hold.scopes
    return {
        "tenant": scopes.tenant,
        "id": hold.id,
        "user": scopes.user,
        "agent": scopes.agent,
        "mission": scopes.mission,
        "task": scopes.task,
        "model": scopes.model,
        "attempt": hold.attempt,
        "status": HoldStatus.HELD.value,
        "amount": hold.amount,
        "charged": 0,
        "input": 0,
        "output": 0,
        "cached": 0,
        "usage": _NOTHING,
        "at": hold.at,
        "settled_at": None,
    }


def _closing(tenant: str, hold: str, status: HoldStatus, charged: int | None, at: str, usage: Usage) -> Values:
    return {
        "c_tenant": tenant,
        "c_id": hold,
        "c_status": status.value,
        "c_charged": charged,
        "c_input": usage.input,
        "c_output": usage.output,
        "c_cached": usage.cached,
        "c_usage": seal(usage.as_data()) if usage is not NO_USAGE else _NOTHING,
        "c_at": at,
    }


def _postings(tenant: str, hold: str, step: str, at: str, **amounts: int) -> list[Values]:
    """One movement: an entry for each account that it changes."""
    about = {"tenant": tenant, "hold_id": hold, "step": step, "at": at}
    return [about | {"account": account, "amount": amount} for account, amount in amounts.items() if amount]


def _foreign_refused(inline: Iterable[Limit], scopes: Scopes) -> Iterable[Limit]:
    accounts = scopes.accounts()
    for limit in inline:
        if limit.account not in accounts:
            raise LimitForeign(limit=limit.key, hold=", ".join(filter(None, accounts)))
        checked("limit", limit.amount)
        yield limit

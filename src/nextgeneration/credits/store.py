"""All SQL about credits, as functions of a connection. Nothing here begins or ends a transaction.

Statements of the hot path are :class:`Prepared`; the others are plain Core.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from nextgeneration.credits.errors import HoldKnown
from nextgeneration.credits.schema import EACH, SCOPES, Limit, Period, Scopes
from nextgeneration.credits.tables import (
    credit_balances,
    credit_grants,
    credit_holds,
    credit_limits,
    credit_stops,
    ledger_entries,
)
from nextgeneration.storage.errors import RecordDamaged
from nextgeneration.storage.prepared import Prepared, word
from nextgeneration.storage.sheet import remembered

Row = Any
Values = dict[str, Any]

HELD = "held"

_H = credit_holds.c
_E = ledger_entries.c
_L = credit_limits.c
_B = credit_balances.c
_G = credit_grants.c
_S = credit_stops.c

_SCOPED = tuple(scope for scope in SCOPES if scope != "tenant")
"""The scopes that are columns of a hold under their own name."""


def _many(prefix: str, count: int) -> list[BindParameter[str]]:
    return [bindparam(f"{prefix}{n}", type_=Text) for n in range(count)]


class Touched(NamedTuple):
    """What a charge counts in.

    Attributes:
        accounts: one a scope and task above.
        hour: the hour of the charge.
    """

    tenant: str
    accounts: tuple[str, ...]
    hour: str

    @property
    def buckets(self) -> dict[str, str]:
        """The period of each kind."""
        return _buckets(self.hour)


def touched(scopes: Scopes, at: str) -> Touched:
    """What a charge at ``at`` counts in."""
    return Touched(scopes.tenant, _accounts(scopes), Period.HOUR.bucket(at))


@lru_cache(maxsize=1024)
def _accounts(scopes: Scopes) -> tuple[str, ...]:
    return tuple(filter(None, scopes.accounts()))


@lru_cache(maxsize=8)
def _buckets(hour: str) -> dict[str, str]:
    return {period: period.bucket(hour) for period in Period}


class HoldRow(NamedTuple):
    """A hold as its table has it."""

    tenant: str
    id: str
    user: str
    agent: str
    mission: str
    task: str
    model: str
    attempt: int
    status: str
    amount: int
    charged: int
    input: int
    output: int
    cached: int
    usage: str
    at: str
    settled_at: str | None


class Balance:
    """What an account has spent and holds in one period, as of all that was put on the sheet."""

    __slots__ = ("account", "bucket", "granted", "held", "spent")

    def __init__(self, account: str, bucket: str, spent: int, held: int, granted: int) -> None:
        self.account = account
        self.bucket = bucket
        self.spent = spent
        self.held = held
        self.granted = granted


Applying = tuple[str, str, Limit]
"""A limit that applies to a call, with the account and the period of it that count."""


class View(NamedTuple):
    """What the books say of everything that one charge counts in.

    Attributes:
        stops: ``account, hold_id, overrun`` of what is stopped.
        limits: the recorded limits that apply, as if each were the account's own.
        balances: those that are kept, by account and bucket.
    """

    stops: list[Row]
    limits: list[Applying]
    balances: dict[tuple[str, str], Balance]


class Desk:
    """What is remembered of one tenant's books.

    Attributes:
        stops: all that is stopped.
        limits: by account, the kind of period and the limit of those that apply.
        balances: by account and bucket.
        kept: by hour and account, the balances of its periods that are kept.
        views: of what was looked at.
        viewed: by account, the views that show it.
        holds: by id, those whose calls are under way; ``None`` for those that are closed.
    """

    __slots__ = ("balances", "holds", "kept", "limits", "stops", "viewed", "views")

    def __init__(self) -> None:
        self.stops: list[Row] | None = None
        self.limits: dict[str, list[tuple[str, Limit]]] = {}
        self.balances: dict[tuple[str, str], Balance] = {}
        self.kept: dict[str, dict[str, list[Balance]]] = {}
        self.views: dict[Touched, View] = {}
        self.viewed: dict[str, list[Touched]] = {}
        self.holds: dict[str, HoldRow | None] = {}


def _desk(connection: Connection, tenant: str) -> Desk:
    known = remembered(connection, "credit")
    desk: Desk | None = known.get(tenant)
    if desk is None:
        desk = known[tenant] = Desk()
    return desk


@lru_cache(maxsize=64)
def _limits_on(names: int) -> Prepared:
    mine = (_L.tenant == bindparam("c_tenant"), _L.account.in_(_many("a", names)))
    return Prepared(select(_L.account, _L.period, _L.amount, _L.kind).where(*mine).order_by(_L.account, _L.period))


@lru_cache(maxsize=64)
def _balances_of(accounts: int) -> Prepared:
    kept = (_B.account.in_(_many("a", accounts)), _B.bucket.in_(_many("b", len(Period))))
    columns = (_B.account, _B.bucket, _B.spent, _B.held, _B.granted)
    return Prepared(select(*columns).where(_B.tenant == bindparam("c_tenant"), *kept))


# Always true. Without it SQLite reads all the tenant's holds instead of the index that has the mission's.
_OF_A_MISSION = _H.attempt >= literal_column("0")


def _concerns(scope: str) -> ColumnElement[bool]:
    """The holds that count in an account of this scope."""
    if scope == "task":
        below = func.substr(_H.task, literal_column("1"), bindparam("c_length")) == bindparam("c_below")
        return and_(_H.mission == bindparam("c_mission"), _OF_A_MISSION, or_(_H.task == bindparam("c_task"), below))
    column: ColumnElement[str] = credit_holds.c[scope]
    mine = column == bindparam("c_name")
    return and_(mine, _OF_A_MISSION) if scope == "mission" else mine


def _sums(scope: str, *, bounded: bool) -> Prepared:
    """What is spent, held and granted in an account of this scope, in one period or in all of them."""
    wanted = [_H.tenant == bindparam("c_tenant"), _concerns(scope)]
    if bounded:
        wanted += [_H.at >= bindparam("c_bucket"), _H.at < bindparam("c_until")]
    nothing: ColumnElement[int] = literal_column("0")
    spent = func.coalesce(func.sum(_H.charged), nothing)
    held = func.coalesce(func.sum(case((_H.status == word(HELD), _H.amount), else_=nothing)), nothing)
    granted = select(func.coalesce(func.sum(_G.amount), nothing)).where(
        _G.tenant == bindparam("c_tenant"), _G.account == bindparam("c_account"), _G.bucket == bindparam("c_bucket")
    )
    return Prepared(select(spent, held, granted.scalar_subquery()).where(*wanted))


def _known_hold(row: HoldRow, _: Exception | None) -> HoldKnown:
    return HoldKnown(hold=row.id)


def _not_open(values: tuple[Any, ...], _: Exception | None) -> RecordDamaged:
    return RecordDamaged(table="credit_holds", id=values[-1], detail="not as it was read")


def _known_balance(row: tuple[Any, ...], _: Exception | None) -> RecordDamaged:
    return RecordDamaged(table="credit_balances", id=f"{row[1]}/{row[2]}", detail="kept before")


def _no_balance(values: tuple[Any, ...], _: Exception | None) -> RecordDamaged:
    return RecordDamaged(table="credit_balances", id=f"{values[-2]}/{values[-1]}", detail="not as it was read")


@lru_cache(maxsize=2048)
def _limit(account: str, period: str, amount: int, kind: str) -> Limit:
    scope, _, name = account.partition(":")
    return Limit(scope, name, amount, Period(period), kind == "soft")


class LedgerStore:
    """Holds with their postings, and the balances of what is limited."""

    _ADD = Prepared(insert(credit_holds), [column.name for column in credit_holds.columns])
    _POST = Prepared(insert(ledger_entries), [c.name for c in ledger_entries.columns if c.name != "number"])
    _MOVE = Prepared(
        update(credit_balances)
        .where(
            _B.tenant == bindparam("c_tenant"), _B.account == bindparam("c_account"), _B.bucket == bindparam("c_bucket")
        )
        .values(spent=_B.spent + bindparam("c_spent"), held=_B.held + bindparam("c_held")),
        key=3,
    )
    _STOPS = Prepared(
        select(_S.account, _S.hold_id, _S.overrun).where(_S.tenant == bindparam("c_tenant"), _S.cleared_at.is_(None))
    )
    _SETTLE = Prepared(
        update(credit_holds)
        .where(_H.tenant == bindparam("c_tenant"), _H.id == bindparam("c_id"), _H.status == word(HELD))
        .values(
            status=bindparam("c_status"),
            charged=bindparam("c_charged"),
            input=bindparam("c_input"),
            output=bindparam("c_output"),
            cached=bindparam("c_cached"),
            usage=bindparam("c_usage"),
            settled_at=bindparam("c_at"),
        )
    )
    _GET = Prepared(select(credit_holds).where(_H.tenant == bindparam("c_tenant"), _H.id == bindparam("c_id")))
    _SUMS: ClassVar = {(scope, bounded): _sums(scope, bounded=bounded) for scope in SCOPES for bounded in (False, True)}
    _KEEP = Prepared(insert(credit_balances), [column.name for column in credit_balances.columns])

    def view(self, connection: Connection, where: Touched) -> View:
        """What the books say of everything that a charge counts in."""
        desk = _desk(connection, where.tenant)
        view = desk.views.get(where)
        if view is None:
            view = desk.views[where] = View(
                self._stopped(connection, desk, where),
                self._limits(connection, desk, where),
                self._balances(connection, desk, where),
            )
            for account in where.accounts:
                desk.viewed.setdefault(account, []).append(where)
        return view

    def _stopped(self, connection: Connection, desk: Desk, where: Touched) -> list[Row]:
        if desk.stops is None:
            desk.stops = self._STOPS.look(connection, (where.tenant,))
        return [stop for stop in desk.stops if stop[0] in where.accounts]

    def _limits(self, connection: Connection, desk: Desk, where: Touched) -> list[Applying]:
        limits = desk.limits
        new = {account: f"{account.partition(':')[0]}:{EACH}" for account in where.accounts if account not in limits}
        if new:
            names = list({**dict.fromkeys(new), **dict.fromkeys(new.values())})
            found: dict[str, list[Row]] = {}
            for name, *limit in _limits_on(len(names)).look(connection, (where.tenant, *names)):
                found.setdefault(name, []).append(limit)
            for account, everyone in new.items():
                mine = (*found.get(account, ()), *found.get(everyone, ()))
                limits[account] = [(period, _limit(account, period, *rest)) for period, *rest in mine]
        buckets = where.buckets
        return [(account, buckets[period], limit) for account in where.accounts for period, limit in limits[account]]

    def _balances(self, connection: Connection, desk: Desk, where: Touched) -> dict[tuple[str, str], Balance]:
        known = desk.kept.setdefault(where.hour, {})
        new = [account for account in where.accounts if account not in known]
        if new:
            buckets = where.buckets.values()
            for row in _balances_of(len(new)).look(connection, (where.tenant, *new, *buckets)):
                desk.balances.setdefault((row[0], row[1]), Balance(*row))
            # One that another hour's charge began to keep may stand on the sheet still, where no statement finds it.
            for account in new:
                kept = [desk.balances.get((account, bucket)) for bucket in buckets]
                known[account] = [one for one in kept if one is not None]
        return {(one.account, one.bucket): one for account in where.accounts for one in known[account]}

    def keep(self, connection: Connection, tenant: str, one: Balance) -> None:
        """Begin to keep a balance; what was viewed before does not show it.

        Raises:
            RecordDamaged: one is kept that was not found.
        """
        row = (tenant, one.account, one.bucket, one.spent, one.held, one.granted)
        self._KEEP.later(connection, row, _known_balance)
        desk = _desk(connection, tenant)
        desk.balances[one.account, one.bucket] = one
        for hour, known in desk.kept.items():
            if one.account in known and one.bucket in _buckets(hour).values():
                known[one.account].append(one)
        for where in desk.viewed.pop(one.account, ()):
            desk.views.pop(where, None)

    def move(self, connection: Connection, tenant: str, view: View, spent: int, held: int) -> None:
        """Add to all balances of a view."""
        rows = []
        for one in view.balances.values():
            one.spent += spent
            one.held += held
            rows.append((spent, held, tenant, one.account, one.bucket))
        self._MOVE.later_all(connection, rows, _no_balance)

    def add(self, connection: Connection, row: HoldRow) -> None:
        """Insert a hold.

        Raises:
            HoldKnown: there is one with this id.
        """
        self._ADD.later(connection, row, _known_hold)
        if row.status == HELD:
            _desk(connection, row.tenant).holds[row.id] = row

    def post(self, connection: Connection, row: tuple[Any, ...]) -> None:
        """Insert a movement, ``tenant, hold_id, step, available, held, spent, at``."""
        self._POST.later(connection, row)

    def settle(self, connection: Connection, tenant: str, hold: str, closed: tuple[Any, ...]) -> None:
        """Close a hold that is open.

        Args:
            connection: inside the caller's transaction.
            tenant: whose it is.
            hold: its id.
            closed: ``status, charged, input, output, cached, usage, settled_at``.
        """
        self._SETTLE.later(connection, (*closed, tenant, hold), _not_open)
        _desk(connection, tenant).holds[hold] = None

    def unsettled(self, connection: Connection, tenant: str, hold: str) -> HoldRow | None:
        """A hold that is open, or ``None``."""
        holds = _desk(connection, tenant).holds
        if hold in holds:
            return holds[hold]
        rows = self._GET.look(connection, (tenant, hold))
        found = HoldRow(*rows[0]) if rows else None
        return found if found is not None and found.status == HELD else None

    def get(self, connection: Connection, tenant: str, hold: str) -> Row:
        """One hold, or ``None``."""
        return self._GET.first(connection, (tenant, hold))

    def beneath(self, connection: Connection, tenant: str, prefix: str) -> Row:
        """``calls, charged, input, output`` of all holds whose ids begin with ``prefix`` and that were charged."""
        last = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        sums = [func.coalesce(func.sum(column), 0) for column in (_H.charged, _H.input, _H.output)]
        wanted = select(func.count(), *sums).where(_H.tenant == tenant, _H.id >= prefix, _H.id < last)
        return connection.execute(wanted.where(_H.status.in_(("settled", "unconfirmed")))).one()

    def sums(self, connection: Connection, tenant: str, account: str, bucket: str) -> tuple[int, int, int]:
        """``spent, held, granted`` of one account in one period, from the holds and grants themselves."""
        scope, _, name = account.partition(":")
        mission, _, task = name.partition("/")
        values: Values = {"c_tenant": tenant, "c_account": account, "c_bucket": bucket, "c_until": bucket + "~"}
        values |= {"c_name": name, "c_mission": mission, "c_task": task}
        values |= {"c_below": f"{task}/", "c_length": len(task) + 1}
        spent, held, granted = self._SUMS[scope, bool(bucket)].first(connection, values)
        return int(spent), int(held), int(granted)

    _DEAD = Prepared(
        select(_H.id)
        .where(
            _H.tenant == bindparam("c_tenant"),
            _H.mission == bindparam("c_mission"),
            _H.attempt < bindparam("c_attempt"),
            _H.status == word(HELD),
        )
        .order_by(_H.at, _H.id)
    )

    def extend(self, connection: Connection, tenant: str, account: str, bucket: str, amount: int) -> None:
        """Add to what was granted to a balance."""
        same = (_B.tenant == tenant, _B.account == account, _B.bucket == bucket)
        connection.execute(update(credit_balances).where(*same).values(granted=_B.granted + amount))

    def grant(self, connection: Connection, row: Values) -> None:
        """Record a grant."""
        connection.execute(insert(credit_grants), row)

    def open(self, connection: Connection, tenant: str, mission: str, attempt: int) -> list[str]:
        """Ids of a mission's open holds of earlier attempts."""
        values = {"c_tenant": tenant, "c_mission": mission, "c_attempt": attempt}
        return [row[0] for row in self._DEAD.run(connection, values).fetchall()]

    def stop(self, connection: Connection, rows: list[Values]) -> None:
        """Stop accounts."""
        if rows:
            connection.execute(insert(credit_stops), rows)

    def stops(self, connection: Connection, tenant: str) -> list[Row]:
        """``account, hold_id, overrun, at`` of what is stopped."""
        wanted = select(_S.account, _S.hold_id, _S.overrun, _S.at).where(_S.tenant == tenant, _S.cleared_at.is_(None))
        return list(connection.execute(wanted.order_by(_S.at, _S.account, _S.hold_id)))

    def clear(self, connection: Connection, tenant: str, account: str | None, change: Values) -> int:
        """Let one account, or all, go on; how many stops ended."""
        wanted = [_S.tenant == tenant, _S.cleared_at.is_(None)]
        if account is not None:
            wanted.append(_S.account == account)
        return connection.execute(update(credit_stops).where(*wanted).values(change)).rowcount


class LimitStore:
    """Recorded limits."""

    def put(self, connection: Connection, row: Values) -> None:
        """Set a limit, whether there was one or not."""
        self.drop(connection, row["tenant"], row["account"], row["period"])
        connection.execute(insert(credit_limits), row)

    def drop(self, connection: Connection, tenant: str, account: str, period: str) -> int:
        """Remove a limit; how many there were."""
        same = (_L.tenant == tenant, _L.account == account, _L.period == period)
        return connection.execute(delete(credit_limits).where(*same)).rowcount

    def forget(self, connection: Connection, tenant: str, account: str, period: Period) -> None:
        """Keep no balances of an account, or of all in its scope, for one kind of period: nothing needs them."""
        scope, _, name = account.partition(":")
        which = _B.account.like(f"{scope}:%") if name == "*" else _B.account == account
        length = len(period.bucket("2026-01-01T00:00:00"))
        connection.execute(delete(credit_balances).where(_B.tenant == tenant, which, func.length(_B.bucket) == length))

    def all(self, connection: Connection, tenant: str) -> list[Row]:
        """``account, period, amount, kind`` of every limit."""
        wanted = select(_L.account, _L.period, _L.amount, _L.kind).where(_L.tenant == tenant)
        return list(connection.execute(wanted.order_by(_L.account, _L.period)))

    def using(self, connection: Connection, tenant: str, scope: str, bucket: str) -> list[Row]:
        """``account, spent, held, granted`` of the balances that are kept for a scope in one period."""
        wanted = select(_B.account, _B.spent, _B.held, _B.granted).where(
            _B.tenant == tenant, _B.account.like(f"{scope}:%"), _B.bucket == bucket
        )
        return list(connection.execute(wanted.order_by(_B.account)))


class ReportStore:
    """Holds and postings as people and auditors look at them."""

    def history(self, connection: Connection, tenant: str, filters: Values, limit: int | None) -> list[Row]:
        """Holds, newest first. ``filters`` are columns with the value they must have."""
        wanted = [credit_holds.c[name] == value for name, value in filters.items()]
        statement = select(credit_holds).where(_H.tenant == tenant, *wanted).order_by(_H.at.desc(), _H.id.desc())
        return list(connection.execute(statement.limit(limit)))

    def report(
        self, connection: Connection, tenant: str, by: str, since: str, until: str, filters: Values
    ) -> list[Row]:
        """Sums by one column, by ``day``, or of everything, of the holds from ``since`` until before ``until``."""
        name = _group(by)
        wanted = [_H.tenant == tenant, *(credit_holds.c[column] == value for column, value in filters.items())]
        if since:
            wanted.append(_H.at >= since)
        if until:
            wanted.append(_H.at < until)
        charged = func.sum(_H.charged)
        statement = (
            select(
                name,
                func.count(),
                charged,
                func.sum(case((_H.status == "unconfirmed", _H.charged), else_=0)),
                func.sum(case((_H.status == HELD, _H.amount), else_=0)),
                func.sum(_H.input),
                func.sum(_H.output),
                func.sum(_H.cached),
            )
            .where(*wanted)
            .group_by(name)
        )
        order = name.asc() if by == "day" else charged.desc()
        return list(connection.execute(statement.order_by(order, name)))

    def unbalanced(self, connection: Connection, tenant: str) -> list[Row]:
        """``hold_id, step, sum`` of the movements that do not cancel out."""
        total = _E.available + _E.held + _E.spent
        return list(connection.execute(select(_E.hold_id, _E.step, total).where(_E.tenant == tenant, total != 0)))

    def posted(self, connection: Connection, tenant: str) -> list[Row]:
        """Every hold and posted id: its row's ``status, amount, charged``, accounts, and what its postings say."""
        sums = (func.sum(_E.held).label("held"), func.sum(_E.spent).label("spent"))
        said = select(_E.hold_id, *sums).where(_E.tenant == tenant).group_by(_E.hold_id).subquery()
        known = select(
            _H.id, _H.status, _H.amount, _H.charged, _H.at, *(credit_holds.c[name] for name in _SCOPED),
            func.coalesce(said.c.held, 0).label("posted_held"),
            func.coalesce(said.c.spent, 0).label("posted_spent"),
        ).select_from(credit_holds.outerjoin(said, said.c.hold_id == _H.id)).where(_H.tenant == tenant)  # fmt: skip
        return list(connection.execute(known))

    def homeless(self, connection: Connection, tenant: str) -> list[str]:
        """Ids that have postings and no hold."""
        beside = ledger_entries.outerjoin(credit_holds, and_(_H.tenant == _E.tenant, _H.id == _E.hold_id))
        wanted = select(_E.hold_id).distinct().select_from(beside).where(_E.tenant == tenant, _H.id.is_(None))
        return list(connection.execute(wanted).scalars())

    def balances(self, connection: Connection, tenant: str) -> list[Row]:
        """``account, bucket, spent, held, granted`` of every balance that is kept."""
        wanted = select(_B.account, _B.bucket, _B.spent, _B.held, _B.granted).where(_B.tenant == tenant)
        return list(connection.execute(wanted))

    def granted(self, connection: Connection, tenant: str) -> dict[tuple[str, str], int]:
        """Sums of the grants by account and bucket."""
        wanted = select(_G.account, _G.bucket, func.sum(_G.amount)).where(_G.tenant == tenant)
        rows = connection.execute(wanted.group_by(_G.account, _G.bucket))
        return {(row[0], row[1]): int(row[2]) for row in rows}

    def grants(self, connection: Connection, tenant: str, limit: int | None) -> list[Row]:
        """``account, period, bucket, amount, reason, by, at`` of the grants, newest first."""
        wanted = select(_G.account, _G.period, _G.bucket, _G.amount, _G.reason, _G.by, _G.at)
        return list(connection.execute(wanted.where(_G.tenant == tenant).order_by(_G.at.desc(), _G.id).limit(limit)))


def _group(by: str) -> ColumnElement[str]:
    if by == "day":
        return func.substr(_H.at, literal_column("1"), literal_column("10"))
    if by == "task":
        return _H.mission + literal_column("'/'") + _H.task
    return credit_holds.c[by]

"""All SQL about missions, as functions of a connection. Nothing here begins or ends a transaction.

Statements of the hot path are :class:`Prepared`; the others are plain Core.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from nextgeneration.kernel.errors import NGError
from nextgeneration.missions.errors import GrantMismatch
from nextgeneration.missions.tables import (
    approvals,
    blackboard,
    documents,
    effects,
    idempotency,
    journal,
    missions,
    pins,
    revisions,
    tasks,
)
from nextgeneration.storage.errors import RecordDamaged
from nextgeneration.storage.prepared import Prepared, word
from nextgeneration.storage.sheet import remembered

Row = Any
"""A row, or ``None`` where none was found: its values by index, and by name when it comes from Core."""

Values = dict[str, Any]


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def _insert(table: Table) -> Prepared:
    return Prepared(insert(table), _names(table))


def _given(name: str) -> BindParameter[str]:
    return bindparam(name, type_=Text)


def _refused(table: str, row: Values, names: Sequence[str], error: Exception | None) -> RecordDamaged:
    """What it means that a row finds another one in its place, or no mission: the database is damaged."""
    detail = str(getattr(error, "orig", error))
    return RecordDamaged(table=table, id="/".join(str(row[name]) for name in names), detail=detail)


def _known_effect(row: tuple[Any, ...], error: Exception | None) -> NGError:
    effect = dict(zip(_EFFECT, row, strict=True))
    if effect["approval_id"] is None:
        return _refused("effects", effect, ("mission_id", "task_id", "position"), error)
    return GrantMismatch(approval=effect["approval_id"], tool=effect["name"])


def _no_intent(values: tuple[Any, ...], _: Exception | None) -> RecordDamaged:
    return RecordDamaged(table="effects", id="/".join(map(str, values[-3:])), detail="no open intent")


def _known_event(row: tuple[Any, ...], error: Exception | None) -> RecordDamaged:
    return _refused("journal", dict(zip(_JOURNAL, row, strict=True)), ("mission_id", "seq"), error)


def _known_task(row: tuple[Any, ...], error: Exception | None) -> RecordDamaged:
    return _refused("tasks", dict(zip(_TASKS, row, strict=True)), ("mission_id", "task_id"), error)


def _moved(values: tuple[Any, ...], _: Exception | None) -> RecordDamaged:
    return RecordDamaged(table="missions", id=values[-2], detail="not as it was read")


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _named(row: Row) -> Values | None:
    return None if row is None else dict(zip(_COLUMNS, row, strict=True))


_COLUMNS = tuple(_names(missions))
_JOURNAL = tuple(_names(journal))
_TASKS = tuple(_names(tasks))
_EFFECT = tuple(_names(effects))
_M = missions.c
_E = effects.c
_A = approvals.c

_HELD = and_(_M.id == bindparam("m_id"), _M.attempt == bindparam("m_attempt"), _M.status == word("running"))
_SEQ, _CALLS = 3, 4
"""Where they stand among what is remembered of a mission."""

_FREED: dict[str, Any] = {"holder": None, "lease_until": None, "seconds": bindparam("m_seconds")}


class MissionStore:
    """Missions, their journals, tasks and pinned revisions."""

    _ACCEPT = _insert(missions)
    _APPEND = _insert(journal)
    _TASK = _insert(tasks)
    _PIN = _insert(pins)
    _STANDING = Prepared(
        select(_M.attempt, _M.status, _M.cancelled_by, _M.seq, _M.tool_calls, _M.tool_limit).where(
            _M.id == bindparam("m_id")
        )
    )
    _COUNT = Prepared(
        update(missions)
        .where(_HELD)
        .values(seq=_M.seq + bindparam("m_events"), tool_calls=_M.tool_calls + bindparam("m_calls")),
        key=2,
    )
    _GET = Prepared(select(missions).where(_M.id == bindparam("m_id"), _M.tenant == bindparam("m_tenant")))
    _DOCUMENT = _insert(documents)
    _REWRITE = Prepared(
        update(documents)
        .where(documents.c.mission_id == bindparam("d_mission"), documents.c.name == bindparam("d_name"))
        .values(data=bindparam("d_data"))
    )
    _REVISION = Prepared(
        insert(revisions).from_select(
            ["tenant", "digest", "data"],
            select(_given("r_tenant"), _given("r_digest"), _given("r_data")).where(
                ~exists().where(revisions.c.tenant == _given("r_tenant"), revisions.c.digest == _given("r_digest"))
            ),
        )
    )
    _RENEW = Prepared(
        update(missions)
        .where(_HELD)
        .values(lease_until=bindparam("m_until"), seconds=bindparam("m_seconds"))
        .returning(_M.cancelled_by)
    )
    _LEAVE = Prepared(
        update(missions)
        .where(_HELD)
        .values(
            status=case((_M.cancelled_by.is_not(None), "cancelled"), else_=bindparam("m_status")),
            ended_at=case((_M.cancelled_by.is_not(None), bindparam("m_at")), else_=bindparam("m_ended")),
            reason=bindparam("m_reason"),
            seq=_M.seq + bindparam("m_events"),
            **_FREED,
        )
        .returning(_M.seq, _M.status, _M.cancelled_by)
    )
    _CLAIM = Prepared(
        update(missions)
        .where(_M.id == bindparam("m_id"), _M.attempt == bindparam("m_attempt"))
        .values(
            status="running",
            attempt=_M.attempt + 1,
            holder=bindparam("m_holder"),
            lease_until=bindparam("m_until"),
            seq=_M.seq + 1,
            reason="",
        )
        .returning(*missions.columns)
    )
    _REPORT = Prepared(
        update(tasks)
        .where(tasks.c.mission_id == bindparam("t_mission"), tasks.c.task_id == bindparam("t_id"))
        .values(status=bindparam("t_status"), report=bindparam("t_report"))
    )

    def accept(self, connection: Connection, row: Values) -> None:
        """Insert a mission."""
        self._ACCEPT.run(connection, row)

    def remembered(self, connection: Connection, tenant: str, key: str) -> tuple[str, str] | None:
        """The mission and request digest that an idempotency key stands for."""
        found = connection.execute(
            select(idempotency.c.mission_id, idempotency.c.digest).where(
                idempotency.c.tenant == tenant, idempotency.c.key == key
            )
        ).first()
        return None if found is None else (found[0], found[1])

    def remember(self, connection: Connection, row: Values) -> None:
        """Let an idempotency key stand for a mission."""
        connection.execute(insert(idempotency), row)

    def get(self, connection: Connection, tenant: str, mission: str) -> Values | None:
        """One mission by its id, without its documents."""
        return _named(self._GET.first(connection, {"m_id": mission, "m_tenant": tenant}))

    def matching(self, connection: Connection, tenant: str, ref: str) -> list[str]:
        """Ids that begin or end with ``ref``: at most a handful."""
        pattern = _like(ref)
        fits = or_(
            _M.id.like(pattern + "%", escape="\\"),
            _M.id.like("mis\\_" + pattern + "%", escape="\\"),
            _M.id.like("%" + pattern, escape="\\"),
        )
        found = connection.execute(select(_M.id).where(_M.tenant == tenant, fits).order_by(_M.id.desc()).limit(5))
        return list(found.scalars())

    def lines(self, connection: Connection, tenant: str, states: Sequence[str] | None, limit: int | None) -> list[Row]:
        """Missions without their documents, newest first."""
        wanted = select(
            _M.id,
            _M.status,
            _M.goal,
            _M.workspace,
            _M.attempt,
            _M.holder,
            _M.reason,
            _M.created_at,
            _M.ended_at,
            _M.lease_until,
            _M.cancelled_by,
        ).where(_M.tenant == tenant)
        if states is not None:
            wanted = wanted.where(_M.status.in_(states))
        wanted = wanted.order_by(_M.created_at.desc(), _M.id.desc()).limit(limit)
        return list(connection.execute(wanted))

    def claim(self, connection: Connection, mission: str, attempt: int, holder: str, until: str) -> Values | None:
        """Take the lease if ``attempt`` is still the last one; the mission as it is then, or ``None``."""
        values = {"m_id": mission, "m_attempt": attempt, "m_holder": holder, "m_until": until}
        return _named(self._CLAIM.first(connection, values))

    def fence(
        self, connection: Connection, mission: str, attempt: int, events: int, calls: int = 0, *, answer: bool = False
    ) -> int | None:
        """Count ``events`` and ``calls`` if this attempt may still write; the journal's new length, or ``None``.

        An answer is taken although the mission is being cancelled: what happened is recorded.
        """
        known: dict[str, list[Any]] = remembered(connection, "missions")
        standing = known.get(mission)
        if standing is None:
            found = self._STANDING.look(connection, (mission,))
            if not found:
                return None
            standing = known[mission] = list(found[0])
        holder, status, cancelled_by, seq, made, limit = standing
        if holder != attempt or status != "running":
            return None
        if not answer and (cancelled_by is not None or (calls and made + calls > limit)):
            return None
        standing[_SEQ], standing[_CALLS] = seq + events, made + calls
        self._COUNT.later(connection, (events, calls, mission, attempt), _moved)
        return int(seq + events)

    def append(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Journal events, each in the order of the table's columns; their numbers come from the fence.

        Raises:
            RecordDamaged: the journal does not end where the mission says it does.
        """
        self._APPEND.later_all(connection, rows, _known_event)

    def renew(self, connection: Connection, mission: str, attempt: int, until: str, seconds: float) -> Row:
        """Extend the lease; a row with who cancelled, or ``None`` when the lease is lost."""
        values = {"m_id": mission, "m_attempt": attempt, "m_until": until, "m_seconds": seconds}
        return self._RENEW.first(connection, values)

    def standing(self, connection: Connection, mission: str) -> Row:
        """``attempt, status, cancelled_by, tool_calls, tool_limit`` of a mission."""
        columns = (_M.attempt, _M.status, _M.cancelled_by, _M.tool_calls, _M.tool_limit)
        return connection.execute(select(*columns).where(_M.id == mission)).first()

    def standings(self, connection: Connection, missions_: list[str]) -> dict[str, Row]:
        """:meth:`standing` of several missions, by id; of those that are not there nothing."""
        columns = (_M.attempt, _M.status, _M.cancelled_by, _M.tool_calls, _M.tool_limit)
        found = connection.execute(select(_M.id, *columns).where(_M.id.in_(missions_)))
        return {row[0]: row[1:] for row in found}

    def leave(self, connection: Connection, values: Values) -> Row:
        """End, suspend or hand back a mission: ``seq, status, cancelled_by``, or ``None`` when the lease is lost."""
        return self._LEAVE.first(connection, values)

    def cancel(self, connection: Connection, mission: str, by: str, at: str, *, now: bool, events: int) -> int | None:
        """Flag a mission, or end it at once; the journal's new length, or ``None`` when it has ended."""
        change: Values = {"cancelled_by": by, "seq": _M.seq + events}
        if now:
            change |= {"status": "cancelled", "ended_at": at, "holder": None, "lease_until": None}
        states = ("queued", "waiting", "parked", "running")
        statement = update(missions).where(_M.id == mission, _M.status.in_(states)).values(change).returning(_M.seq)
        found = connection.execute(statement).scalars().all()
        return found[0] if found else None

    def wake(self, connection: Connection, mission: str) -> int | None:
        """Count one event; a mission that waits is queued again. The journal's new length."""
        statement = (
            update(missions)
            .where(_M.id == mission)
            .values(seq=_M.seq + 1, status=case((_M.status == "waiting", "queued"), else_=_M.status))
            .returning(_M.seq)
        )
        found = connection.execute(statement).scalars().all()
        return found[0] if found else None

    def count(self, connection: Connection, mission: str, events: int) -> int:
        """Count events that are nobody's who works on the mission; the journal's new length."""
        statement = update(missions).where(_M.id == mission).values(seq=_M.seq + events).returning(_M.seq)
        return int(connection.execute(statement).scalar_one())

    def journal(self, connection: Connection, mission: str, after: int, limit: int | None) -> list[Row]:
        """``seq, at, type, task_id, data`` of the events after ``after``."""
        c = journal.c
        wanted = select(c.seq, c.at, c.type, c.task_id, c.data).where(c.mission_id == mission, c.seq > after)
        return list(connection.execute(wanted.order_by(c.seq).limit(limit)))

    def save(self, connection: Connection, tenant: str, mission: str, name: str, data: str) -> None:
        """Keep one of a mission's documents: its plan or its report."""
        if not self._REWRITE.changed(connection, {"d_mission": mission, "d_name": name, "d_data": data}):
            row = {"mission_id": mission, "name": name, "tenant": tenant, "data": data}
            try:
                self._DOCUMENT.run(connection, row)
            except IntegrityError as error:
                raise _refused("documents", row, ("mission_id", "name"), error) from None

    def documents(self, connection: Connection, mission: str) -> dict[str, str]:
        """A mission's documents by name."""
        c = documents.c
        found = connection.execute(select(c.name, c.data).where(c.mission_id == mission))
        return {row[0]: row[1] for row in found}

    def add_tasks(self, connection: Connection, rows: list[Values]) -> None:
        """Insert tasks.

        Raises:
            RecordDamaged: one of them is there already.
        """
        for row in rows:
            self._TASK.later(connection, row, _known_task)

    def tasks(self, connection: Connection, mission: str) -> list[Row]:
        """``task_id, agent, template, revision, status, plan, report`` in the order of the plan."""
        c = tasks.c
        columns = (c.task_id, c.agent, c.template, c.revision, c.status, c.plan, c.report)
        return list(connection.execute(select(*columns).where(c.mission_id == mission).order_by(c.place, c.task_id)))

    def end_task(self, connection: Connection, mission: str, task: str, status: str, report: str) -> None:
        """Keep a task's report."""
        self._REPORT.later(connection, (status, report, mission, task))

    def add_revision(self, connection: Connection, tenant: str, digest: str, data: str) -> None:
        """Keep a revision if none with this digest is there."""
        self._REVISION.run(connection, {"r_tenant": tenant, "r_digest": digest, "r_data": data})

    def add_pins(self, connection: Connection, rows: list[Values]) -> None:
        """Pin revisions to a mission.

        Raises:
            RecordDamaged: one of them is there already.
        """
        if rows:
            try:
                self._PIN.many(connection, rows)
            except IntegrityError as error:
                raise _refused("pins", rows[0], ("mission_id", "name"), error) from None

    def pins(self, connection: Connection, mission: str) -> list[Row]:
        """``name, digest, data`` of a mission's pinned revisions."""
        wanted = select(pins.c.name, pins.c.digest, revisions.c.data).outerjoin_from(
            pins, revisions, and_(revisions.c.tenant == pins.c.tenant, revisions.c.digest == pins.c.digest)
        )
        return list(connection.execute(wanted.where(pins.c.mission_id == mission).order_by(pins.c.name)))

    def delete(self, connection: Connection, mission: str) -> None:
        """Forget a mission and all that was recorded of it; on SQLite what stood there is overwritten."""
        before = None
        if connection.dialect.name == "sqlite":
            before = int(connection.exec_driver_sql("PRAGMA secure_delete").scalar_one())
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
        try:
            for table in (blackboard, pins, approvals, effects, tasks, journal, idempotency, documents):
                connection.execute(delete(table).where(table.c.mission_id == mission))
            connection.execute(delete(missions).where(missions.c.id == mission))
        finally:
            if before is not None:
                connection.exec_driver_sql(f"PRAGMA secure_delete = {before}")


_ONE_EFFECT = and_(
    _E.mission_id == bindparam("e_mission"),
    _E.task_id == bindparam("e_task"),
    _E.position == bindparam("e_position"),
    _E.status == word("intent"),
)


class EffectStore:
    """Effects, and the blackboard whose writes are effects."""

    _ADD = _insert(effects)
    _AGAIN = Prepared(
        update(effects)
        .where(_ONE_EFFECT)
        .values(
            attempt=bindparam("e_attempt"),
            label=bindparam("e_label"),
            args=bindparam("e_args"),
            approval_id=bindparam("e_approval"),
            approval_call=bindparam("e_call"),
            started_at=bindparam("e_at"),
        )
    )
    _SETTLE = Prepared(
        update(effects)
        .where(_ONE_EFFECT)
        .values(
            status=bindparam("e_status"),
            outcome=bindparam("e_outcome"),
            ended_at=bindparam("e_at"),
            seconds=bindparam("e_seconds"),
        )
    )

    def add(self, connection: Connection, row: Values) -> None:
        """Insert an effect: an intent, or one that needs none.

        Raises:
            GrantMismatch: the approval was used for another effect.
            RecordDamaged: another effect stands in its place.
        """
        self._ADD.later(connection, row, _known_effect)

    def again(self, connection: Connection, values: Values) -> int:
        """Renew an open intent; how many rows changed."""
        return self._AGAIN.changed(connection, values)

    def settle(self, connection: Connection, values: Values) -> None:
        """Record the outcome of an open intent.

        Raises:
            RecordDamaged: there is none.
        """
        self._SETTLE.later(connection, values, _no_intent)

    def all(self, connection: Connection, mission: str) -> list[Row]:
        """Every effect of a mission, in the order of the table's columns."""
        wanted = select(effects).where(_E.mission_id == mission).order_by(_E.task_id, _E.position)
        return list(connection.execute(wanted))

    def put(self, connection: Connection, row: Values) -> None:
        """Write one entry of the blackboard."""
        c = blackboard.c
        change = {name: row[name] for name in ("value", "task_id", "at")}
        where = and_(c.mission_id == row["mission_id"], c.key == row["key"])
        if not connection.execute(update(blackboard).where(where).values(change)).rowcount:
            connection.execute(insert(blackboard), row)

    def value(self, connection: Connection, mission: str, key: str) -> str | None:
        """The sealed value of one entry of the blackboard."""
        c = blackboard.c
        return connection.execute(select(c.value).where(c.mission_id == mission, c.key == key)).scalar()


class ApprovalStore:
    """Questions and answers."""

    _LIGHT = tuple(column for column in approvals.columns if column.name != "card")
    _VOID = Prepared(
        update(approvals).where(_A.mission_id == bindparam("a_mission"), _A.status == "pending").values(status="void")
    )

    def add(self, connection: Connection, row: Values) -> None:
        """Insert a question."""
        connection.execute(insert(approvals), row)

    def latest(self, connection: Connection, mission: str, task: str, slot: str) -> Row:
        """The last question at a place of a task that still stands."""
        return connection.execute(
            select(*self._LIGHT, _A.card)
            .where(
                _A.mission_id == mission, _A.task_id == task, _A.slot == slot, _A.status.not_in(("replaced", "void"))
            )
            .order_by(_A.created_at.desc(), _A.id.desc())
            .limit(1)
        ).first()

    def get(self, connection: Connection, tenant: str, approval: str) -> Row:
        """One question by its id."""
        return connection.execute(select(*self._LIGHT, _A.card).where(_A.id == approval, _A.tenant == tenant)).first()

    def matching(self, connection: Connection, tenant: str, ref: str) -> list[str]:
        """Ids that begin or end with ``ref``: at most a handful."""
        pattern = _like(ref)
        fits = or_(
            _A.id.like(pattern + "%", escape="\\"),
            _A.id.like("apr\\_" + pattern + "%", escape="\\"),
            _A.id.like("%" + pattern, escape="\\"),
        )
        return list(connection.execute(select(_A.id).where(_A.tenant == tenant, fits).limit(5)).scalars())

    def listed(
        self, connection: Connection, tenant: str, states: Sequence[str] | None, mission: str | None, limit: int | None
    ) -> list[Row]:
        """Questions without their cards, oldest first."""
        wanted = select(*self._LIGHT).where(_A.tenant == tenant)
        if states is not None:
            wanted = wanted.where(_A.status.in_(states))
        if mission is not None:
            wanted = wanted.where(_A.mission_id == mission)
        return list(connection.execute(wanted.order_by(_A.created_at, _A.id).limit(limit)))

    def move(self, connection: Connection, approval: str, before: str, values: Values) -> int:
        """Change a question that is still in state ``before``; how many rows changed."""
        return connection.execute(
            update(approvals).where(_A.id == approval, _A.status == before).values(values)
        ).rowcount

    def use(self, connection: Connection, approval: str, at: str) -> int:
        """Mark an answer as acted upon, once; how many rows changed."""
        statement = update(approvals).where(_A.id == approval, _A.used_at.is_(None)).values(used_at=at)
        return connection.execute(statement).rowcount

    def holds(self, connection: Connection, approval: str, digest: str, now: str) -> bool:
        """Whether an approval is exactly ``approved``, over exactly this, and not expired."""
        fits = (_A.id == approval, _A.status == "approved", _A.digest == digest, _A.expires_at > now)
        return connection.execute(select(literal(1)).where(exists().where(*fits))).first() is not None

    def open(self, connection: Connection, ids: Iterable[str], now: str) -> int:
        """How many of these still wait for an answer."""
        fits = (_A.id.in_(list(ids)), _A.status == "pending", _A.expires_at > now)
        return int(connection.execute(select(func.count()).select_from(approvals).where(*fits)).scalar_one())

    def asking(self, connection: Connection, tenant: str, now: str) -> set[str]:
        """Missions that have a question nobody answered yet."""
        fits = (_A.tenant == tenant, _A.status == "pending", _A.expires_at > now)
        return set(connection.execute(select(_A.mission_id).where(*fits).distinct()).scalars())

    def void(self, connection: Connection, mission: str) -> None:
        """Close the open questions of a mission that has ended."""
        self._VOID.run(connection, {"a_mission": mission})

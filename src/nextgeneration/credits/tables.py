"""The tables of the ledger: holds, their postings, limits, and the running balances of what is limited.

Times that share a beginning lie in one period, so a balance's ``bucket`` is that beginning: empty for the total,
``2026-11`` for a month, ``2026-11-21T14`` for an hour.
"""

from __future__ import annotations

from sqlalchemy import DDL, BigInteger, CheckConstraint, Column, Index, Integer, Table, event

from nextgeneration.storage.tables import maybe, metadata, tenant, text


def _amount(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


credit_holds = Table(
    "credit_holds",
    metadata,
    tenant(primary_key=True),
    text("id", primary_key=True),
    text("user"),
    text("agent"),
    text("mission"),
    text("task"),
    text("model"),
    Column("attempt", Integer, nullable=False),
    text("status"),
    _amount("amount"),
    _amount("charged"),
    _amount("input"),
    _amount("output"),
    _amount("cached"),
    text("usage"),
    text("at"),
    maybe("settled_at"),
    Index(None, "tenant", "at"),
    Index(None, "tenant", "mission", "attempt"),
)

# A movement is one row. Nothing but the audit looks for those of one hold, and it reads them all: they have no key but
# their number, so they are appended, whichever hold they belong to.
ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    tenant(),
    text("hold_id"),
    text("step"),
    Column("available", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False),
    text("at"),
    CheckConstraint("available + held + spent = 0", name="balanced"),
)

credit_limits = Table(
    "credit_limits",
    metadata,
    tenant(primary_key=True),
    text("account", primary_key=True),
    text("period", primary_key=True),
    Column("amount", BigInteger, nullable=False),
    text("kind"),
    text("by"),
    text("at"),
    sqlite_with_rowid=False,
)

credit_balances = Table(
    "credit_balances",
    metadata,
    tenant(primary_key=True),
    text("account", primary_key=True),
    text("bucket", primary_key=True),
    _amount("spent"),
    _amount("held"),
    _amount("granted"),
    sqlite_with_rowid=False,
)

credit_grants = Table(
    "credit_grants",
    metadata,
    tenant(primary_key=True),
    text("id", primary_key=True),
    text("account"),
    text("period"),
    text("bucket"),
    Column("amount", BigInteger, nullable=False),
    text("reason"),
    text("by"),
    text("at"),
    Index(None, "tenant", "account", "bucket"),
)

credit_stops = Table(
    "credit_stops",
    metadata,
    tenant(primary_key=True),
    text("account", primary_key=True),
    text("hold_id", primary_key=True),
    Column("overrun", BigInteger, nullable=False),
    text("at"),
    maybe("cleared_at"),
    maybe("cleared_by"),
    maybe("reason"),
    sqlite_with_rowid=False,
)

# A posting is written once and stays: what was wrong is corrected by another posting.
for verb in ("UPDATE", "DELETE"):
    event.listen(
        ledger_entries,
        "after_create",
        DDL(  # type: ignore[no-untyped-call]
            f"CREATE TRIGGER ledger_entries_no_{verb.lower()} BEFORE {verb} ON ledger_entries "
            "BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed'); END"
        ).execute_if(dialect="sqlite"),
    )

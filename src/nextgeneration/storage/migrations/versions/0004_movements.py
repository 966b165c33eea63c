"""A movement of credits is one row whose postings cancel out, appended whichever hold it belongs to.

It was a row for each posting, found by its hold: with many missions at once the entries of that key's index were on a
page for each of them, and nothing but the audit, which reads all postings, ever looked for those of one hold.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NEW = "ledger_entries_new"
_ACCOUNTS = ("available", "held", "spent")


def upgrade() -> None:
    op.create_table(
        _NEW,
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        _tenant(),
        _text("hold_id"),
        _text("step"),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in _ACCOUNTS),
        _text("at"),
        sa.CheckConstraint("available + held + spent = 0", name=op.f("ck_ledger_entries_balanced")),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    if sqlite:
        # A movement that is damaged is still there afterwards, for the audit to find.
        op.execute("PRAGMA ignore_check_constraints=ON")
    sums = ", ".join(f"SUM(CASE WHEN account = '{name}' THEN amount ELSE 0 END)" for name in _ACCOUNTS)
    op.execute(
        f"INSERT INTO {_NEW} (tenant, hold_id, step, {', '.join(_ACCOUNTS)}, at) "  # noqa: S608 - our own names
        f"SELECT tenant, hold_id, step, {sums}, MIN(at) FROM ledger_entries "
        "GROUP BY tenant, hold_id, step ORDER BY MIN(at), hold_id, step"
    )
    if sqlite:
        op.execute("PRAGMA ignore_check_constraints=OFF")
    _take_its_place()


def downgrade() -> None:
    op.create_table(
        _NEW,
        _tenant(),
        _text("hold_id"),
        _text("step"),
        _text("account"),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        _text("at"),
        sa.PrimaryKeyConstraint("tenant", "hold_id", "step", "account", name=op.f("pk_ledger_entries")),
    )
    for name in _ACCOUNTS:
        op.execute(
            f"INSERT INTO {_NEW} (tenant, hold_id, step, account, amount, at) "  # noqa: S608 - our own names
            f"SELECT tenant, hold_id, step, '{name}', {name}, at FROM ledger_entries WHERE {name} <> 0"
        )
    _take_its_place()


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant", sa.Text(), server_default="local", nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def _take_its_place() -> None:
    op.drop_table("ledger_entries")
    op.rename_table(_NEW, "ledger_entries")
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER ledger_entries_no_{verb.lower()} BEFORE {verb} ON ledger_entries "
                "BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed'); END"
            )

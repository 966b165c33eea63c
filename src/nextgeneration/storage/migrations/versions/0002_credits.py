"""Credits: holds with their postings, limits and grants, running balances, and accounts that are stopped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _holds()
    _entries()
    _limits()
    _balances()
    _grants()
    _stops()


def downgrade() -> None:
    for table in (
        "credit_stops",
        "credit_grants",
        "credit_balances",
        "credit_limits",
        "ledger_entries",
        "credit_holds",
    ):
        op.drop_table(table)


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant", sa.Text(), server_default="local", nullable=False)


def _amount(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _holds() -> None:
    op.create_table(
        "credit_holds",
        _tenant(),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("mission", sa.Text(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        _amount("amount"),
        _amount("charged"),
        _amount("input"),
        _amount("output"),
        _amount("cached"),
        sa.Column("usage", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("settled_at", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_credit_holds")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_credit_holds_tenant_at"), "credit_holds", ["tenant", "at"], unique=False)
    op.create_index(
        op.f("ix_credit_holds_tenant_mission_attempt"), "credit_holds", ["tenant", "mission", "attempt"], unique=False
    )


def _entries() -> None:
    op.create_table(
        "ledger_entries",
        _tenant(),
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "hold_id", "step", "account", name=op.f("pk_ledger_entries")),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER ledger_entries_no_{verb.lower()} BEFORE {verb} ON ledger_entries "
                "BEGIN SELECT RAISE(ABORT, 'ledger entries are never changed'); END"
            )


def _limits() -> None:
    op.create_table(
        "credit_limits",
        _tenant(),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "account", "period", name=op.f("pk_credit_limits")),
        sqlite_with_rowid=False,
    )


def _balances() -> None:
    op.create_table(
        "credit_balances",
        _tenant(),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        _amount("spent"),
        _amount("held"),
        _amount("granted"),
        sa.PrimaryKeyConstraint("tenant", "account", "bucket", name=op.f("pk_credit_balances")),
        sqlite_with_rowid=False,
    )


def _grants() -> None:
    op.create_table(
        "credit_grants",
        _tenant(),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_credit_grants")),
    )
    op.create_index(
        op.f("ix_credit_grants_tenant_account_bucket"), "credit_grants", ["tenant", "account", "bucket"], unique=False
    )


def _stops() -> None:
    op.create_table(
        "credit_stops",
        _tenant(),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("overrun", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("cleared_at", sa.Text(), nullable=True),
        sa.Column("cleared_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant", "account", "hold_id", name=op.f("pk_credit_stops")),
        sqlite_with_rowid=False,
    )

"""What missions write together is appended together.

Stored in the order of its key, a row goes where its mission's rows are: with many missions at once each of them touches
and splits pages of its own, and half of what a transaction writes is copies of pages. Stored as it comes, all of them
share the last page of a table; only the small entries of the key's index are spread.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = ("journal", "effects", "credit_holds", "ledger_entries")
_WITHOUT = re.compile(r"\s*WITHOUT ROWID\s*$")


def upgrade() -> None:
    for table in TABLES:
        _rebuilt(table, "")


def downgrade() -> None:
    for table in TABLES:
        _rebuilt(table, " WITHOUT ROWID")


def _rebuilt(table: str, ending: str) -> None:
    """Make a SQLite table anew with its rows, indexes and triggers; other databases have no such choice."""
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return
    known = sa.text("SELECT type, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL")
    made = connection.execute(known, {"table": table}).all()
    (definition,) = (sql for kind, sql in made if kind == "table")
    body = _WITHOUT.sub("", definition).split("(", 1)[1]
    connection.exec_driver_sql(f"CREATE TABLE {table}_new ({body}{ending}")
    connection.exec_driver_sql(f"INSERT INTO {table}_new SELECT * FROM {table}")  # noqa: S608 - names of our own
    connection.exec_driver_sql(f"DROP TABLE {table}")
    connection.exec_driver_sql(f"ALTER TABLE {table}_new RENAME TO {table}")
    for kind, sql in made:
        if kind != "table":
            connection.exec_driver_sql(sql)

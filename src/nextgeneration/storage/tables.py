"""The one place all tables are registered, and the columns every table has.

Rooms define their tables on :data:`metadata`. JSON is kept as sealed text (``storage.sealed``), times as ISO 8601 text
that sorts, and booleans not at all: a state is a word.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

LOCAL = "local"
"""The tenant of an installation that has only one."""


def tenant(*, primary_key: bool = False) -> Column[str]:
    """The owner of a row: every table has it."""
    return Column("tenant", Text, nullable=False, server_default=LOCAL, primary_key=primary_key)


def text(name: str, *args: Any, **kwargs: Any) -> Column[str]:
    """A text column that must have a value."""
    return Column(name, Text, *args, nullable=False, **kwargs)


def maybe(name: str, *args: Any, **kwargs: Any) -> Column[str]:
    """A text column that may be empty."""
    return Column(name, Text, *args, nullable=True, **kwargs)

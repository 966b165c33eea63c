"""Hot statements: written once in Core, compiled once, run on the driver where that is possible.

Running a compiled string on the driver costs about half of ``Connection.execute``; the Core form stays the definition,
and what runs on databases whose connections have no driver form here. One contract test runs every store in both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.sql.expression import Executable

DRIVER = "nextgeneration.driver"
"""Key in ``Connection.info`` under which a SQLite connection keeps its driver connection for prepared statements."""

_DIALECT = SQLiteDialect_pysqlite(paramstyle="qmark")

Values = Mapping[str, Any]


class Rows(Protocol):
    """What a statement answers: the common part of a driver cursor and a Core result."""

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        ...

    def fetchone(self) -> Any:
        """The next row as a sequence, or ``None``."""
        ...

    def fetchall(self) -> Any:
        """The remaining rows."""
        ...


class Prepared:
    """One statement in both forms.

    Args:
        statement: with named ``bindparam``s.
        columns: for an ``insert`` without values, the columns it sets.
    """

    __slots__ = ("_constants", "_pick", "_statement", "order", "sql")

    def __init__(self, statement: Executable, columns: Iterable[str] = ()) -> None:
        names = list(columns)
        compiled = statement.compile(dialect=_DIALECT, column_keys=names or None)  # type: ignore[attr-defined]
        self._statement = statement
        self.sql: str = str(compiled)
        self.order: tuple[str, ...] = tuple(compiled.positiontup or ())
        # Literals of the statement are parameters too; their values come with it.
        self._constants = {name: compiled.params[name] for name in self.order if not compiled.binds[name].required}
        self._pick = itemgetter(*self.order, self.order[0])

    def run(self, connection: Connection, values: Values) -> Rows:
        """Run it once."""
        driver = connection.info.get(DRIVER)
        if driver is None:
            return connection.execute(self._statement, dict(values))
        try:
            rows: Rows = driver.execute(self.sql, self._ordered(values))
        except sqlite3.Error as error:
            raise as_sqlalchemy(error, self.sql) from error
        return rows

    def _ordered(self, values: Values) -> Sequence[Any]:
        # One name more than there are, so that a single one makes a tuple too.
        picked: tuple[Any, ...] = self._pick({**values, **self._constants} if self._constants else values)
        return picked[:-1]

    def first(self, connection: Connection, values: Values) -> Any:
        """Run it and take the first row, or ``None``.

        All rows are fetched: a ``RETURNING`` that is not read to its end keeps SQLite's transaction open.
        """
        rows = self.run(connection, values).fetchall()
        return rows[0] if rows else None

    def changed(self, connection: Connection, values: Values) -> int:
        """Run it and say how many rows it changed."""
        return self.run(connection, values).rowcount

    def many(self, connection: Connection, values: list[dict[str, Any]]) -> None:
        """Run it once for each of ``values``."""
        driver = connection.info.get(DRIVER)
        if driver is None:
            connection.execute(self._statement, values)
            return
        try:
            driver.executemany(self.sql, [self._ordered(row) for row in values])
        except sqlite3.Error as error:
            raise as_sqlalchemy(error, self.sql) from error


def as_sqlalchemy(error: sqlite3.Error, sql: str) -> DBAPIError:
    """The exception Core would have raised, so that callers know one family only."""
    kind = IntegrityError if isinstance(error, sqlite3.IntegrityError) else DBAPIError
    return kind(sql, None, error)

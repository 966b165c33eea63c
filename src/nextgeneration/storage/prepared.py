"""Hot statements: written once in Core, compiled once, run on the driver where that is possible.

Running a compiled string on the driver costs about half of ``Connection.execute``; the Core form stays the definition,
and what runs on databases whose connections have no driver form here. One contract test runs every store in both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Protocol

from sqlalchemy import ColumnElement, CompoundSelect, Connection, Insert, Select, Text, Update, literal_column
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.sql.expression import Executable

from nextgeneration.storage.sheet import SHEET, Refused, group_of

_DRIVER = "nextgeneration_driver"
_DIALECT = SQLiteDialect_pysqlite(paramstyle="qmark")

Values = Mapping[str, Any] | tuple[Any, ...]
"""Parameters by name, or in the order in which the statement names them: ``Prepared.order``."""


def run_on_driver(connection: Connection, driver: sqlite3.Connection) -> None:
    """Let prepared statements on ``connection`` run on its driver's own connection."""
    # An attribute, because ``Connection.info`` is two properties away, and every statement asks.
    setattr(connection, _DRIVER, driver)


def on_driver(connection: Connection) -> bool:
    """Whether prepared statements on ``connection`` run on its driver."""
    return getattr(connection, _DRIVER, None) is not None


def word(text: str) -> ColumnElement[str]:
    """A word of ours as part of a statement's text: it needs no parameter each time."""
    return literal_column(f"'{text}'", Text)


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
        key: for an ``update`` that adds to a row, how many of its last parameters say which row: what is added to one
            row together is added up first.

    Attributes:
        order: the names of its parameters; a name that stands in it twice is given twice.
        writes: whether it changes anything.
        group: that of the table which it changes (:func:`~nextgeneration.storage.sheet.group_of`).
        rank: what is written together is written in this order.
    """

    __slots__ = ("_pick", "_statement", "group", "key", "order", "rank", "sql", "writes")

    def __init__(self, statement: Executable, columns: Iterable[str] = (), *, key: int = 0) -> None:
        names = list(columns)
        self.writes = not isinstance(statement, (Select, CompoundSelect))
        self.group = group_of(str(statement.table)) if isinstance(statement, (Insert, Update)) else ""
        self.rank = 0 if isinstance(statement, Insert) else 1
        self.key = key
        compiled = statement.compile(dialect=_DIALECT, column_keys=names or None)  # type: ignore[attr-defined]
        self._statement = statement
        self.sql: str = str(compiled)
        self.order: tuple[str, ...] = tuple(compiled.positiontup or ())
        # Literals of the statement are parameters too; their values come with it.
        constants = {name: compiled.params[name] for name in self.order if not compiled.binds[name].required}
        self._pick = _picker(self.order, constants)

    def run(self, connection: Connection, values: Values) -> Rows:
        """Run it once."""
        driver = getattr(connection, _DRIVER, None)
        if driver is None:
            return connection.execute(self._statement, self._named(values))
        sheet = getattr(connection, SHEET, None)
        if sheet is not None:
            sheet.before(self.group, writes=self.writes)
        try:
            rows: Rows = driver.execute(self.sql, values if isinstance(values, tuple) else self._pick(values))
        except sqlite3.Error as error:
            raise as_sqlalchemy(error, self.sql) from error
        return rows

    def first(self, connection: Connection, values: Values) -> Any:
        """Run it and take the first row, or ``None``.

        All rows are fetched: a ``RETURNING`` that is not read to its end keeps SQLite's transaction open.
        """
        rows = self.run(connection, values).fetchall()
        return rows[0] if rows else None

    def all(self, connection: Connection, values: Values) -> list[Any]:
        """Run it and take all rows."""
        return list(self.run(connection, values).fetchall())

    def changed(self, connection: Connection, values: Values) -> int:
        """Run it and say how many rows it changed."""
        return self.run(connection, values).rowcount

    def many(self, connection: Connection, values: Sequence[Values]) -> None:
        """Run it once for each of ``values``."""
        driver = getattr(connection, _DRIVER, None)
        if driver is None:
            connection.execute(self._statement, [self._named(each) for each in values])
            return
        sheet = getattr(connection, SHEET, None)
        if sheet is not None:
            sheet.before(self.group, writes=self.writes)
        try:
            driver.executemany(self.sql, [each if isinstance(each, tuple) else self._pick(each) for each in values])
        except sqlite3.Error as error:
            raise as_sqlalchemy(error, self.sql) from error

    def look(self, connection: Connection, values: tuple[Any, ...]) -> Any:
        """Read rows of a table of which these are not remembered: what was written together with them is known.

        Returns:
            All of them.
        """
        driver = getattr(connection, _DRIVER, None)
        if driver is None:
            return connection.execute(self._statement, self._named(values)).fetchall()
        sheet = getattr(connection, SHEET, None)
        if sheet is not None:
            sheet.look()
        try:
            return driver.execute(self.sql, values).fetchall()
        except sqlite3.Error as error:
            raise as_sqlalchemy(error, self.sql) from error

    def later(self, connection: Connection, values: Values, refused: Refused | None = None) -> None:
        """Run it with the other rows of its kind, at the end of what is written together.

        Args:
            connection: inside the caller's transaction.
            values: its parameters.
            refused: makes what the operation raises when the row breaks a constraint or there is none to change, of the
                parameters in the statement's order; without it there need not be one.
        """
        if not isinstance(values, tuple):
            values = self._pick(values)
        sheet = getattr(connection, SHEET, None)
        if sheet is not None:
            sheet.lines.append((self, values, refused))
            return
        try:
            changed = self.changed(connection, values)
        except IntegrityError as error:
            if refused is None:
                raise
            raise refused(values, error) from None
        if refused is not None and changed != 1:
            raise refused(values, None)

    def later_all(self, connection: Connection, rows: Sequence[tuple[Any, ...]], refused: Refused) -> None:
        """:meth:`later` for each of ``rows``."""
        sheet = getattr(connection, SHEET, None)
        if sheet is not None:
            sheet.lines += [(self, values, refused) for values in rows]
            return
        for values in rows:
            self.later(connection, values, refused)

    def _named(self, values: Values) -> dict[str, Any]:
        return dict(zip(self.order, values, strict=True)) if isinstance(values, tuple) else dict(values)


def _picker(order: tuple[str, ...], constants: Mapping[str, Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Brings values by name into the order of a statement."""
    if len(order) < 2 or constants:  # an ``itemgetter`` of one name makes no tuple
        return lambda values: tuple([constants[name] if name in constants else values[name] for name in order])
    pick: Callable[[Any], tuple[Any, ...]] = itemgetter(*order)
    return pick


def as_sqlalchemy(error: sqlite3.Error, sql: str) -> DBAPIError:
    """The exception Core would have raised, so that callers know one family only."""
    kind = IntegrityError if isinstance(error, sqlite3.IntegrityError) else DBAPIError
    return kind(sql, None, error)

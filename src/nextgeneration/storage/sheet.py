"""What a transaction is going to write, and what its connection remembers of what it wrote before.

A row whose fate nobody waits for is put on the sheet, and written at the end of the group together with all the rows of
its statement. A statement that is run at once sees them: what stands on the sheet is written before it. A row that does
not fit shows only then, so the group is undone and run again, each operation by itself: the one whose row it is learns
what was wrong with it, the others go on.

Rows that were read or written are remembered while no other connection has written: SQLite says so at each beginning.
Whoever changes such a row writes the change in a statement that would not find a row that is not as remembered.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, event

SHEET = "nextgeneration_sheet"
"""The attribute of a connection that has its sheet; asked for by every statement."""

REMEMBERED = 5_000
"""After so many operations all is forgotten: what they left in memory is bounded, and read again in no time."""

Refused = Callable[[Any, Exception | None], Exception]
"""What is wrong, by a row's parameters, when it breaks a constraint or (``None``) when there is none to change."""


class Unfit(Exception):
    """A row of the group does not fit."""


class Statement(Protocol):
    """A statement of which many rows are written at once (:class:`~nextgeneration.storage.prepared.Prepared`)."""

    sql: str
    key: int
    rank: int


Line = tuple[Statement, tuple[Any, ...], Refused | None]
"""One row that is to be written: its statement and parameters, and what is raised when it does not fit."""


class Sheet:
    """The sheet of a connection that writes. Used by one thread at a time, between ``BEGIN`` and ``COMMIT``.

    Attributes:
        lines: the rows that wait for the end of the group.
        known: by group of tables, what is remembered of their rows.
        apart: write row by row, and raise what is wrong with one.
    """

    __slots__ = ("_alone", "_driver", "_entered", "_mark", "_saved", "_unsure", "_version", "apart", "known", "lines")

    def __init__(self, driver: sqlite3.Connection) -> None:
        self._driver = driver
        self.lines: list[Line] = []
        self._mark = 0
        self._saved = False
        self._alone = False
        self._unsure = False
        self._version: int | None = None
        self._entered = 0
        self.apart = False
        self.known: dict[str, dict[Any, Any]] = {}

    # -- transactions and their operations -----------------------------------------------------------------------------

    def begin(self, *, apart: bool = False) -> None:
        """A transaction has begun: forget what others may have changed, and all of one that was undone."""
        self.lines.clear()
        self._saved = self._unsure = False
        if apart or self.apart:
            self.known.clear()
        self.apart = apart
        (version,) = self._driver.execute("PRAGMA data_version").fetchone()
        if version != self._version or self._entered > REMEMBERED:
            self._version, self._entered = version, 0
            self.known.clear()

    def enter(self, *, alone: bool) -> None:
        """An operation begins; ``alone`` when it has the transaction for itself."""
        self._mark = len(self.lines)
        self._saved, self._alone = False, alone
        self._entered += 1

    def leave(self) -> None:
        """The operation succeeded."""
        if self.apart:
            self._write_now(save=False)
        if self._saved:
            self._driver.execute("RELEASE op")

    def undo(self) -> None:
        """The operation failed: nothing of it stays."""
        if not self._driver.in_transaction:
            self.lines.clear()
            self.known.clear()
            return
        if self._alone:
            self.lines.clear()
            self._driver.execute("ROLLBACK")
        elif self._saved:
            # Whatever the sheet held before it was written before the savepoint.
            self.lines.clear()
            self._driver.execute("ROLLBACK TO op")
            self._driver.execute("RELEASE op")
        else:
            del self.lines[self._mark :]
        self.forget()

    # -- rows ----------------------------------------------------------------------------------------------------------

    def before(self, group: str = "", *, writes: bool = True) -> None:
        """A statement is about to be run at once, which may change a table of ``group``; empty: any."""
        self._write_now(save=writes)
        if not writes:
            return
        if group:
            self.known.pop(group, None)
        else:
            self.forget()

    def look(self) -> None:
        """A row is about to be read that is not remembered, so that nothing on the sheet changes it."""
        if self._unsure:
            self._write_now(save=False)
            self._unsure = False

    def _write_now(self, *, save: bool) -> None:
        """Write what stands on the sheet, so that what the operation wrote of it, and ``save``s next, can be undone."""
        if not self._saved and not self._alone and (save or len(self.lines) > self._mark):
            own = self.lines[self._mark :]
            del self.lines[self._mark :]
            self.write()
            self._driver.execute("SAVEPOINT op")
            self._saved = True
            self.lines = own
        self.write()

    def write(self) -> None:
        """Write what stands on the sheet.

        Raises:
            Unfit: one of its rows does not fit, or is no row at all; with ``apart``, what is wrong with it.
        """
        if not self.lines:
            return
        lines, self.lines, self._mark = self.lines, [], 0
        if self.apart:
            for line in sorted(lines, key=lambda line: line[0].rank):
                self._single(*line)
            return
        try:
            self._by_statement(lines)
        except BaseException as error:
            if isinstance(error, Exception) and not isinstance(error, sqlite3.OperationalError):
                raise Unfit from error
            # No row's matter. Others' rows are lost with it: their operations fail, as when SQLite itself undoes all.
            if self._driver.in_transaction:
                self._driver.execute("ROLLBACK")
            raise

    def _by_statement(self, lines: Sequence[Line]) -> None:
        found: dict[Statement, list[tuple[Any, ...]]] = {}
        owed: set[Statement] = set()
        for statement, values, refused in lines:
            if statement in found:
                found[statement].append(values)
            else:
                found[statement] = [values]
            if refused is not None:
                owed.add(statement)
        for statement in sorted(found, key=lambda statement: statement.rank):
            self._all(statement, found[statement], owed=statement in owed)

    def _all(self, statement: Statement, rows: Sequence[Sequence[Any]], *, owed: bool) -> None:
        """Write all rows of one statement; with ``owed`` each must be there to be changed."""
        if statement.key and len(rows) > 1:
            rows = _added_up(rows, -statement.key)
        if len(rows) == 1:
            cursor = self._driver.execute(statement.sql, rows[0])
        else:
            cursor = self._driver.executemany(statement.sql, rows)
        if owed and cursor.rowcount != len(rows):
            raise Unfit

    def _single(self, statement: Statement, values: tuple[Any, ...], refused: Refused | None) -> None:
        try:
            cursor = self._driver.execute(statement.sql, values)
        except sqlite3.IntegrityError as error:
            if refused is None:
                raise
            raise refused(values, error) from None
        if refused is not None and cursor.rowcount != 1:
            raise refused(values, None)

    def forget(self) -> None:
        """Remember nothing any more."""
        self.known.clear()
        self._unsure = bool(self.lines)


def _added_up(rows: Sequence[Sequence[Any]], key: int) -> list[list[Any]]:
    """One row for each that is added to."""
    sums: dict[Sequence[Any], list[Any]] = {}
    for values in rows:
        row = values[key:]
        total = sums.get(row)
        if total is None:
            sums[row] = list(values)
        else:
            for place in range(len(values) + key):
                total[place] += values[place]
    return list(sums.values())


def use_sheet(connection: Connection, sheet: Sheet, *, collect: bool) -> None:
    """Let what is written on ``connection`` go by way of ``sheet``; statements of Core's are run at once.

    Args:
        collect: rows may wait for the end of their group.
    """
    if collect:
        setattr(connection, SHEET, sheet)

    def run_at_once(_: Any, __: Any, statement: str, *___: Any) -> None:
        sheet.before(writes=not statement.startswith("SELECT"))

    event.listen(connection, "before_cursor_execute", run_at_once)


def group_of(table: str) -> str:
    """Tables whose names begin with the same word are remembered, and forgotten, together."""
    return table.partition("_")[0]


def remembered(connection: Connection, group: str) -> dict[Any, Any]:
    """What is remembered of a group of tables, to be read and added to; nothing is where there is no sheet."""
    sheet: Sheet | None = getattr(connection, SHEET, None)
    if sheet is None:
        return {}
    known = sheet.known.get(group)
    if known is None:
        known = sheet.known[group] = {}
    return known

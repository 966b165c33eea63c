"""Which schema a file has, and how it is brought up to date.

The usual opening reads one row and imports no migration machinery. Otherwise the migrations run inside one transaction,
under a lock on a file beside the database: two processes that open at once wait for each other, and one that is killed
half-way leaves the old schema.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nextgeneration.storage.connections import connected
from nextgeneration.storage.errors import SchemaNewer, StorageBusy, StorageDamaged

HEAD = "0004"
"""The newest migration. A test keeps it equal to what the migrations folder says."""

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(path: Path, busy_seconds: float) -> None:
    """Bring the file at ``path`` to :data:`HEAD`.

    Raises:
        SchemaNewer: its schema is one this program does not know.
        StorageDamaged: its schema has a version that never was.
        StorageBusy: another process was at it for longer than ``busy_seconds``.
    """
    if _is_current(path, busy_seconds):
        return
    with _locked(path.with_name(path.name + ".lock"), busy_seconds):
        if not _is_current(path, busy_seconds):
            _upgrade(path, busy_seconds)


def _is_current(path: Path, busy_seconds: float) -> bool:
    driver = sqlite3.connect(path, timeout=busy_seconds, isolation_level=None)
    try:
        found = version(driver)
        if found is not None and found > HEAD:
            raise SchemaNewer(where=str(path), found=found, known=HEAD)
        if found is not None and not found.isdigit():
            raise StorageDamaged(detail=f"schema version {found!r}")
        return found == HEAD and driver.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    finally:
        driver.close()


def version(driver: sqlite3.Connection) -> str | None:
    """The schema's version; ``None`` for a file that has none yet."""
    try:
        row = driver.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return None
        raise
    return str(row[0]) if row else None


def _upgrade(path: Path, busy_seconds: float) -> None:
    # Alembic takes a third of a second to import: only who needs it pays.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    engine, connection, driver = connected(str(path), prepared=False, busy_seconds=busy_seconds)
    try:
        driver.execute("PRAGMA journal_mode=WAL")
        driver.execute("PRAGMA foreign_keys=OFF")
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        driver.execute("BEGIN IMMEDIATE")
        try:
            # Inside a transaction of Core, Alembic begins and ends none of its own; leaving it commits ours.
            with connection.begin():
                command.upgrade(config, "head")
        except CommandError as error:
            raise StorageDamaged(detail=str(error)) from error
        except BaseException:
            if driver.in_transaction:
                driver.execute("ROLLBACK")
            raise
    finally:
        connection.close()
        engine.dispose()
        driver.close()


@contextmanager
def _locked(path: Path, seconds: float) -> Iterator[None]:
    """Hold an exclusive lock on ``path``; the system drops it when the process dies."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        deadline = time.monotonic() + seconds
        while not _try_lock(handle):
            if time.monotonic() > deadline:
                raise StorageBusy(seconds=round(seconds))
            time.sleep(0.02)
        yield
    finally:
        os.close(handle)


if os.name == "posix":
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

else:  # pragma: no cover - Windows
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

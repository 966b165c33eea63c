"""Connections whose transactions are ours alone, to files that are ours alone."""

from __future__ import annotations

import os
import sqlite3
import stat
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

from nextgeneration.storage.errors import StorageUnsafe
from nextgeneration.storage.prepared import run_on_driver


def connected(target: str, prepared: bool, busy_seconds: float) -> tuple[Engine, Connection, sqlite3.Connection]:
    """One connection in autocommit, whose transactions are ours alone to begin and end."""
    driver = connect(target, busy_seconds)
    engine = create_engine(
        "sqlite://",
        creator=lambda: driver,
        poolclass=StaticPool,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
    )
    connection = engine.connect()
    if prepared:
        run_on_driver(connection, driver)
    return engine, connection, driver


def connect(target: str, busy_seconds: float) -> sqlite3.Connection:
    """A driver connection with the pragmas everything here relies on."""
    driver = sqlite3.connect(
        target, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    # Bytes that are no text must not end the statement that meets them: what is sealed shows by its checksum that it is
    # not what was written, and the rows beside it are read.
    driver.text_factory = partial(str, encoding="utf-8", errors="replace")
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY", "trusted_schema=OFF"):
        driver.execute(f"PRAGMA {pragma}")
    return driver


def make_private(path: Path) -> None:
    """Make the folder (0700) and the file (0600), or check that nobody else can put their own there.

    Raises:
        StorageUnsafe: the folder can be written by others or is somebody else's, or the file is a link.
    """
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name != "posix":
        path.touch()
        return
    where = folder.stat()
    if where.st_mode & stat.S_IWOTH:
        raise StorageUnsafe(path=str(path), detail=f"{folder} can be written by everybody")
    if where.st_uid not in {os.getuid(), 0}:
        raise StorageUnsafe(path=str(path), detail=f"{folder} belongs to another user")
    if path.is_symlink():
        raise StorageUnsafe(path=str(path), detail="it is a symbolic link")
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if stat.S_IMODE(os.fstat(handle).st_mode) & 0o077:
            os.fchmod(handle, 0o600)
    finally:
        os.close(handle)

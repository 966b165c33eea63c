"""``Storage``: one database, opened once, written through one writer."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import Connection as Connection  # rooms name the type without importing SQLAlchemy
from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from nextgeneration.storage.connections import connected, make_private
from nextgeneration.storage.errors import StorageClosed, StorageUnopened, StorageUnsupported, WriteFailed
from nextgeneration.storage.schema import migrate
from nextgeneration.storage.tables import metadata
from nextgeneration.storage.writer import FileWriter, InlineWriter, named

T = TypeVar("T")
Op = Callable[[Connection], T]
"""An operation: a plain function of a connection that takes microseconds, never awaits, never commits."""

BUSY_SECONDS = 30.0


class Storage:
    """A database and the only ways to use it: ``write`` and ``read``.

    Obtained from :meth:`open`. ``durable`` says whether what was written survives the process.
    """

    def __init__(
        self, writer: FileWriter | InlineWriter, engines: tuple[Engine, ...], reader: Reader | None, path: Path | None
    ) -> None:
        self._writer = writer
        self._engines = engines
        self._reader = reader
        self.path = path
        self.durable = path is not None

    @classmethod
    def open(cls, url: str, *, prepared: bool = True, busy_seconds: float = BUSY_SECONDS) -> Self:
        """Open ``sqlite:///file`` (made and migrated as needed) or ``sqlite://`` (in memory).

        A database in memory holds the tables of the rooms imported by then.

        Args:
            url: SQLAlchemy's form of a database URL.
            prepared: run hot statements on the driver; false runs all of them through Core.
            busy_seconds: how long another process may keep the file locked.

        Raises:
            StorageUnsupported: not a SQLite URL.
            StorageUnsafe: the file or its folder could be changed by somebody else.
            StorageUnopened: the system refused: no such folder, no right to write, an error of the disk.
            StorageBusy, StorageFull: another process holds it; its disk has no room.
            StorageDamaged: the file is no database, or hurt.
            SchemaNewer: a newer version of the program wrote it.
        """
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise StorageUnsupported(scheme=url.partition(":")[0]) from None
        if parsed.get_backend_name() != "sqlite":
            raise StorageUnsupported(scheme=parsed.get_backend_name())
        if not parsed.database or parsed.database == ":memory:":
            return cls._in_memory(prepared)
        path = Path(parsed.database).expanduser().absolute()
        try:
            return cls._in_file(path, prepared, busy_seconds)
        except (OSError, sqlite3.Error, DBAPIError, UnicodeDecodeError) as error:
            failure = named(error, busy_seconds)
            if failure is error or isinstance(failure, WriteFailed):
                origin = error.orig if isinstance(error, DBAPIError) else error
                failure = StorageUnopened(path=str(path), detail=str(origin))
            raise failure from error

    @classmethod
    def _in_memory(cls, prepared: bool) -> Self:
        engine, connection, driver = connected(":memory:", prepared, BUSY_SECONDS)
        metadata.create_all(connection)
        return cls(InlineWriter(connection, driver), (engine,), None, None)

    @classmethod
    def _in_file(cls, path: Path, prepared: bool, busy_seconds: float) -> Self:
        make_private(path)
        migrate(path, busy_seconds)
        engine, connection, driver = connected(str(path), prepared, busy_seconds)
        read_engine, read_connection, read_driver = connected(str(path), prepared, busy_seconds)
        read_driver.execute("PRAGMA query_only=ON")
        writer = FileWriter(connection, driver, busy_seconds)
        return cls(writer, (engine, read_engine), Reader(read_connection, read_driver), path)

    async def write(self, op: Op[T]) -> T:
        """Run ``op`` in a transaction of its own; answered when it is on disk.

        Raises:
            StorageError: it was not written, and why.
        """
        return await self._writer.do(op)

    def write_whole(
        self, op: Op[T], then: Callable[[T], None], failed: Callable[[BaseException], None]
    ) -> Awaitable[T]:
        """:meth:`write` for a caller that must know what became of it: a cancellation waits for the answer.

        Args:
            op: the operation.
            then: called in the loop with the answer as soon as it is on disk, also when the caller was cancelled.
            failed: the same with the error when it was not written. What one of them raises is raised here.
        """
        return self._writer.do_whole(op, then, failed)

    def write_sync(self, op: Op[T]) -> T:
        """:meth:`write` for callers without an event loop."""
        return self._writer.do_sync(op)

    async def read(self, op: Op[T]) -> T:
        """Run ``op`` on one snapshot that holds everything acknowledged so far."""
        return await self._writer.do(op) if self._reader is None else await self._reader.do(op)

    def read_sync(self, op: Op[T]) -> T:
        """:meth:`read` for callers without an event loop."""
        return self._writer.do_sync(op) if self._reader is None else self._reader.do_sync(op)

    def close(self) -> None:
        """Finish what was handed over and close the files. May be called again."""
        self._writer.close()
        if self._reader is not None:
            self._reader.close()
        for engine in self._engines:
            engine.dispose()


class Reader:
    """The connection for reads of a database file, used by one thread at a time."""

    def __init__(self, connection: Connection, driver: sqlite3.Connection) -> None:
        self._connection = connection
        self._driver = driver
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="nextgeneration-reader")
        self._closed = False

    async def do(self, op: Op[T]) -> T:
        """Run ``op`` outside the event loop."""
        if self._closed:
            raise StorageClosed
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.do_sync, op)

    def do_sync(self, op: Op[T]) -> T:
        """Run ``op`` in one read transaction, so that its statements see one state."""
        with self._lock:
            if self._closed:
                raise StorageClosed
            try:
                self._driver.execute("BEGIN")
                try:
                    return op(self._connection)
                finally:
                    if self._driver.in_transaction:
                        self._driver.execute("ROLLBACK")
            except Exception as error:
                failure = named(error)
                if failure is error:
                    raise
                raise failure from error

    def close(self) -> None:
        """Wait for the read under way, then refuse others."""
        self._threads.shutdown(wait=True)
        with self._lock:
            self._closed = True

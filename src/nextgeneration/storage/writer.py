"""The one writer: operations run in order, each in a savepoint, and are answered when their group is on disk.

A COMMIT with ``synchronous=FULL`` costs a sync of the disk, whatever it holds. So everything that is waiting when the
writer is free becomes one transaction. An operation that fails is undone alone; a COMMIT that fails, fails its group
with a named error, and the writer goes on.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from nextgeneration.kernel.errors import NGError
from nextgeneration.storage.errors import StorageBusy, StorageClosed, StorageDamaged, StorageFull, WriteFailed

T = TypeVar("T")

GROUP = 256
"""Most operations in one transaction: beyond it the wait of the first outweighs the saved sync."""

DROPPED = "the transaction was dropped"

_FULL = {"SQLITE_FULL"}
_DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}


class Job(Generic[T]):
    """One operation on its way through the writer."""

    __slots__ = ("error", "future", "loop", "op", "ready", "result")

    def __init__(
        self,
        op: Callable[[Connection], T],
        loop: asyncio.AbstractEventLoop | None = None,
        ready: threading.Event | None = None,
    ) -> None:
        self.op = op
        self.loop = loop
        self.future: asyncio.Future[T] | None = loop.create_future() if loop else None
        self.ready = ready
        self.result: T | None = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Hand the answer to the waiting coroutine. Runs in its loop."""
        future = self.future
        if future is None or future.done():
            return
        if self.error is not None:
            future.set_exception(self.error)
        else:
            future.set_result(self.result)  # type: ignore[arg-type]


def named(error: BaseException, busy_seconds: float = 0) -> BaseException:
    """A database failure under its name of ours; anything else, and broken constraints, as they are."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(origin, UnicodeDecodeError):
        # SQLite quotes the schema when it says what is wrong with it.
        return StorageDamaged(detail=origin.object[:300].decode(errors="replace"))
    if not isinstance(origin, sqlite3.Error) or isinstance(origin, sqlite3.IntegrityError):
        return error
    kind = getattr(origin, "sqlite_errorname", None) or ""
    if kind in _FULL:
        return StorageFull()
    if kind.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StorageBusy(seconds=round(busy_seconds))
    if kind in _DAMAGED or kind.startswith("SQLITE_CORRUPT"):
        return StorageDamaged(detail=str(origin))
    if isinstance(origin, sqlite3.OperationalError):
        return WriteFailed(detail=f"{origin} ({kind})" if kind else str(origin))
    return error


class Transactions:
    """Groups of operations as transactions on one connection. The base of both writers."""

    def __init__(self, connection: Connection, driver: sqlite3.Connection, busy_seconds: float = 30.0) -> None:
        self._connection = connection
        self._driver = driver
        self._busy_seconds = busy_seconds

    def group(self, jobs: list[Job[Any]]) -> None:
        """Run ``jobs`` in one transaction; each has its result or error afterwards. Never raises."""
        done: list[Job[Any]] = []
        single = len(jobs) == 1
        try:
            self._begin()
            for job in jobs:
                if not self._driver.in_transaction:
                    # A full disk or an I/O error inside one operation makes SQLite drop the whole transaction.
                    _fail(done, WriteFailed(detail=DROPPED))
                    done = []
                    self._begin()
                self._one(job, done, single=single)
            if self._driver.in_transaction:
                self._driver.execute("COMMIT")
            else:
                _fail(done, WriteFailed(detail=DROPPED))
        except BaseException as error:
            failure = named(error, self._busy_seconds)
            if not isinstance(failure, NGError):
                failure = WriteFailed(detail=f"{type(error).__name__}: {error}")
            _fail([job for job in jobs if job.error is None], failure)
            self._abandon()

    def _one(self, job: Job[Any], done: list[Job[Any]], *, single: bool) -> None:
        """Run one operation in a savepoint, or in the transaction itself when it has that for itself."""
        execute = self._driver.execute
        if not single:
            execute("SAVEPOINT op")
        try:
            job.result = job.op(self._connection)
        except BaseException as error:
            job.error = named(error, self._busy_seconds)
            if not self._driver.in_transaction:
                return
            if single:
                execute("ROLLBACK")
            else:
                execute("ROLLBACK TO op")
                execute("RELEASE op")
        else:
            done.append(job)
            if not single:
                execute("RELEASE op")

    def _begin(self) -> None:
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                self._driver.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                # busy_timeout has already waited; several processes on one file can starve one of them.
                busy = isinstance(named(error), StorageBusy)
                if not busy or time.monotonic() > deadline:
                    raise

    def _abandon(self) -> None:
        try:
            if self._driver.in_transaction:
                self._driver.execute("ROLLBACK")
        except sqlite3.Error:
            # The next BEGIN tells what is wrong; there is nobody to tell here.
            return


def _fail(jobs: list[Job[Any]], error: BaseException) -> None:
    for job in jobs:
        job.result = None
        job.error = _again(error)


def _again(error: BaseException) -> BaseException:
    """An own copy for each caller, so that tracebacks do not pile up on one object."""
    return type(error)(where=error.where, **error.values) if isinstance(error, NGError) else error


class ThreadWriter(Transactions):
    """The writer of a database file: a thread, so that a slow disk never stops an event loop."""

    def __init__(self, connection: Connection, driver: sqlite3.Connection, busy_seconds: float = 30.0) -> None:
        super().__init__(connection, driver, busy_seconds)
        self._queue: SimpleQueue[list[Job[Any]] | None] = SimpleQueue()
        self._handed: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="nextgeneration-writer", daemon=True)
        self._thread.start()

    async def do(self, op: Callable[[Connection], T]) -> T:
        """Run ``op`` in the writer; answered when it is on disk.

        An operation that was handed over runs even when its caller is cancelled meanwhile.
        """
        loop = asyncio.get_running_loop()
        job = Job(op, loop)
        with self._closing:
            self._refuse_when_over()
            handed = self._handed.get(loop)
            if handed is None:
                # One wake of the writer for all that this turn of the loop hands over.
                self._handed[loop] = [job]
                loop.call_soon(self._hand_over, loop)
            else:
                handed.append(job)
        assert job.future is not None  # noqa: S101 - a job with a loop has one
        return await job.future

    def do_sync(self, op: Callable[[Connection], T]) -> T:
        """The same for callers without an event loop."""
        ready = threading.Event()
        job = Job(op, None, ready)
        with self._closing:
            self._refuse_when_over()
            self._queue.put([job])
        ready.wait()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def close(self) -> None:
        """Finish what was handed over, then end the thread."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            for jobs in self._handed.values():
                self._queue.put(jobs)
            self._handed.clear()
            self._queue.put(None)
        self._thread.join()

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._closing:
            jobs = self._handed.pop(loop, None)
            if jobs is not None:
                self._queue.put(jobs)

    def _refuse_when_over(self) -> None:
        if self._closed or not self._thread.is_alive():
            raise StorageClosed

    def _run(self) -> None:
        try:
            while jobs := self._waiting():
                self.group(jobs)
                _deliver(jobs)
        finally:
            self._refuse_rest()

    def _waiting(self) -> list[Job[Any]]:
        """The next group: at least one job, or none when the writer was closed."""
        queue = self._queue
        jobs: list[Job[Any]] = []
        handed = queue.get()
        while handed is not None:
            jobs += handed
            if len(jobs) >= GROUP or queue.empty():
                return jobs
            handed = queue.get()
        queue.put(None)
        return jobs

    def _refuse_rest(self) -> None:
        """Answer whoever still waits: nobody may hang on a thread that has ended."""
        with self._closing:
            self._closed = True
            for jobs in self._handed.values():
                self._queue.put(jobs)
            self._handed.clear()
        while not self._queue.empty():
            jobs = self._queue.get() or []
            _fail(jobs, StorageClosed())
            _deliver(jobs)


def _deliver(jobs: list[Job[Any]]) -> None:
    """Wake each loop once for all its answers."""
    loops: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
    for job in jobs:
        if job.loop is None:
            if job.ready is not None:
                job.ready.set()
        else:
            loops.setdefault(job.loop, []).append(job)
    for loop, answered in loops.items():
        try:
            loop.call_soon_threadsafe(_settle, answered)
        except RuntimeError:
            # The loop was closed: nobody waits any more. What was committed stays.
            continue


def _settle(jobs: list[Job[Any]]) -> None:
    for job in jobs:
        job.settle()


class InlineWriter(Transactions):
    """The writer of a database in memory: nothing waits for a disk, so nothing waits for a thread."""

    def __init__(self, connection: Connection, driver: sqlite3.Connection) -> None:
        super().__init__(connection, driver)
        self._lock = threading.Lock()
        self._closed = False

    async def do(self, op: Callable[[Connection], T]) -> T:
        """Run ``op`` at once."""
        return self.do_sync(op)

    def do_sync(self, op: Callable[[Connection], T]) -> T:
        """Run ``op`` at once."""
        job = Job(op)
        with self._lock:
            if self._closed:
                raise StorageClosed
            self.group([job])
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def close(self) -> None:
        """Refuse further operations."""
        with self._lock:
            self._closed = True

"""The one writer: operations run in order, each as if by itself, and are answered when their group is on disk.

A COMMIT with ``synchronous=FULL`` costs a sync of the disk, whatever it holds. So everything that is waiting when the
writer is free becomes one transaction. An operation that fails is undone alone; a COMMIT that fails, fails its group
with a named error, and the writer goes on.

The statements of an operation take microseconds, and Python lets one thread run at a time: handing them to another
thread costs more than they do. So a loop's operations run in the loop itself, and a thread takes them over when there
is something to wait for: another process that writes, or a disk that is slow.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from nextgeneration.kernel.errors import NGError
from nextgeneration.storage.errors import StorageBusy, StorageClosed, StorageDamaged, StorageFull, WriteFailed
from nextgeneration.storage.prepared import on_driver
from nextgeneration.storage.sheet import Sheet, Unfit, use_sheet

T = TypeVar("T")

GROUP = 256
"""Most operations in one transaction: beyond it the wait of the first outweighs the saved sync."""

PATIENCE = 0.01
"""How long a group may keep a loop waiting, in seconds: nobody feels it, and the thread would cost more."""

PATIENT = 5
"""So many groups in a row that took longer show a slow disk, and not a busy machine: then they go to the thread."""

AGAIN = 10.0
"""For how many seconds they do, until it is tried anew."""

DROPPED = "the transaction was dropped"

_FULL = {"SQLITE_FULL"}
_DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}


class Job(Generic[T]):
    """One operation on its way through the writer."""

    __slots__ = ("error", "failed", "future", "loop", "op", "ready", "result", "then")

    def __init__(
        self,
        op: Callable[[Connection], T],
        future: asyncio.Future[T] | None = None,
        then: Callable[[T], None] | None = None,
        failed: Callable[[BaseException], None] | None = None,
        ready: threading.Event | None = None,
    ) -> None:
        self.op = op
        self.loop = None if future is None else future.get_loop()
        self.future = future
        self.then = then
        self.failed = failed
        self.ready = ready
        self.result: T | None = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Hand the answer to the waiting coroutine. Runs in its loop."""
        future, error = self.future, self.error
        try:
            if error is None and self.then is not None:
                self.then(self.result)  # type: ignore[arg-type]
            elif error is not None and self.failed is not None:
                self.failed(error)
        except Exception as defect:
            # It is its caller's, and must not leave the others of its group without an answer.
            error = defect
        if future is None or future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(self.result)  # type: ignore[arg-type]


class Whole(asyncio.Future[T]):
    """An answer that is waited for to the end: a caller that is cancelled meanwhile hears of that afterwards."""

    def cancel(self, msg: Any = None) -> bool:
        """Refused; the task that waits remembers its cancellation and is told when the answer is there."""
        return False


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
        self._sheet = Sheet(driver)
        use_sheet(connection, self._sheet, collect=on_driver(connection))

    def group(self, jobs: list[Job[Any]], *, wait: bool = True) -> bool:
        """Run ``jobs`` in one transaction; each has its result or error afterwards. Never raises.

        Args:
            jobs: in this order.
            wait: for another process that writes.

        Returns:
            False when nothing was done because one does.
        """
        try:
            if not self._begun(wait=wait):
                return False
            try:
                done = self._together(jobs)
            except Unfit:
                self._abandon()
                if not self._begun(wait=wait):
                    return False
                done = self._together(jobs, apart=True)
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
        return True

    def _together(self, jobs: list[Job[Any]], *, apart: bool = False) -> list[Job[Any]]:
        """Run ``jobs`` one after the other, and then write all that they put on the sheet; those that succeeded.

        Args:
            jobs: in this order.
            apart: each writes what it put there before the next one begins.

        Raises:
            Unfit: a row of one of them does not fit; never with ``apart``.
        """
        done: list[Job[Any]] = []
        sheet, alone = self._sheet, len(jobs) == 1
        sheet.begin(apart=apart)
        for job in jobs:
            if not self._driver.in_transaction:
                # A full disk or an I/O error inside one operation makes SQLite drop the whole transaction.
                _fail(done, WriteFailed(detail=DROPPED))
                done = []
                self._begin()
                sheet.begin(apart=apart)
            job.error = None
            sheet.enter(alone=alone)
            try:
                job.result = job.op(self._connection)
                sheet.leave()
            except Unfit:
                raise
            except BaseException as error:
                job.error = named(error, self._busy_seconds)
                sheet.undo()
            else:
                done.append(job)
        if self._driver.in_transaction:
            sheet.write()
        return done

    def _begun(self, *, wait: bool) -> bool:
        """Begin; when another process writes, after it or not at all."""
        try:
            self._driver.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if not isinstance(named(error), StorageBusy):
                raise
            if wait:
                self._begin()
            return wait
        return True

    def _begin(self) -> None:
        """Begin, after other processes if need be."""
        deadline = time.monotonic() + self._busy_seconds
        self._driver.execute(f"PRAGMA busy_timeout={int(self._busy_seconds * 1000)}")
        try:
            while not self._begun(wait=False):
                # The driver has waited already; several processes on one file can starve one of them.
                if time.monotonic() > deadline:
                    raise StorageBusy(seconds=round(self._busy_seconds))
        finally:
            self._driver.execute("PRAGMA busy_timeout=0")

    def _abandon(self) -> None:
        self._sheet.forget()
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


class FileWriter(Transactions):
    """The writer of a database file: in the loops that use it while nothing keeps them waiting, else in a thread."""

    def __init__(self, connection: Connection, driver: sqlite3.Connection, busy_seconds: float = 30.0) -> None:
        super().__init__(connection, driver, busy_seconds)
        driver.execute("PRAGMA busy_timeout=0")
        self._queue: SimpleQueue[list[Job[Any]] | None] = SimpleQueue()
        self._handed: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
        self._order = threading.Lock()
        self._use = threading.Lock()
        self._queued = 0
        self._slow = 0
        self._slow_until = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="nextgeneration-writer", daemon=True)
        self._thread.start()

    async def do(self, op: Callable[[Connection], T]) -> T:
        """Run ``op``; answered when it is on disk.

        An operation that was handed over runs even when its caller is cancelled meanwhile.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._hand(Job(op, future))
        return await future

    def do_whole(
        self, op: Callable[[Connection], T], then: Callable[[T], None], failed: Callable[[BaseException], None]
    ) -> Awaitable[T]:
        """The same for a caller that must know what became of it: a cancellation waits for the answer.

        Args:
            op: the operation.
            then: called in the loop with the answer, before the caller hears of it.
            failed: the same with the error.
        """
        future: Whole[T] = Whole()
        self._hand(Job(op, future, then, failed))
        return future

    def do_sync(self, op: Callable[[Connection], T]) -> T:
        """The same for callers without an event loop."""
        ready = threading.Event()
        job = Job(op, ready=ready)
        with self._order:
            if self._closed or not self._thread.is_alive():
                raise StorageClosed
            self._enqueue([job])
        ready.wait()
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def close(self) -> None:
        """Finish what was handed over, then end the thread."""
        with self._order:
            if self._closed:
                return
            self._closed = True
            for jobs in self._handed.values():
                self._enqueue(jobs)
            self._handed.clear()
            self._queue.put(None)
        self._thread.join()
        with self._use:
            return  # a loop in another thread may have been at its last group

    # -- in the loop -------------------------------------------------------------------------------------------------

    def _hand(self, job: Job[T]) -> None:
        """Take a job of the running loop; all jobs of one turn become one group."""
        loop = job.loop
        assert loop is not None  # noqa: S101 - it has a future
        with self._order:
            if self._closed:
                raise StorageClosed
            handed = self._handed.get(loop)
            if handed is None:
                self._handed[loop] = [job]
                loop.call_soon(self._turn, loop)
            else:
                handed.append(job)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Do what a turn of the loop handed over, here or in the thread."""
        with self._order:
            jobs = self._handed.pop(loop, None)
            if jobs is None:
                return
            here = not self._queued and time.monotonic() >= self._slow_until and self._use.acquire(blocking=False)
            if not here:
                self._enqueue(jobs)
                return
            if len(jobs) > GROUP:
                self._handed[loop] = jobs[GROUP:]
                loop.call_soon(self._turn, loop)
                del jobs[GROUP:]
        try:
            if not self._at_once(jobs):
                if self._passed_on(loop, jobs):
                    return
                self.group(jobs)
        finally:
            self._use.release()
        _settle(jobs)

    def _at_once(self, jobs: list[Job[Any]]) -> bool:
        """Run a group and see how long it waited; false when it has to wait for another process."""
        worked, started = time.thread_time(), time.perf_counter()
        if not self.group(jobs, wait=False):
            return False
        waited = time.perf_counter() - started - (time.thread_time() - worked)
        self._slow = self._slow + 1 if waited > PATIENCE else 0
        if self._slow == PATIENT:
            self._slow, self._slow_until = 0, time.monotonic() + AGAIN
        return True

    def _passed_on(self, loop: asyncio.AbstractEventLoop, jobs: list[Job[Any]]) -> bool:
        """Give the thread a group, and with it what the loop has handed over since; false when the thread has ended."""
        with self._order:
            if self._closed:
                return False
            self._enqueue(jobs + self._handed.pop(loop, []))
            return True

    def _enqueue(self, jobs: list[Job[Any]]) -> None:
        self._queued += 1
        self._queue.put(jobs)

    # -- in the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while handed := self._waiting():
                jobs = [job for each in handed for job in each]
                with self._use:
                    self.group(jobs)
                with self._order:
                    self._queued -= len(handed)
                _deliver(jobs)
        finally:
            self._refuse_rest()

    def _waiting(self) -> list[list[Job[Any]]]:
        """The next group as it was handed over; empty when the writer was closed."""
        queue = self._queue
        handed: list[list[Job[Any]]] = []
        number = 0
        while (jobs := queue.get()) is not None:
            handed.append(jobs)
            number += len(jobs)
            if number >= GROUP or queue.empty():
                return handed
        queue.put(None)
        return handed

    def _refuse_rest(self) -> None:
        """Answer whoever still waits: nobody may hang on a thread that has ended."""
        with self._order:
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

    def do_whole(
        self, op: Callable[[Connection], T], then: Callable[[T], None], failed: Callable[[BaseException], None]
    ) -> Awaitable[T]:
        """Run ``op`` at once, and ``then`` or ``failed`` with what became of it."""
        job = Job(op, Whole(), then, failed)
        self._run(job)
        job.settle()
        assert job.future is not None  # noqa: S101 - it was given one
        return job.future

    def do_sync(self, op: Callable[[Connection], T]) -> T:
        """Run ``op`` at once."""
        job = Job(op)
        self._run(job)
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    def _run(self, job: Job[Any]) -> None:
        with self._lock:
            if self._closed:
                raise StorageClosed
            self.group([job])

    def close(self) -> None:
        """Refuse further operations."""
        with self._lock:
            self._closed = True

"""The one writer: groups, failures that stay alone, and COMMITs that fail."""

import asyncio
import sqlite3
import threading
import time

import pytest
from sqlalchemy import text

from nextgeneration.storage.database import Storage
from nextgeneration.storage.errors import StorageBusy, StorageClosed, StorageFull, WriteFailed
from nextgeneration.storage.writer import named


@pytest.fixture
def storage(tmp_path):
    storage = Storage.open(f"sqlite:///{tmp_path}/home/nextgen.db", busy_seconds=2)
    storage.write_sync(lambda c: c.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))
    yield storage
    storage.close()


@pytest.fixture
def memory():
    storage = Storage.open("sqlite://")
    storage.write_sync(lambda c: c.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY)")))
    yield storage
    storage.close()


@pytest.fixture(params=["storage", "memory"])
def either(request):
    return request.getfixturevalue(request.param)


def put(n):
    return lambda c: c.execute(text("INSERT INTO t VALUES (:n)"), {"n": n}).rowcount


def rows(storage):
    return storage.read_sync(lambda c: list(c.execute(text("SELECT n FROM t ORDER BY n")).scalars()))


class Driver:
    """A driver connection that fails where a test says so."""

    def __init__(self, real):
        self.real = real
        self.fail = None
        self.commits = 0

    @property
    def in_transaction(self):
        return self.real.in_transaction

    def execute(self, sql, *values):
        self.commits += sql == "COMMIT"
        if self.fail:
            self.fail(sql)
        return self.real.execute(sql, *values)


def broken(storage):
    driver = Driver(storage._writer._driver)
    storage._writer._driver = driver
    return driver


async def test_waiting_operations_share_one_commit(storage):
    driver = broken(storage)
    gate = threading.Event()
    first = asyncio.create_task(storage.write(lambda c: gate.wait(5)))
    await asyncio.sleep(0.05)
    others = [asyncio.create_task(storage.write(put(n))) for n in range(50)]
    await asyncio.sleep(0.05)
    gate.set()
    assert await asyncio.gather(first, *others) == [True, *[1] * 50]
    assert driver.commits == 2
    assert rows(storage) == list(range(50))


async def test_a_failing_operation_is_undone_alone(either):
    def half(connection):
        put(100)(connection)
        raise KeyError("stop")

    answers = await asyncio.gather(
        either.write(put(1)), either.write(half), either.write(put(2)), return_exceptions=True
    )
    assert answers[0] == answers[2] == 1
    assert isinstance(answers[1], KeyError)
    assert rows(either) == [1, 2]


async def test_a_failing_commit_fails_its_group_and_the_writer_goes_on(either):
    driver = broken(either)

    def fail(sql):
        if sql == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")

    driver.fail = fail
    answers = await asyncio.gather(*(either.write(put(n)) for n in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [WriteFailed] * 5
    assert len({id(answer) for answer in answers}) == 5, "each caller has an exception of its own"
    driver.fail = None
    assert await either.write(put(9)) == 1
    assert rows(either) == [9]


async def test_a_failing_begin_fails_its_group_and_the_writer_goes_on(either):
    driver = broken(either)

    def fail(sql):
        if sql.startswith("BEGIN"):
            raise RuntimeError("no")

    driver.fail = fail
    with pytest.raises(WriteFailed, match="RuntimeError: no"):
        await either.write(put(1))
    driver.fail = None
    await either.write(put(2))
    assert rows(either) == [2]


async def test_operations_before_a_dropped_transaction_are_not_acknowledged(storage):
    """SQLite rolls everything back by itself on a full disk: who ran before must hear of it."""
    driver = broken(storage)
    gate = threading.Event()
    blocked = asyncio.create_task(storage.write(lambda c: gate.wait(5)))
    await asyncio.sleep(0.05)

    def drop(_connection):
        driver.real.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    tasks = [asyncio.create_task(storage.write(op)) for op in (put(1), drop, put(2))]
    await asyncio.sleep(0.05)
    gate.set()
    await blocked
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[0], WriteFailed)
    assert isinstance(answers[1], WriteFailed)
    assert answers[2] == 1
    assert rows(storage) == [2]


async def test_a_transaction_dropped_by_the_last_operation_is_not_acknowledged(storage):
    driver = broken(storage)

    def end(_connection):
        driver.real.execute("ROLLBACK")

    with pytest.raises(WriteFailed):
        await storage.write(end)
    assert await storage.write(put(1)) == 1


async def test_an_operation_runs_although_its_caller_was_cancelled(storage):
    gate = threading.Event()
    blocked = asyncio.create_task(storage.write(lambda c: gate.wait(5)))
    task = asyncio.create_task(storage.write(put(1)))
    await asyncio.sleep(0.05)
    task.cancel()
    gate.set()
    await blocked
    with pytest.raises(asyncio.CancelledError):
        await task
    await storage.write(lambda c: None)
    assert rows(storage) == [1]


async def test_a_closed_database_refuses_and_says_so(either):
    either.close()
    either.close()
    for use in (either.write, either.read):
        with pytest.raises(StorageClosed):
            await use(put(1))
    with pytest.raises(StorageClosed):
        either.write_sync(put(1))
    with pytest.raises(StorageClosed):
        either.read_sync(put(1))


def test_closing_finishes_what_was_handed_over(storage):
    done = []
    threads = [threading.Thread(target=lambda n=n: done.append(storage.write_sync(put(n)))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    storage.close()
    assert done == [1] * 20


def test_nobody_hangs_on_a_writer_that_ended(storage, monkeypatch):
    """Should the thread ever end by a defect, callers are answered instead of waiting for ever."""
    gate = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    real = storage._writer.group

    def dies(jobs):
        gate.wait(5)
        real(jobs)
        raise MemoryError

    storage._writer.group = dies
    heard = []

    def call(n):
        try:
            storage.write_sync(put(n))
        except StorageClosed as error:
            heard.append(error)

    threads = [threading.Thread(target=call, args=(n,), daemon=True) for n in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    gate.set()
    deadline = time.monotonic() + 5
    while len(heard) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(heard) >= 2
    with pytest.raises(StorageClosed):
        storage.write_sync(put(9))


async def test_a_loop_that_closed_does_not_stop_the_writer(storage):
    gate = threading.Event()

    def other_loop():
        loop = asyncio.new_event_loop()
        loop.run_until_complete(start(loop))
        loop.close()
        gate.set()

    async def start(loop):
        waiting = loop.create_task(storage.write(lambda c: gate.wait(30)))
        for _ in range(3):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    thread = threading.Thread(target=other_loop)
    thread.start()
    thread.join()
    assert await storage.write(put(1)) == 1


async def test_what_one_turn_of_the_loop_hands_over_is_done_in_its_order(storage):
    seen = []
    await asyncio.gather(*(storage.write(lambda _c, n=n: seen.append(n)) for n in range(9)))
    assert seen == list(range(9))


def test_what_was_handed_over_before_the_end_is_finished(storage):
    done = []

    async def hand_over():
        waiting = asyncio.create_task(storage.write(lambda _c: done.append(1)))
        await asyncio.sleep(0)
        storage.close()
        await waiting
        with pytest.raises(StorageClosed):
            await storage.write(lambda _c: done.append(2))

    asyncio.run(hand_over())
    assert done == [1]


async def test_another_process_that_holds_the_file_is_waited_for_then_named(storage, tmp_path):
    other = sqlite3.connect(tmp_path / "home" / "nextgen.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.create_task(storage.write(put(1)))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    other.execute("COMMIT")
    assert await waiting == 1
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageBusy):
        await storage.write(put(2))
    other.execute("COMMIT")
    other.close()
    assert rows(storage) == [1]


async def test_a_full_database_is_named_and_works_again_with_room(storage):
    def limit(pages):
        return lambda c: c.connection.driver_connection.execute(f"PRAGMA max_page_count={pages}").fetchall()

    await storage.write(lambda c: c.execute(text("CREATE TABLE big (x BLOB)")))
    used = await storage.write(lambda c: c.connection.driver_connection.execute("PRAGMA page_count").fetchone()[0])
    await storage.write(limit(used))

    def fill(connection):
        put(1)(connection)
        connection.execute(text("INSERT INTO big VALUES (zeroblob(1000000))"))

    with pytest.raises(StorageFull):
        await storage.write(fill)
    assert rows(storage) == []
    await storage.write(limit(used + 10_000))
    await storage.write(fill)
    assert rows(storage) == [1]


def test_names_of_driver_errors():
    class Error(sqlite3.OperationalError):
        sqlite_errorname = "SQLITE_IOERR_WRITE"

    assert isinstance(named(Error("disk I/O error")), WriteFailed)
    plain = KeyError("x")
    assert named(plain) is plain
    programming = sqlite3.ProgrammingError("wrong")
    assert named(programming) is programming

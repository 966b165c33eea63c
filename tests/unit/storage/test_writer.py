"""The one writer: groups, failures that stay alone, and COMMITs that fail."""

import asyncio
import sqlite3
import threading
import time

import pytest
from sqlalchemy import text

from nextgeneration.storage import writer
from nextgeneration.storage.database import Storage
from nextgeneration.storage.errors import StorageBusy, StorageClosed, StorageFull, WriteFailed
from nextgeneration.storage.writer import GROUP, PATIENCE, PATIENT, named


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


@pytest.fixture
def elsewhere(storage, tmp_path):
    """Another process that can hold the file: what is written meanwhile waits in the writer's thread."""
    other = sqlite3.connect(tmp_path / "home" / "nextgen.db", isolation_level=None, check_same_thread=False)
    yield other
    other.close()


@pytest.fixture
def patient(monkeypatch):
    """A machine under load must not look like a slow disk."""
    monkeypatch.setattr(writer, "PATIENCE", 60.0)


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


async def test_waiting_operations_share_one_commit(storage, elsewhere):
    driver = broken(storage)
    elsewhere.execute("BEGIN IMMEDIATE")
    first = asyncio.create_task(storage.write(put(99)))
    await asyncio.sleep(0.05)
    others = [asyncio.create_task(storage.write(put(n))) for n in range(50)]
    await asyncio.sleep(0.05)
    elsewhere.execute("COMMIT")
    assert await asyncio.gather(first, *others) == [1] * 51
    assert driver.commits == 2
    assert rows(storage) == [*range(50), 99]


async def test_what_one_turn_of_the_loop_hands_over_is_one_transaction_in_its_thread(storage, patient):
    driver = broken(storage)
    threads = set()
    await asyncio.gather(*(storage.write(lambda _c: threads.add(threading.get_ident())) for _ in range(50)))
    assert driver.commits == 1
    assert threads == {threading.get_ident()}


async def test_a_crowd_does_not_hold_the_loop_for_more_than_one_group(storage, patient):
    driver = broken(storage)
    turns = []

    async def beside():
        while len(turns) < 4:
            turns.append(driver.commits)
            await asyncio.sleep(0)

    writes = [storage.write(put(n)) for n in range(2 * GROUP + 1)]
    await asyncio.gather(beside(), *writes)
    assert driver.commits == 3
    assert turns == [0, 0, 1, 2], "a group a turn"
    assert rows(storage) == list(range(2 * GROUP + 1))


async def test_a_slow_disk_is_left_to_the_thread_and_tried_again_later(storage, monkeypatch):
    driver = broken(storage)
    threads = []

    def slow(sql):
        if sql == "COMMIT":
            threads.append(threading.get_ident())
            time.sleep(2 * PATIENCE)

    driver.fail = slow
    for n in range(PATIENT + 3):
        await storage.write(put(n))
    loop = threading.get_ident()
    assert set(threads[:PATIENT]) == {loop}
    assert loop not in threads[PATIENT:]
    driver.fail = None
    monkeypatch.setattr(storage._writer, "_slow_until", 0.0)
    seen = []
    await storage.write(lambda _c: seen.append(threading.get_ident()))
    assert seen == [loop]
    assert rows(storage) == list(range(PATIENT + 3))


async def test_operations_keep_their_order_while_some_wait_in_the_thread(storage, elsewhere):
    seen = []
    elsewhere.execute("BEGIN IMMEDIATE")
    waiting = []
    for n in range(6):
        waiting.append(asyncio.create_task(storage.write(lambda _c, n=n: seen.append(n))))
        await asyncio.sleep(0)
    elsewhere.execute("COMMIT")
    for n in range(6, 12):
        waiting.append(asyncio.create_task(storage.write(lambda _c, n=n: seen.append(n))))
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert seen == list(range(12))


async def test_a_cancelled_caller_of_a_whole_write_hears_of_it_when_the_answer_is_there(storage, elsewhere):
    elsewhere.execute("BEGIN IMMEDIATE")
    answers, after = [], []

    async def caller():
        try:
            await storage.write_whole(put(1), answers.append, answers.append)
        finally:
            after.append(list(answers))

    task = asyncio.create_task(caller())
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.sleep(0.05)
    task.cancel()
    assert not task.done()
    elsewhere.execute("COMMIT")
    with pytest.raises(asyncio.CancelledError):
        await task
    assert after == [[1]], "what follows from the answer was known before the cancellation went on"
    assert rows(storage) == [1]


async def test_a_defect_in_what_follows_is_its_callers_and_leaves_nobody_without_an_answer(either):
    def stumbles(_answer):
        raise KeyError("defect")

    answers = await asyncio.gather(
        either.write(put(1)),
        either.write_whole(put(2), stumbles, stumbles),
        either.write(put(3)),
        return_exceptions=True,
    )
    assert answers[0] == answers[2] == 1
    assert isinstance(answers[1], KeyError)
    assert rows(either) == [1, 2, 3], "it was written"


async def test_a_whole_write_that_fails_says_why_and_only_that_follows(either):
    answers, errors = [], []

    def half(connection):
        put(1)(connection)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        await either.write_whole(half, answers.append, errors.append)
    assert await either.write_whole(put(2), answers.append, errors.append) == 1
    assert answers == [1]
    assert [type(error) for error in errors] == [KeyError]
    assert rows(either) == [2]


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

    def drop(_connection):
        driver.real.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")

    answers = await asyncio.gather(*map(storage.write, (put(1), drop, put(2))), return_exceptions=True)
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


async def test_an_operation_runs_although_its_caller_was_cancelled(storage, elsewhere):
    elsewhere.execute("BEGIN IMMEDIATE")
    task = asyncio.create_task(storage.write(put(1)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    elsewhere.execute("COMMIT")
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


async def test_a_loop_that_closed_does_not_stop_the_writer(storage, elsewhere):
    elsewhere.execute("BEGIN IMMEDIATE")

    async def leaves():
        waiting = asyncio.create_task(storage.write(put(1)))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(leaves(),))
    thread.start()
    thread.join()
    elsewhere.execute("COMMIT")
    assert await storage.write(put(2)) == 1
    assert rows(storage) == [1, 2]


async def test_loops_of_several_threads_use_one_writer(storage):
    async def many(first):
        for n in range(first, first + 50):
            await storage.write(put(n))

    threads = [threading.Thread(target=asyncio.run, args=(many(first),)) for first in (100, 200, 300)]
    for thread in threads:
        thread.start()
    await many(0)
    for thread in threads:
        await asyncio.to_thread(thread.join)
    assert rows(storage) == [*range(50), *range(100, 150), *range(200, 250), *range(300, 350)]


def test_a_loop_may_close_the_database_while_its_own_writes_wait(storage, elsewhere):
    """Closing waits for the other process; what was handed over before is written, or says why not."""
    elsewhere.execute("BEGIN IMMEDIATE")
    threading.Timer(0.2, lambda: elsewhere.execute("COMMIT")).start()

    async def closes():
        waiting = asyncio.create_task(storage.write(put(1)))
        await asyncio.sleep(0.05)
        storage.close()
        return await waiting

    assert asyncio.run(closes()) == 1


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

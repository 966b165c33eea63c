"""What is written together: rows that wait for the end of their group, and what is remembered between groups."""

import asyncio
import itertools
import sqlite3
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, Text, bindparam, insert, select, text, update

from nextgeneration.credits.audit import verify
from nextgeneration.credits.ledger import Ledger
from nextgeneration.credits.schema import Hold, HoldStatus, Limit, Scopes
from nextgeneration.credits.service import Credits
from nextgeneration.kernel.errors import NGError
from nextgeneration.storage import sheet as sheets
from nextgeneration.storage.database import Storage
from nextgeneration.storage.errors import StorageFull, WriteFailed
from nextgeneration.storage.prepared import Prepared
from nextgeneration.storage.sheet import SHEET, remembered

T = Table("t", MetaData(), Column("n", Integer, primary_key=True), Column("what", Text), Column("sum", Integer))
ADD = Prepared(insert(T), ["n", "what", "sum"])
SAY = Prepared(update(T).where(T.c.n == bindparam("t_n")).values(what=bindparam("t_what")))
MORE = Prepared(update(T).where(T.c.n == bindparam("t_n")).values(sum=T.c.sum + bindparam("t_more")), key=1)
ONE = Prepared(select(T.c.what, T.c.sum).where(T.c.n == bindparam("t_n")))
AT = "2026-11-21T14:30:00.000000Z"


class Refused(Exception):
    """A row that did not fit."""


@pytest.fixture(params=[True, False], ids=["on the driver", "through Core"])
def storage(request, tmp_path):
    storage = Storage.open(f"sqlite:///{tmp_path}/home/nextgen.db", prepared=request.param)
    storage.write_sync(lambda c: c.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY, what TEXT, sum INTEGER)")))
    yield storage
    storage.close()


@pytest.fixture
def fast(tmp_path):
    storage = Storage.open(f"sqlite:///{tmp_path}/home/nextgen.db")
    storage.write_sync(lambda c: c.execute(text("CREATE TABLE t (n INTEGER PRIMARY KEY, what TEXT, sum INTEGER)")))
    yield storage
    storage.close()


async def together(storage, *ops):
    """Operations as one group."""
    return await asyncio.gather(*(storage.write(op) for op in ops), return_exceptions=True)


def add(n, what="new"):
    return lambda c: ADD.later(c, {"n": n, "what": what, "sum": 0}, lambda *_: Refused(n))


def say(n, what):
    return lambda c: SAY.later(c, (what, n), lambda *_: Refused(n))


def more(n, number):
    return lambda c: MORE.later(c, (number, n), lambda *_: Refused(n))


def kept(storage):
    return storage.read_sync(lambda c: [tuple(row) for row in c.execute(text("SELECT * FROM t ORDER BY n"))])


def both(*ops):
    def op(connection):
        for each in ops:
            each(connection)

    return op


def failing(*ops):
    def op(connection):
        both(*ops)(connection)
        raise RuntimeError("after its rows")

    return op


async def test_rows_are_there_before_they_are_changed_whatever_came_first(storage):
    await together(storage, add(1))
    assert await together(storage, say(1, "a"), add(2), say(2, "b"), more(2, 3), more(1, 1), more(2, 4)) == [None] * 6
    assert kept(storage) == [(1, "a", 1), (2, "b", 7)]


async def test_the_rows_of_a_group_are_written_by_statement_and_what_is_added_to_one_row_at_once(fast, monkeypatch):
    written = []
    real = sheets.Sheet._all

    def all_of(self, statement, rows, **how):
        written.append((statement, len(rows)))
        real(self, statement, rows, **how)

    monkeypatch.setattr(sheets.Sheet, "_all", all_of)
    await together(fast, *(both(add(n), more(n, 1), more(n, 1)) for n in range(9)))
    assert written == [(ADD, 9), (MORE, 18)]
    assert kept(fast) == [(n, "new", 2) for n in range(9)]


async def test_nothing_stays_of_an_operation_that_fails(storage):
    answers = await together(storage, add(1), failing(add(2), say(1, "changed")), add(3))
    assert [type(each) for each in answers] == [type(None), RuntimeError, type(None)]
    assert [row[:2] for row in kept(storage)] == [(1, "new"), (3, "new")]


async def test_nothing_stays_of_one_that_fails_after_a_statement_that_was_run_at_once(storage):
    def op(connection):
        add(2)(connection)
        assert ONE.first(connection, {"t_n": 1})[0] == "new", "what stood on the sheet is seen"
        connection.execute(text("UPDATE t SET what = 'changed'"))
        say(2, "said")(connection)
        raise RuntimeError("after both")

    answers = await together(storage, add(1), op, add(3))
    assert [type(each) for each in answers] == [type(None), RuntimeError, type(None)]
    assert [row[:2] for row in kept(storage)] == [(1, "new"), (3, "new")]


async def test_nothing_stays_of_one_that_fails_after_it_read_its_own_row(storage):
    def op(connection):
        add(2)(connection)
        assert ONE.first(connection, {"t_n": 2})[0] == "new"
        raise RuntimeError("after it")

    await together(storage, add(1), op)
    assert [row[0] for row in kept(storage)] == [1]


async def test_nothing_stays_of_one_that_fails_alone(storage):
    def op(connection):
        add(1)(connection)
        connection.execute(text("INSERT INTO t VALUES (2, 'at once', 0)"))
        raise RuntimeError("after both")

    with pytest.raises(RuntimeError):
        await storage.write(op)
    assert kept(storage) == []


@pytest.mark.parametrize("wrong", [add(1, "again"), say(9, "nobody"), more(9, 1)])
async def test_a_row_that_does_not_fit_is_its_own_operations_matter(storage, wrong):
    await together(storage, add(1))
    answers = await together(storage, add(2), both(add(3), wrong), say(1, "later"), add(4))
    assert [type(each) for each in answers] == [type(None), Refused, type(None), type(None)]
    assert [row[:2] for row in kept(storage)] == [(1, "later"), (2, "new"), (4, "new")]


async def test_a_row_that_does_not_fit_is_found_before_a_statement_that_is_run_at_once(storage):
    await together(storage, add(1))
    answers = await together(storage, add(1), lambda c: ONE.first(c, {"t_n": 1}), add(2))
    assert type(answers[0]) is Refused
    assert tuple(answers[1]) == ("new", 0)
    assert [row[0] for row in kept(storage)] == [1, 2]


@pytest.mark.parametrize("look", [False, True], ids=["at the end", "before a statement of another"])
async def test_a_row_that_is_none_is_its_own_operations_matter(storage, look):
    """What cannot even be bound is found when the others' rows are written."""
    others = [lambda c: ONE.first(c, {"t_n": 1})] if look else []
    answers = await together(storage, add(1), add(2, "\ud800"), more(1, 2**70), *others, add(3))
    assert [type(each) for each in answers if isinstance(each, Exception)] == [UnicodeEncodeError, OverflowError]
    assert [row[0] for row in kept(storage)] == [1, 3]


@pytest.mark.parametrize("error", [sqlite3.OperationalError("interrupted"), BaseException("a signal")])
async def test_whose_rows_are_lost_with_anothers_statement_hears_of_it(fast, monkeypatch, error):
    real = sheets.Sheet._all

    def interrupted(self, statement, rows, **how):
        monkeypatch.undo()
        real(self, statement, rows[:1], **how)
        raise error

    monkeypatch.setattr(sheets.Sheet, "_all", interrupted)
    answers = await together(fast, add(1), add(2), lambda c: ONE.first(c, {"t_n": 1}), add(3))
    told = WriteFailed if isinstance(error, sqlite3.Error) else type(error)
    assert [type(each) for each in answers] == [WriteFailed, WriteFailed, told, type(None)]
    assert [row[0] for row in kept(fast)] == [3]


async def test_a_group_that_is_run_again_keeps_no_loop_waiting_for_another_process(fast, monkeypatch):
    other = sqlite3.connect(fast.path, isolation_level=None, check_same_thread=False)
    begun, calls, gaps = fast._writer._begun, [], []

    def overtaken(**how):
        calls.append(how)
        if len(calls) == 2:
            other.execute("BEGIN IMMEDIATE")
        return begun(**how)

    async def pulse():
        for _ in range(30):
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            gaps.append(time.perf_counter() - before)
        other.execute("ROLLBACK")

    await together(fast, add(1))
    monkeypatch.setattr(fast._writer, "_begun", overtaken)
    seen = []
    noted = both(lambda c: seen.append(dict(remembered(c, "t"))), remember, add(2))
    (answers, _) = await asyncio.gather(together(fast, noted, add(1)), pulse())
    other.close()
    assert [type(each) for each in answers] == [type(None), Refused]
    assert seen == [{}] * 3, "it is not remembered what was undone"
    assert max(gaps) < 0.2


async def test_there_need_not_be_a_row_when_nobody_says_what_is_wrong_without_it(storage):
    await storage.write(lambda c: SAY.later(c, ("x", 9)))
    assert kept(storage) == []


def test_a_row_that_breaks_a_constraint_and_nobody_says_why(storage):
    storage.write_sync(add(1))
    with pytest.raises(Exception, match="UNIQUE constraint failed"):
        storage.write_sync(lambda c: ADD.later(c, {"n": 1, "what": "", "sum": 0}))


# -- what is remembered ------------------------------------------------------------------------------------------------


def known(storage):
    return storage.write_sync(lambda c: dict(remembered(c, "t")))


def remember(connection):
    remembered(connection, "t")["n"] = 1


async def test_what_is_remembered_stays_until_another_connection_writes(fast):
    await fast.write(remember)
    await fast.write(add(1))
    await fast.read(lambda c: ONE.first(c, {"t_n": 1}))
    assert known(fast) == {"n": 1}
    other = sqlite3.connect(fast.path, isolation_level=None)
    other.execute("UPDATE t SET what = 'by another'")
    other.close()
    assert known(fast) == {}


async def test_a_reader_remembers_nothing(fast):
    await fast.read(remember)
    assert known(fast) == {}
    assert not await fast.read(lambda c: hasattr(c, SHEET))


@pytest.mark.parametrize(
    "op",
    [
        failing(),
        lambda c: SAY.changed(c, ("x", 1)),
        lambda c: c.execute(text("UPDATE t SET what = 'x'")),
        lambda c: c.exec_driver_sql("DELETE FROM t"),
    ],
)
async def test_it_is_forgotten_when_it_may_have_changed_otherwise(fast, op):
    await fast.write(remember)
    await together(fast, op)
    assert known(fast) == {}


async def test_it_is_forgotten_when_a_commit_fails(fast, monkeypatch):
    await fast.write(remember)

    def full(_self):
        raise sqlite3.OperationalError("no room")

    monkeypatch.setattr(sheets.Sheet, "write", full)
    with pytest.raises(Exception, match="no room"):
        await fast.write(add(1))
    monkeypatch.undo()
    assert known(fast) == {}
    assert kept(fast) == []


async def test_it_is_forgotten_after_many_operations(fast, monkeypatch):
    monkeypatch.setattr(sheets, "REMEMBERED", 10)
    await fast.write(remember)
    assert known(fast) == {"n": 1}
    await together(fast, *(add(n) for n in range(20)))
    assert known(fast) == {}


async def test_what_is_read_after_a_failure_is_what_the_others_wrote(fast):
    """The failed one's memory is dropped with that of those before it, whose rows are not written yet."""

    def look(connection):
        return ONE.look(connection, (1,))

    await together(fast, add(1))
    answers = await together(fast, more(1, 5), failing(more(1, 9)), look, more(1, 1))
    assert tuple(answers[2][0]) == ("new", 5)
    assert kept(fast) == [(1, "new", 6)]


async def test_a_full_disk_fails_the_group_and_the_next_one_goes_on(fast):
    pages = fast.write_sync(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar())
    fast.write_sync(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages + 3}").scalar())
    answers = await together(fast, *(add(n, "x" * 4000) for n in range(9)))
    assert {type(each) for each in answers} == {StorageFull}
    assert kept(fast) == []
    assert await together(fast, add(1)) == [None]
    assert [row[0] for row in kept(fast)] == [1]


# -- the ledger in groups ----------------------------------------------------------------------------------------------

EXPECTED = (NGError, RuntimeError)
SCOPES = st.builds(
    Scopes, user=st.sampled_from("ab"), mission=st.sampled_from("mn"), task=st.sampled_from(("t", "t/1"))
)
HOURS = st.sampled_from((AT, "2026-11-21T15:00:00.000000Z"))
MOVES = st.one_of(
    st.tuples(st.just("hold"), SCOPES, st.integers(1, 60), st.none() | st.integers(0, 150), HOURS),
    st.tuples(st.just("settle"), st.integers(0, 12), st.integers(0, 70), st.sampled_from(list(HoldStatus)[1:])),
    st.tuples(st.just("fail"), SCOPES, st.integers(1, 60), st.none(), HOURS),
    st.tuples(st.just("limit"), st.sampled_from("ab*"), st.integers(0, 200)),
    st.tuples(st.just("clear")),
)


class Books:
    """The ledger of one tenant on one storage, and what each operation answered."""

    def __init__(self, storage, tenant):
        self.storage, self.tenant = storage, tenant
        self.credits = Credits(storage, tenant=tenant)
        self.ledger = Ledger()
        self.holds = 0

    def op(self, move):
        kind, *about = move
        if kind in ("hold", "fail"):
            scopes, amount, budget, at = about
            self.holds += kind == "hold"
            limits = () if budget is None else (Limit("mission", scopes.mission, budget),)
            scopes = scopes._replace(tenant=self.tenant)
            hold = Hold(f"h{self.holds if kind == 'hold' else 'x'}", amount, scopes, 1, at, limits)
            return self.failing(hold) if kind == "fail" else lambda c: bool(self.ledger.hold(c, hold))
        if kind == "settle":
            number, amount, status = about
            return lambda c: self.ledger.settle(c, f"h{number}", amount, status=status, at=AT, tenant=self.tenant)[:6]
        if kind == "limit":
            name, amount = about
            row = {"tenant": self.tenant, "account": f"user:{name}", "period": "total", "amount": amount}
            return lambda c: self.credits._limits.put(c, row | {"kind": "hard", "by": "human:ada", "at": AT})
        return lambda c: self.credits._holds.clear(c, self.tenant, None, {"cleared_at": AT})

    def failing(self, hold):
        def op(connection):
            self.ledger.hold(connection, hold)
            raise RuntimeError("after it was held")

        return op

    async def run(self, moves):
        answers = await together(self.storage, *map(self.op, moves))
        assert all(isinstance(each, EXPECTED) for each in answers if isinstance(each, BaseException)), answers
        return [(type(each).__name__, str(each)) if isinstance(each, Exception) else each for each in answers]

    def rows(self):
        def op(connection):
            found = {}
            for name in ("credit_holds", "credit_balances", "credit_stops", "ledger_entries"):
                rows = connection.execute(text(f"SELECT * FROM {name} WHERE tenant = :t"), {"t": self.tenant})
                found[name] = sorted(str(row[name == "ledger_entries" :]) for row in map(tuple, rows))
            return found

        return self.storage.read_sync(op)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """One that writes in groups and remembers, and one that does neither."""
    grouped = Storage.open(f"sqlite:///{tmp_path_factory.mktemp('grouped')}/home/nextgen.db")
    plain = Storage.open("sqlite://", prepared=False)
    yield grouped, plain, itertools.count()
    grouped.close()
    plain.close()


@given(groups=st.lists(st.lists(MOVES, min_size=1, max_size=6), min_size=1, max_size=6))
def test_a_ledger_that_writes_in_groups_and_remembers_answers_as_one_that_does_neither(two, groups):
    *storages, numbers = two
    grouped, plain = (Books(storage, f"tenant{next(numbers) // 2}") for storage in storages)

    async def both_ways():
        for moves in groups:
            assert await grouped.run(moves) == await plain.run(moves)
            assert grouped.rows() == plain.rows()
        assert await grouped.storage.read(lambda c: verify(c, grouped.tenant)) == []

    asyncio.run(both_ways())


async def test_a_balance_that_one_hour_begins_to_keep_moves_with_a_settlement_of_another(two):
    storage, tenant = two[0], "across hours"
    ledger, before = Ledger(), AT.replace("14:30", "13:59")

    def hold(name, user, at):
        return lambda c: ledger.hold(c, Hold(name, 40, Scopes(tenant, user=user), 1, at))

    def settle(name):
        return lambda c: ledger.settle(c, name, 10, at=AT, tenant=tenant)

    await together(storage, hold("h1", "a", before), hold("h2", "b", before))
    await Credits(storage, tenant=tenant).set_limit(Limit("user", "a", 100), by="human:ada")
    await together(storage, settle("h2"), hold("h3", "a", AT), settle("h1"))
    assert await storage.read(lambda c: verify(c, tenant)) == []


async def test_what_is_remembered_of_the_books_is_bounded_too(fast, monkeypatch):
    monkeypatch.setattr(sheets, "REMEMBERED", 50)
    ledger, most = Ledger(), 0

    def call(name):
        def op(connection):
            ledger.hold(connection, Hold(name, 40, Scopes(), 1, AT))
            ledger.settle(connection, name, 10, at=AT)
            (desk,) = remembered(connection, "credit").values()
            return len(desk.holds)

        return op

    for number in range(100):
        most = max(most, await fast.write(call(f"h{number}")))
    assert 20 < most <= 51

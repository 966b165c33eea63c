"""Waiting in turn: who came first goes first, a small call never starves a large one, nobody waits past its time."""

import asyncio

import pytest
from tests.unit.credits.conftest import AT

from nextgeneration.credits import waiting
from nextgeneration.credits.audit import verify
from nextgeneration.credits.errors import AccountStopped, HoldTimedOut, OverLimit
from nextgeneration.credits.ledger import Ledger
from nextgeneration.credits.schema import Hold, Limit, Scopes
from nextgeneration.credits.waiting import Queue
from nextgeneration.storage.database import Storage

LONG = 60.0


@pytest.fixture
def storage(tmp_path):
    storage = Storage.open(f"sqlite:///{tmp_path}/home/nextgen.db")
    yield storage
    storage.close()


class Line:
    """Calls of one process that share a ledger and a queue."""

    def __init__(self, storage):
        self.storage = storage
        self.ledger = Ledger()
        self.queue = Queue()
        self.order = []

    async def hold(self, name, amount, *limits, scopes, seconds=LONG):
        hold = Hold(name, amount, scopes, 1, AT, limits)

        def op(connection):
            self.ledger.hold(connection, hold)
            self.order.append(name)  # in the transaction: the order of the books, not that of waking up

        await self.queue.held(scopes, amount, lambda: self.storage.write(op), seconds)

    async def settle(self, name, amount):
        settled = await self.storage.write(lambda c: self.ledger.settle(c, name, amount, at=AT))
        self.queue.settled(settled.scopes)

    async def waiting(self, number, account=None):
        async with asyncio.timeout(30):
            while self.queue.waiting(account) != number:
                await asyncio.sleep(0.001)


@pytest.fixture
def line(storage):
    return Line(storage)


def of(user, mission="mis_1"):
    return Scopes(user=user, mission=mission)


MISSION = Limit("mission", "mis_1", 100)


@pytest.fixture
def no_looking(monkeypatch):
    """Nobody looks again by themselves: only being woken helps."""
    monkeypatch.setattr(waiting, "SOONEST", 3600.0)
    monkeypatch.setattr(waiting, "LATEST", 3600.0)


async def test_a_settlement_wakes_who_waits(line, no_looking):
    await line.hold("first", 100, MISSION, scopes=of("ada"))
    second = asyncio.create_task(line.hold("second", 100, MISSION, scopes=of("ada"), seconds=3000))
    await line.waiting(1)
    await line.settle("first", 0)
    await asyncio.wait_for(second, 30)


async def test_small_calls_do_not_starve_an_earlier_large_one(line):
    ada = of("ada")
    await line.hold("first", 50, MISSION, scopes=ada)
    async with asyncio.TaskGroup() as group:
        group.create_task(line.hold("large", 100, MISSION, scopes=ada))
        await line.waiting(1)
        small = [group.create_task(line.hold(f"small{n}", 10, MISSION, scopes=ada)) for n in range(4)]
        await line.waiting(5)
        assert line.order == ["first"], "there is room for small ones, and they wait"
        await line.settle("first", 0)
        await line.waiting(4)
        assert line.order == ["first", "large"]
        await line.settle("large", 0)
        await asyncio.gather(*small)
    assert line.order == ["first", "large", "small0", "small1", "small2", "small3"]
    assert line.queue.waiting() == 0
    assert line.queue.waits.count == 5


async def test_who_does_not_concern_the_full_account_does_not_wait(line):
    await line.hold("first", 100, MISSION, scopes=of("ada"))
    task = asyncio.create_task(line.hold("second", 10, MISSION, scopes=of("ada")))
    await line.waiting(1)
    await line.hold("elsewhere", 10, scopes=of("ada", "mis_2"))
    assert line.order == ["first", "elsewhere"]
    await line.settle("first", 0)
    await task


async def test_a_call_moves_from_one_full_account_to_the_next(line):
    user = Limit("user", "ada", 100)
    await line.hold("a", 100, MISSION, scopes=of("bob"))
    await line.hold("b", 100, user, scopes=of("ada", "mis_2"))
    task = asyncio.create_task(line.hold("both", 100, MISSION, user, scopes=of("ada")))
    await line.waiting(1, "mission:mis_1")
    await line.settle("a", 0)
    await line.waiting(1, "user:ada")
    behind = asyncio.create_task(line.hold("behind", 10, scopes=of("ada", "mis_3")))
    await asyncio.wait_for(line.hold("free", 0, scopes=of("bob")), 30)
    await line.waiting(2, "user:ada")
    await line.settle("b", 0)
    await asyncio.wait_for(asyncio.gather(task, behind), 30)
    assert line.order == ["a", "b", "free", "both", "behind"]


async def test_nobody_waits_past_its_time(line):
    await line.hold("first", 60, MISSION, scopes=of("ada"))
    with pytest.raises(HoldTimedOut) as over:
        await line.hold("second", 70, MISSION, scopes=of("ada"), seconds=0.05)
    assert (over.value.limit, over.value.wanted, over.value.held) == ("mission:mis_1/total", 70, 60)
    assert line.queue.waiting() == 0
    with pytest.raises(HoldTimedOut):
        await line.hold("never", 70, MISSION, scopes=of("ada"), seconds=0)
    await line.hold("third", 40, MISSION, scopes=of("ada"), seconds=0)


async def test_who_waits_behind_is_timed_too_and_frees_its_place(line):
    await line.hold("first", 100, MISSION, scopes=of("ada"))
    head = asyncio.create_task(line.hold("head", 50, MISSION, scopes=of("ada")))
    await line.waiting(1)
    with pytest.raises(HoldTimedOut) as over:
        await line.hold("behind", 10, MISSION, scopes=of("ada"), seconds=0.05)
    assert over.value.limit == "mission:mis_1/total"
    await line.settle("first", 0)
    await asyncio.wait_for(head, 30)


async def test_a_cancelled_call_lets_the_next_one_go(line):
    await line.hold("first", 60, MISSION, scopes=of("ada"))
    large = asyncio.create_task(line.hold("large", 90, MISSION, scopes=of("ada")))
    await line.waiting(1)
    small = asyncio.create_task(line.hold("small", 40, MISSION, scopes=of("ada")))
    await line.waiting(2)
    large.cancel()
    await asyncio.wait_for(small, 30)
    assert line.order == ["first", "small"]
    with pytest.raises(asyncio.CancelledError):
        await large
    assert line.queue.waiting() == 0


async def test_a_call_that_can_never_fit_leaves_the_line_at_once(line):
    await line.hold("first", 60, MISSION, scopes=of("ada"))
    second = asyncio.create_task(line.hold("second", 60, MISSION, scopes=of("ada")))
    await line.waiting(1)
    third = asyncio.create_task(line.hold("third", 20, MISSION, scopes=of("ada")))
    await line.waiting(2)
    await line.settle("first", 60)
    with pytest.raises(OverLimit):
        await asyncio.wait_for(second, 30)
    await asyncio.wait_for(third, 30)


async def test_a_stop_ends_the_wait(line):
    await line.hold("first", 60, MISSION, scopes=of("ada"))
    second = asyncio.create_task(line.hold("second", 60, MISSION, scopes=of("ada")))
    await line.waiting(1)
    await line.settle("first", 61)
    with pytest.raises(AccountStopped):
        await asyncio.wait_for(second, 30)


async def test_settlements_of_other_processes_are_found(line, storage):
    """The queue is told nothing: what another process settled is found by looking again."""
    await line.hold("first", 100, MISSION, scopes=of("ada"))
    second = asyncio.create_task(line.hold("second", 100, MISSION, scopes=of("ada")))
    await line.waiting(1)
    await storage.write(lambda c: line.ledger.settle(c, "first", 0, at=AT))
    await asyncio.wait_for(second, 30)


async def test_a_settlement_during_the_first_try_is_not_missed(line, no_looking):
    """Between the refusal in the books and the place in the line, the only holder settles."""
    await line.hold("first", 100, MISSION, scopes=of("ada"))
    tries = []

    async def attempt():
        tries.append(1)
        hold = Hold("second", 100, of("ada"), 1, AT, (MISSION,))
        try:
            return await line.storage.write(lambda c: line.ledger.hold(c, hold))
        finally:
            if len(tries) == 1:
                await line.settle("first", 0)

    await asyncio.wait_for(line.queue.held(of("ada"), 100, attempt, 3000), 30)
    assert len(tries) == 2


async def test_a_crowd_spends_a_limit_to_its_last_call(line, storage):
    """Eighty calls of several users, a hundred at most: every one that fits goes, in the order they came."""
    limit = Limit("mission", "mis_1", 1000)
    refused = []

    async def call(n):
        name, amount = f"c{n}", 10 + n % 7
        try:
            await line.hold(name, amount, limit, scopes=of(f"user{n % 5}"))
        except OverLimit as error:
            refused.append(error.wanted)
        else:
            await asyncio.sleep(0)
            await line.settle(name, amount - n % 3)

    async with asyncio.TaskGroup() as group:
        for n in range(100):
            group.create_task(call(n))
    spent = (await storage.read(lambda c: line.ledger.standings(c, of("ada"), AT, (limit,))))[0].spent
    assert spent <= 1000
    assert refused
    assert 1000 - spent < max(refused)
    assert await storage.read(verify) == []
    assert line.queue.waiting() == 0

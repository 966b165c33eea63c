"""A call is made only while its worker certainly still has the mission."""

import asyncio
from datetime import timedelta

import pytest

from nextgeneration.missions.effects import Policy
from nextgeneration.missions.errors import LeaseLost, MissionCancelled, OverBudget
from nextgeneration.missions.leases import Draft
from nextgeneration.missions.schema import MissionRequest
from nextgeneration.missions.service import Missions
from nextgeneration.storage.database import Storage


class Late:
    """A clock of which one of both times jumps, as the machine slept or somebody set it."""

    def __init__(self, clock, *, wall=0.0, steady=0.0):
        self.clock, self.wall, self.steady = clock, wall, steady

    def now(self):
        return self.clock.now() + timedelta(seconds=self.wall)

    def monotonic(self):
        return self.clock.monotonic() + self.steady


def leap(bench, seconds, which):
    """Time passes in this process while it does nothing at all."""
    shared = bench.missions._shared
    shared.clock = {
        "both": lambda: Late(shared.clock, wall=seconds, steady=seconds),
        "wall": lambda: Late(shared.clock, wall=seconds),
        "steady": lambda: Late(shared.clock, steady=seconds),
    }[which]()


@pytest.fixture
def asleep(bench):
    """Do ``then`` right after the next intent is on disk, before its call."""

    def arrange(then):
        def at(boundary):
            if boundary == "effect.intent":
                bench.missions._shared.at = lambda _: None
                then()

        bench.missions._shared.at = at

    return arrange


def taken_over(bench):
    storage = bench.missions._shared.storage
    storage.write_sync(lambda c: c.exec_driver_sql("UPDATE missions SET attempt = attempt + 1"))


@pytest.mark.parametrize("which", ["both", "wall", "steady"])
async def test_a_worker_that_slept_past_its_lease_makes_no_call_another_may_have_made(bench, asleep, which):
    send = bench.writer("send")
    await bench.start()
    door = bench.claim.door(bench.tools, Policy(standing=("send",)), bench.path)

    def sleeps():
        leap(bench, 31, which)
        taken_over(bench)

    asleep(sleeps)
    with pytest.raises(LeaseLost):
        await door.task("t1", "agent").call("send", {})
    assert send.calls == []


@pytest.mark.parametrize("which", ["both", "wall", "steady"])
async def test_a_worker_that_slept_and_was_not_missed_goes_on(bench, asleep, which):
    look = bench.tool("look")
    await bench.start()
    before = (await bench.missions.get(bench.claim.id)).lease_until
    asleep(lambda: leap(bench, 31, which))
    await bench.task().call("look", {})
    assert len(look.calls) == 1
    after = (await bench.missions.get(bench.claim.id)).lease_until
    assert after >= before
    assert (after > before) is (which != "steady"), "it took its time again before the call"


async def test_a_worker_that_slept_while_its_mission_was_cancelled_makes_no_call(bench, asleep):
    look = bench.tool("look")
    await bench.start()
    storage = bench.missions._shared.storage

    def sleeps():
        leap(bench, 31, "both")
        storage.write_sync(lambda c: c.exec_driver_sql("UPDATE missions SET cancelled_by = 'human:ada'"))

    asleep(sleeps)
    with pytest.raises(MissionCancelled):
        await bench.task().call("look", {})
    assert look.calls == []


async def test_a_lease_that_is_not_over_costs_no_write(bench):
    await bench.start()
    writes = []
    storage = bench.missions._shared.storage
    write = storage.write
    storage.write = lambda op: writes.append(op) or write(op)
    await bench.claim.secure()
    assert writes == []


async def test_a_mission_that_ended_leaves_no_timer_behind(bench, monkeypatch):
    """A limit is long, and a worker ends many missions meanwhile."""
    loop = asyncio.get_running_loop()
    timers, call_at = [], loop.call_at
    monkeypatch.setattr(loop, "call_at", lambda *about, **more: timers.append(call_at(*about, **more)) or timers[-1])
    bench.tool("look")
    await bench.start()
    await bench.task().call("look", {})
    assert any(not timer.cancelled() and timer.when() > loop.time() + 1 for timer in timers)
    await bench.claim.end("done", {})
    assert not [timer for timer in timers if not timer.cancelled() and timer.when() > loop.time() + 1]


# -- what rides with a transaction -------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False], ids=["an outcome", "a recorded value"])
async def test_what_rode_with_another_tasks_refused_transaction_still_comes_before_what_follows_from_it(tmp_path, told):
    """A crash between the two would lose an answer after which something was recorded."""
    storage = Storage.open(f"sqlite:///{tmp_path}/home/nextgen.db")
    missions = Missions(storage)
    request = MissionRequest(goal="x", workspace=str(tmp_path / "project"))
    claim = await missions.claim((await missions.accept(request)).id)

    def refused(_connection):
        raise OverBudget(scope="t1", limit=1, unit="tool_calls")

    written = []
    rides = Draft("effect.outcome", {}, "t2") if told else None
    claim.ride(rides, lambda _connection: written.append("before"), task="t2", soon=True)
    answers = await asyncio.gather(
        claim.commit(Draft("effect.intent", {}, "t1"), change=refused),
        claim.commit(Draft("effect.intent", {}, "t2"), change=lambda _connection: written.append("after")),
        claim.commit(Draft("effect.intent", {}, "t3")),
        return_exceptions=True,
    )
    assert [type(each) for each in answers] == [OverBudget, type(None), type(None)]
    assert written[-2:] == ["before", "after"]
    events = [(event.type, event.task) for event in (await missions.journal(claim.id))[2:]]
    assert [event for event in events if event[1] == "t2"] == [("effect.outcome", "t2")] * told + [
        ("effect.intent", "t2")
    ]
    assert ("effect.intent", "t1") not in events
    assert claim._aboard == {}
    storage.close()

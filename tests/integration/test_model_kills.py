"""Promise 3 on whole missions: processes that are killed, and a provider that fails, at every point of a model call.

The witness is the provider on loopback, in this process: what it was asked, and what it billed.
"""

import asyncio
import os
import queue
import random
import signal
import threading
import time

import pytest
from tests.integration.far_house import accounts, agree, answer, books, mark, purpose, template
from tests.integration.faults_driver_world import heard

from nextgeneration.credits.schema import HoldStatus, Limit
from nextgeneration.missions.boundaries import BOUNDARIES
from nextgeneration.testing.wire import Does, Fails, RateLimited, Resets, Say, Stalls, Truncated, WireServer

CALLS = 8
"""Questions to the model in one mission: the plan, three of each of two agents, the summary."""


PLENTY = 10**12
"""Credits of a mission that is killed again and again at one place: each time the call is charged in full."""


@pytest.fixture
def far():
    """The provider; it answers every mission the same way."""
    with WireServer(strict=False) as far:
        yield far.answers(answer)


@pytest.fixture
def root(tmp_path):
    template(tmp_path / "templates")
    return tmp_path


def goal(name):
    return f"thinker mark-{name}."


def accepting(name):
    return [[str(name), goal(name)]]


def cuts(trace, step):
    """Where to cut: every pass, or the first one of each boundary in each phase of the mission."""
    if step == "every":
        return list(range(len(trace)))
    first, phase = {}, "plan"
    ends = [boundary for boundary, _ in trace].count("task.ended")
    for place, (boundary, _) in enumerate(trace):
        first.setdefault((boundary, phase), place)
        ends -= boundary == "task.ended"
        phase = "work" if boundary == "plan.saved" else "prose" if not ends else phase
    return list(first.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("step", ["first", pytest.param("every", marks=pytest.mark.soak)])
def test_killed_at_every_boundary_the_ledger_is_exact_or_charges_in_full(root, far, lives, step):
    clean = lives.whole(root, models=far.url, accept=accepting("clean"))
    (trace,) = heard(clean, "passed")
    assert {boundary for boundary, _ in trace} == set(BOUNDARIES), "these missions pass every boundary there is"
    killed = {}
    for place in cuts(trace, step):
        pid = lives.start(root, models=far.url, accept=accepting(place), strike=place)
        code, said = lives.end(pid)
        struck = heard(said, "strikes")
        # Two agents work side by side: a later pass may come in another order, or not at all.
        assert (code, len(struck)) in {(-signal.SIGKILL, 1), (0, 0)}, (place, said, lives.errors())
        killed[f"mark-{place}"] = struck
    lives.whole(root, models=far.url, all=True)
    found = accounts(root, far)
    assert {account.status for account in found.values()} == {"done"}
    assert len(found) == len(killed) + 1, "each accepted mission is there, none twice"
    assert sum(map(bool, killed.values())) >= len(killed) - 2
    for name, account in found.items():
        agree(account, (name, killed.get(name)))
        assert len(account.settled) == CALLS, f"every question has its answer, each paid for once: {name}"
        assert account.report["cost"]["credits"] == account.charged, f"the report tells the whole cost: {name}"
    assert found["mark-clean"].unconfirmed == []
    assert any(account.unconfirmed for account in found.values())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_killed_by_the_provider_inside_a_call(root, lives, when):
    """F3, at each question of a mission: before, during and after the answer is sent."""
    victim = queue.SimpleQueue()
    asked, over = {}, []

    def killing(seen):
        number = asked[mark(seen)] = asked.get(mark(seen), 0) + 1
        step = answer(seen)
        if mark(seen) != f"mark-{number}" or over:
            return step
        pid = victim.get(timeout=30)
        return Does(when, lambda: os.kill(pid, signal.SIGKILL), step)

    with WireServer() as far:
        far.answers(killing)
        for number in range(1, CALLS + 1):
            pid = lives.start(root, models=far.url, accept=accepting(number))
            victim.put(pid)
            code, said = lives.end(pid)
            assert code == -signal.SIGKILL, (number, said)
        over.append(True)
        lives.whole(root, models=far.url, all=True)
    found = accounts(root, far)
    assert len(found) == CALLS
    for name, account in found.items():
        agree(account, (when, name))
        assert (account.status, len(account.settled)) == ("done", CALLS)
        if when != "after":
            assert account.unconfirmed, "what was not read is charged in full"
            assert max(account.asked.values()) == 2, "and asked for once more"


def kill_at_random(root, far, lives, kills, seed, at_once=4, reach=0.6):
    """Kill 0-600 ms after first progress, with missions side by side, until it was done ``kills`` times."""
    chance = random.Random(seed)
    rounds = done = 0
    while done < kills:
        batch = [[f"{rounds}.{n}", goal(f"{rounds}.{n}")] for n in range(at_once)]
        finished = False
        while done < kills and not finished:
            pid = lives.start(root, models=far.url, accept=batch, all=True, credits=PLENTY)
            if lives.hear(pid, "progress"):
                time.sleep(chance.random() * reach)
                os.kill(pid, signal.SIGKILL)
            code, said = lives.end(pid)
            assert code in {0, -signal.SIGKILL}, (said, lives.errors())
            done += code == -signal.SIGKILL
            finished = code == 0 or heard(said, "passed") != []
        rounds += 1
    lives.whole(root, models=far.url, all=True)
    return rounds * at_once


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [20, pytest.param(300, marks=pytest.mark.soak)])
def test_killed_at_random_instants(root, far, lives, kills):
    missions = kill_at_random(root, far, lives, kills, seed=kills)
    found = accounts(root, far)
    assert len(found) == missions
    for name, account in found.items():
        agree(account, name)
        assert (account.status, len(account.settled)) == ("done", CALLS)
        assert account.report["cost"]["credits"] == account.charged
    lost = sum(len(account.unconfirmed) for account in found.values())
    print(f"{kills} kills, {missions} missions: {lost} calls charged in full, unconfirmed")


BROKEN = {
    "reset before": lambda step: Resets("before", step),
    "reset before, billed": lambda step: Resets("before", step, bills=True),
    "reset during": lambda step: Resets("during", step),
    "reset after": lambda step: Resets("after", step),
    "closed during": lambda step: Resets("during", step, clean=True),
    "500": lambda step: Fails(500),
    "529": lambda step: Fails(529),
    "502 page": lambda step: Fails(502, body="<html>Bad Gateway</html>"),
    "429": lambda step: RateLimited(),
    "429 for 30 years": lambda step: RateLimited(retry_after=1e9),
    "empty account": lambda step: RateLimited(quota=True),
    "silent before": lambda step: Stalls("before", step),
    "silent during": lambda step: Stalls("during", step),
    "cut short": lambda step: Truncated("and then") if isinstance(step, Say) else step,
}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_provider_that_fails_in_any_way_is_paid_what_it_billed_or_in_full(root, lives):
    """One mission for each way; every third question fails. Nothing is left held, and every mission ends in order."""
    asked = {}
    ways = {f"mark-{n}": broken for n, broken in enumerate(BROKEN)}

    def failing(seen):
        number = asked[mark(seen)] = asked.get(mark(seen), 0) + 1
        step = answer(seen)
        return BROKEN[ways[mark(seen)]](step) if number % 3 == 0 else step

    with WireServer(strict=False) as far:
        far.answers(failing)
        lives.whole(root, models=far.url, answer_seconds=2.0, accept=[[str(n), goal(n)] for n in range(len(BROKEN))])
        time.sleep(0.2)
    found = accounts(root, far)
    assert set(found) == set(ways)
    for name, account in found.items():
        assert account.status in {"done", "partial"}, ways[name]
        assert account.open == 0, ways[name]
        assert account.charged >= sum(account.bills), ways[name]
        assert len(account.unconfirmed) == account.lost(), ways[name]
        assert account.report["cost"]["credits"] == account.charged, ways[name]
        assert max(account.asked.values()) <= 4, "tried again a bounded number of times"


def sampled(root, limit, seen, over):
    """Look at the books again and again until ``over``; the most that was ever spent and held together."""

    async def look(credits_):
        (standing,) = (await credits_.overview()).standings
        return standing.spent + standing.held

    with books(root) as (_, credits_):
        while not over.is_set():
            seen.append(asyncio.run(look(credits_)))
            time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_processes_side_by_side_never_pass_a_hard_limit_not_even_when_they_are_killed(root, far, lives):
    limit = Limit("tenant", "local", 16_000_001)
    with books(root) as (_, credits_):
        asyncio.run(credits_.set_limit(limit, by="human:test"))
    most, over = [], threading.Event()
    watching = threading.Thread(target=sampled, args=(root, limit, most, over))
    watching.start()
    try:
        pids = [
            lives.start(root, models=far.url, accept=[[f"{n}.{k}", goal(f"{n}.{k}")] for k in range(3)])
            for n in range(4)
        ]
        for pid in pids[:2]:
            lives.hear(pid, "progress")
        time.sleep(0.4)
        os.kill(pids[0], signal.SIGKILL)
        killed, _ = lives.end(pids[0])
        # Until somebody takes its missions over, what it held is held, and the others wait for it.
        pids[0] = lives.start(root, models=far.url, all=True)
        codes = [killed, *(lives.end(pid)[0] for pid in pids)]
        assert codes == [-signal.SIGKILL, 0, 0, 0, 0], lives.errors()
        lives.whole(root, models=far.url, all=True)
    finally:
        over.set()
        watching.join()
    found = accounts(root, far)
    spent = sum(account.charged for account in found.values())
    assert max(most) <= limit.amount, "not by one micro-credit, at any moment that was looked at"
    assert sum(sum(account.bills) for account in found.values()) <= spent <= limit.amount
    assert {account.status for account in found.values()} <= {"done", "partial"}, "each ends in order"
    for name, account in found.items():
        assert account.open == 0, name
        assert len(account.unconfirmed) == account.lost(), name
    refused = [e for a in found.values() for e in a.journal if e.type == "effect.refused" and e.data["tool"] == "model"]
    assert refused, "the limit was tried"
    assert far.requests


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_a_dead_mission_holds_keeps_no_other_waiting(root, lives):
    """Whoever works closes it by itself: nobody resumes the dead mission, and nobody has to."""
    victim = queue.SimpleQueue()

    def killing(seen):
        step = answer(seen)
        return Does("before", lambda: os.kill(victim.get(timeout=30), signal.SIGKILL), step) if victims(seen) else step

    def victims(seen):
        return mark(seen) == "mark-dead"

    with WireServer(strict=False) as far:
        far.answers(killing)
        pid = lives.start(root, models=far.url, accept=accepting("dead"))
        victim.put(pid)
        assert lives.end(pid)[0] == -signal.SIGKILL
        with books(root) as (_, credits_):
            (hold,) = asyncio.run(credits_.history(limit=None))
            assert hold.status is HoldStatus.HELD
            # Room for a call like the dead one's, but not beside it.
            limit = Limit("tenant", "local", hold.held + hold.held * 9 // 10)
            asyncio.run(credits_.set_limit(limit, by="human:test"))
        lives.whole(root, models=far.url, accept=accepting("living"), recover=0.2)
        found = accounts(root, far)
    dead, living = found["mark-dead"], found["mark-living"]
    assert (dead.open, dead.unconfirmed, dead.status) == (0, [hold.held], "queued"), "closed, and left for a resume"
    assert living.status in {"done", "partial"}
    assert living.settled, "it was asked as soon as there was room"
    timed_out = [event for event in living.journal if "NG-CREDITS-005" in str(event.data)]
    assert timed_out == [], "no call waited in vain"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["Ctrl-C", "cancelled"])
def test_cut_off_in_order_inside_a_call_it_is_charged_at_once(root, lives, how):
    """Ctrl-C leaves the mission resumable, a cancellation ends it; in both nothing stays held by whoever left."""
    asking = threading.Event()

    def stalling(seen):
        if purpose(seen) == "plan" or asking.is_set():
            return answer(seen)
        asking.set()
        return Stalls("during", answer(seen))

    with WireServer(strict=False) as far:
        far.answers(stalling)
        pid = lives.start(root, models=far.url, accept=accepting(1))
        mission = lives.hear(pid, "accepted")
        assert asking.wait(60)
        time.sleep(0.1)
        if how == "Ctrl-C":
            os.kill(pid, signal.SIGINT)
        else:
            lives.whole(root, do="cancel", mission=mission)
        lives.end(pid)
        account = accounts(root, far)["mark-1"]
        assert account.open == 0, "who leaves in order settles what it held"
        assert len(account.unconfirmed) >= 1
        assert account.charged >= sum(account.bills)
        assert account.status == ("queued" if how == "Ctrl-C" else "cancelled")
        lives.whole(root, models=far.url, all=True)
    account = accounts(root, far)["mark-1"]
    agree(account, how)
    assert account.status == ("done" if how == "Ctrl-C" else "cancelled")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_workers_that_race_for_a_dead_mission_charge_what_it_held_once(root, lives):
    victim, struck = queue.SimpleQueue(), set()

    def killing(seen):
        if purpose(seen) != "work" or mark(seen) in struck:
            return answer(seen)
        struck.add(mark(seen))
        pid = victim.get(timeout=30)
        return Does("during", lambda: os.kill(pid, signal.SIGKILL), answer(seen))

    with WireServer(strict=False) as far:
        far.answers(killing)
        for name in range(3):
            pid = lives.start(root, models=far.url, accept=accepting(name))
            victim.put(pid)
            assert lives.end(pid)[0] == -signal.SIGKILL
        racing = [lives.start(root, models=far.url, all=True) for _ in range(3)]
        assert [lives.end(pid)[0] for pid in racing] == [0, 0, 0], lives.errors()
        lives.whole(root, models=far.url, all=True)
    for name, account in accounts(root, far).items():
        agree(account, name)
        assert (account.status, len(account.settled)) == ("done", CALLS)

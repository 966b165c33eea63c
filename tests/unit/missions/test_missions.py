"""Accepting, finding, claiming, leaving and cancelling missions."""

import asyncio
import math
import os
import subprocess
import sys
from collections import namedtuple

import pytest

from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.reports import Report
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.errors import (
    BudgetRefused,
    GoalRefused,
    IdempotencyConflict,
    LeaseLost,
    MissionAmbiguous,
    MissionCancelled,
    MissionEnded,
    MissionHeld,
    MissionUnknown,
    Parked,
    PinChanged,
    StateExposed,
)
from nextgeneration.missions.holders import Holder, is_alive, is_dead, this_process
from nextgeneration.missions.leases import Draft
from nextgeneration.missions.schema import MissionBudget, MissionOptions, MissionRequest, TaskRecord
from nextgeneration.missions.service import Missions
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.storage.database import Storage
from nextgeneration.storage.errors import StorageBusy, StorageFull

Revision = namedtuple("Revision", "digest data")

REQUEST = MissionRequest(goal="mend the roof", workspace="/srv/work")


def with_budget(**budget):
    return REQUEST.model_copy(update={"budget": MissionBudget(**budget)})


# -- accepting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("home", ["state", "deep/state", ".nextgen", ".nextgen/state"])
async def test_no_mission_works_where_the_state_is_kept_unless_that_is_closed_to_agents(tmp_path, home):
    place = tmp_path / home
    (tmp_path / "beside").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    storage = Storage.open(f"sqlite:///{place}/nextgen.db")
    missions = Missions(storage)
    for workspace in (place, tmp_path, tmp_path / "link"):
        request = REQUEST.model_copy(update={"workspace": str(workspace)})
        if workspace != place and ".nextgen" in home:
            assert (await missions.accept(request)).workspace == str(workspace)
        else:
            with pytest.raises(StateExposed):
                await missions.accept(request)
    await missions.accept(REQUEST.model_copy(update={"workspace": str(tmp_path / "beside")}))
    storage.close()


async def test_an_accepted_mission_is_kept_with_its_first_event(missions):
    accepted = await missions.accept(REQUEST)
    assert await missions.get(accepted.id) == accepted
    assert accepted.status == "queued"
    assert accepted.budget.tool_calls == 500
    (event,) = await missions.journal(accepted.id)
    assert (event.seq, event.type, event.data["goal"]) == (1, "mission.accepted", "mend the roof")


TOKEN = "gh" + "p_" + "q7Zp3vK9wLx2Rt8Yb4Mn6Hc1Jd5Fs0GkAb3D"


@pytest.mark.parametrize(
    ("goal", "kind"),
    [
        (f"why is {TOKEN} refused?", "github-token"),
        ("call it with Authorization: Bearer q7Zp3vK9" + "wLx2Rt8Yb4Mn6Hc1", "bearer-token"),
        ("the password: q7Zp3vK9" + "wLx2 does not work", "password"),
    ],
)
async def test_a_secret_in_a_goal_is_masked_before_anything_is_written(tmp_path, goal, kind):
    """Neither the mission nor its journal, nor any file of the store, has the value; the first event says its kind."""
    storage = Storage.open(f"sqlite:///{tmp_path}/.nextgen/goals.db")
    missions, heard = Missions(storage), []
    missions.bus.subscribe(heard.append)
    mission = await missions.accept(REQUEST.model_copy(update={"goal": goal}), key="once")
    again = await missions.accept(REQUEST.model_copy(update={"goal": goal}), key="once")
    assert again.id == mission.id
    (event,) = await missions.journal(mission.id)
    assert event.data["masked"] == [kind]
    assert "…" in mission.goal
    storage.close()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for told in (repr(mission), repr(event), repr(heard), written.decode("utf-8", "replace")):
        assert "wLx2" not in told
    assert mission.goal[:4] in written.decode("utf-8", "replace"), "the rest of the goal is there"


async def test_a_goal_without_a_secret_is_kept_word_for_word(missions):
    goal = "explain why `token = get_token()` fails, and what password rules we have"
    mission = await missions.accept(REQUEST.model_copy(update={"goal": goal}))
    assert mission.goal == goal
    assert "masked" not in (await missions.journal(mission.id))[0].data


async def test_what_the_goal_hides_is_cleaned(missions):
    mission = await missions.accept(MissionRequest(goal="  a\ud800b\0c \n", workspace="/tmp/\ud800"))
    assert mission.goal == "a?b\ufffdc"
    assert (await missions.get(mission.id)).workspace == "/tmp/?"


@pytest.mark.parametrize("goal", ["", "   \n\t", "\u200b\u200b", "x" * 20_001])
async def test_a_goal_that_says_nothing_or_too_much_is_refused(missions, goal):
    with pytest.raises(GoalRefused):
        await missions.accept(MissionRequest(goal=goal, workspace="/srv/work"))
    assert await missions.list() == []


@pytest.mark.parametrize(
    "budget",
    [
        {"tool_calls": 0},
        {"tool_calls": -1},
        {"tool_calls": 10**9},
        {"seconds": 0},
        {"seconds": -1},
        {"seconds": math.nan},
        {"seconds": math.inf},
        {"seconds": 1e12},
        {"credits": -1},
        {"credits": 2**53},
    ],
)
async def test_a_budget_that_is_none_is_refused(missions, budget):
    with pytest.raises(BudgetRefused):
        await missions.accept(with_budget(**budget))
    assert await missions.list() == []


async def test_the_same_key_is_the_same_mission_once_and_for_ever(missions, storage):
    taken = await asyncio.gather(*(missions.accept(REQUEST, key="k") for _ in range(50)))
    assert len({mission.id for mission in taken}) == 1
    assert len(await missions.list()) == 1
    again = Missions(storage)
    assert (await again.accept(REQUEST, key="k")).id == taken[0].id
    with pytest.raises(IdempotencyConflict):
        await again.accept(MissionRequest(goal="something else", workspace="/srv/work"), key="k")
    with pytest.raises(IdempotencyConflict):
        await again.accept(REQUEST.model_copy(update={"options": MissionOptions(network=True)}), key="k")
    assert (await again.accept(REQUEST, key="k2")).id != taken[0].id


# -- finding -----------------------------------------------------------------------------------------------------------


async def test_missions_are_found_by_either_end_of_their_id(missions):
    one = await missions.accept(REQUEST)
    await missions.accept(REQUEST)
    for ref in (one.id, one.id[-10:], f" {one.id} ", one.id[4:]):
        assert (await missions.get(ref)).id == one.id
    with pytest.raises(MissionAmbiguous):
        await missions.get("mis_")
    for ref in ("", "%", "_", "mis%", "nothing", "' OR 1=1 --", "\ud800"):
        with pytest.raises(MissionUnknown):
            await missions.get(ref)
    with pytest.raises(MissionUnknown):
        await missions.claim("mis_" + "0" * 26)


async def test_lists_are_newest_first_and_by_state(missions, clock):
    ids = []
    for _ in range(3):
        ids.append((await missions.accept(REQUEST)).id)
        clock.advance(1)
    claim = await missions.claim(ids[0])
    await claim.end("done", {})
    assert [line.id for line in await missions.list()] == ids[::-1]
    assert [line.id for line in await missions.list(["done"])] == ids[:1]
    assert [line.id for line in await missions.list(limit=1)] == ids[-1:]


async def test_a_tenant_sees_only_its_own(storage, missions):
    mine = await missions.accept(REQUEST)
    other = Missions(storage)
    other._shared.tenant = "other"
    assert await other.list() == []
    for use in (other.get, other.claim, other.journal, lambda ref: other.cancel(ref, "human:x")):
        with pytest.raises(MissionUnknown):
            await use(mine.id)


# -- leases ------------------------------------------------------------------------------------------------------------


async def test_a_live_lease_is_refused_naming_its_holder(missions, storage, clock):
    mission = await missions.accept(REQUEST)
    claim = await missions.claim(mission.id)
    with pytest.raises(MissionHeld) as held:
        await Missions(storage, clock=clock).claim(mission.id)
    assert held.value.holder == this_process() == claim.mission.holder


async def test_of_many_claims_at_once_one_succeeds(missions, storage):
    mission = await missions.accept(REQUEST)
    others = [Missions(storage, holder=f"far{n}.1:boot:1:1", clock=missions._shared.clock) for n in range(20)]
    taken = await asyncio.gather(*(other.claim(mission.id) for other in others), return_exceptions=True)
    assert sum(isinstance(claim, Claim) for claim in taken) == 1
    assert sum(isinstance(claim, MissionHeld) for claim in taken) == 19


async def test_an_expired_lease_is_taken_over_and_the_first_is_fenced(missions, storage, clock):
    mission = await missions.accept(REQUEST)
    far = Missions(storage, holder="far.1:boot:1:1", clock=clock)
    first = await far.claim(mission.id)
    clock.advance(29)
    await first.renew()
    clock.advance(29)
    with pytest.raises(MissionHeld):
        await missions.claim(mission.id)
    clock.advance(2)
    second = await missions.claim(mission.id)
    assert second.attempt == 2
    with pytest.raises(LeaseLost):
        await first.renew()
    with pytest.raises(LeaseLost):
        await first.end("done", {})
    assert (await missions.get(mission.id)).status == "running"


async def test_a_dead_process_of_this_machine_holds_nothing(missions, storage, clock):
    """On a laptop the next command goes on right after kill -9, without waiting for the lease."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    here = Holder.parse(this_process())
    dead = str(here._replace(pid=process.pid, start="1"))
    mission = await missions.accept(REQUEST)
    await Missions(storage, holder=dead, clock=clock).claim(mission.id)
    assert [line.id for line in await missions.orphans()] == [mission.id]
    assert (await missions.claim(mission.id)).attempt == 2


async def test_a_lease_from_a_clock_set_back_is_nonsense(missions, storage, clock):
    """F9: an hour back must not keep a dead worker's mission for an hour."""
    mission = await missions.accept(REQUEST)
    clock.advance(86_400)
    await Missions(storage, holder="far.1:boot:1:1", clock=clock).claim(mission.id)
    clock.advance(-86_400)
    assert (await missions.claim(mission.id)).attempt == 2


async def test_a_live_process_keeps_its_lease_when_the_clock_is_set_back(missions, storage, clock):
    mission = await missions.accept(REQUEST)
    clock.advance(86_400)
    await missions.claim(mission.id)
    clock.advance(-86_400)
    with pytest.raises(MissionHeld):
        await Missions(storage, clock=clock).claim(mission.id)


def test_holders():
    here = Holder.parse(this_process())
    assert here.pid == os.getpid()
    assert is_alive(this_process())
    assert not is_dead(this_process())
    assert is_dead(str(here._replace(start="1")))
    assert is_dead(str(here._replace(pid=2**22 + 1)))
    for unsure in (here._replace(host="far"), here._replace(boot="other", pid=1), "nonsense", "a:b:c:d", ""):
        assert not is_dead(str(unsure))
        assert not is_alive(str(unsure))


def test_a_zombie_process_is_dead():
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    here = Holder.parse(this_process())
    stat = f"/proc/{process.pid}/stat"
    with open(stat) as file:
        start = file.read().rpartition(")")[2].split()[19]
    while True:
        with open(stat) as file:
            if file.read().rpartition(")")[2].split()[0] == "Z":
                break
    assert is_dead(str(here._replace(pid=process.pid, start=start)))
    process.wait()


async def test_keeping_a_lease_renews_it_and_hears_of_cancellation(storage, monkeypatch):
    monkeypatch.setattr("nextgeneration.missions.shared.POLL_SECONDS", 0.01)
    missions = Missions(storage, MissionSettings(lease_seconds=0.09))
    mission = await missions.accept(REQUEST)
    claim = await missions.claim(mission.id)
    keeper = asyncio.create_task(claim.keep())
    await asyncio.sleep(0.3)
    with pytest.raises(MissionHeld):
        await Missions(storage).claim(mission.id)
    await Missions(storage).cancel(mission.id, "human:ada")
    await asyncio.wait_for(keeper, 5)
    assert isinstance(claim.lost, MissionCancelled)


async def test_keeping_a_lost_lease_ends(storage, monkeypatch):
    monkeypatch.setattr("nextgeneration.missions.shared.POLL_SECONDS", 0.01)
    missions = Missions(storage, holder="far.1:boot:1:1")
    mission = await missions.accept(REQUEST)
    claim = await missions.claim(mission.id)
    keeper = asyncio.create_task(claim.keep())
    await storage.write(lambda c: missions._shared.missions.claim(c, mission.id, 1, "other", "2999"))
    await asyncio.wait_for(keeper, 5)
    assert isinstance(claim.lost, LeaseLost)


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_claims_of_one_process_the_lost_one_ends_and_the_other_is_renewed(storage, monkeypatch, first):
    monkeypatch.setattr("nextgeneration.missions.shared.POLL_SECONDS", 0.01)
    missions = Missions(storage, MissionSettings(lease_seconds=0.09))
    mission = await missions.accept(REQUEST)
    lost = await missions.claim(mission.id)
    await asyncio.sleep(0.1)  # as a machine that slept
    claims = [lost, await missions.claim(mission.id)]
    keepers = [asyncio.create_task(claim.keep()) for claim in (claims[first], claims[1 - first])]
    await asyncio.sleep(0.3)
    assert isinstance(lost.lost, LeaseLost)
    with pytest.raises(MissionHeld):
        await Missions(storage).claim(mission.id)
    await missions.cancel(mission.id, "human:ada")
    await asyncio.wait_for(asyncio.gather(*keepers), 5)


async def test_the_missions_of_a_process_are_looked_at_with_one_read(storage, monkeypatch):
    monkeypatch.setattr("nextgeneration.missions.shared.POLL_SECONDS", 0.05)
    missions = Missions(storage)
    claims = [await missions.claim((await missions.accept(REQUEST)).id) for _ in range(5)]
    reads, read = [], storage.read

    async def counted(op):
        reads.append(op)
        return await read(op)

    monkeypatch.setattr(storage, "read", counted)
    keepers = [asyncio.create_task(claim.keep()) for claim in claims]
    await asyncio.sleep(0.02)
    keepers[0].cancel()
    await asyncio.sleep(0.07)
    assert len(reads) == 1
    monkeypatch.undo()
    await Missions(storage).cancel(claims[1].id, "human:ada")
    await asyncio.wait_for(keepers[1], 5)
    assert [claim.over for claim in claims] == [False, True, False, False, False]
    for keeper in keepers:
        keeper.cancel()


async def test_a_lease_is_renewed_although_its_mission_cannot_be_looked_at(storage, monkeypatch):
    monkeypatch.setattr("nextgeneration.missions.shared.POLL_SECONDS", 0.01)
    missions = Missions(storage, MissionSettings(lease_seconds=0.3))
    claim = await missions.claim((await missions.accept(REQUEST)).id)
    keeper = asyncio.create_task(claim.keep())

    async def busy(_op):
        raise StorageBusy(seconds=1)

    monkeypatch.setattr(storage, "read", busy)
    await asyncio.sleep(0.6)
    monkeypatch.undo()
    assert not claim.over
    await claim.event("still.here")
    keeper.cancel()


# -- leaving -----------------------------------------------------------------------------------------------------------


async def test_ending_keeps_the_report_and_refuses_more(missions):
    mission = await missions.accept(REQUEST)
    claim = await missions.claim(mission.id)
    assert await claim.end("partial", {"findings": [1]}, reason="one agent failed") == "partial"
    ended = await missions.get(mission.id)
    assert (ended.status, ended.report, ended.reason) == ("partial", {"findings": [1]}, "one agent failed")
    assert ended.ended_at
    assert ended.holder is None
    with pytest.raises(MissionEnded):
        await claim.event("task.started")
    with pytest.raises(MissionEnded):
        await missions.claim(mission.id)
    with pytest.raises(MissionEnded):
        await missions.cancel(mission.id, "human:ada")
    await claim.release()
    assert (await missions.get(mission.id)).status == "partial"


async def test_parked_missions_wait_for_a_human_to_resume_them(missions):
    mission = await missions.accept(REQUEST)
    claim = await missions.claim(mission.id)
    await claim.park("a record is damaged")
    assert (await missions.get(mission.id)).status == "parked"
    assert await missions.orphans() == []
    assert (await missions.claim(mission.id)).attempt == 2


async def test_events_ride_with_the_next_transaction(missions):
    mission = await missions.accept(REQUEST)
    claim = await missions.claim(mission.id)
    claim.event_nowait("task.started", {"n": 1}, "t1")
    assert len(await missions.journal(mission.id)) == 2
    await claim.flush()
    await claim.flush()
    claim.event_nowait("task.started", {"n": 2}, "t2")
    await claim.event("action.done")
    claim.event_nowait("task.started", {"n": 3}, "t3")
    await claim.end("done", {})
    assert [(event.seq, event.type) for event in await missions.journal(mission.id, after=2)] == [
        (3, "task.started"),
        (4, "task.started"),
        (5, "action.done"),
        (6, "task.started"),
        (7, "mission.ended"),
    ]


async def test_events_of_a_refused_transaction_ride_with_the_next(missions, storage):
    mission = await missions.accept(REQUEST)
    claim = await missions.claim(mission.id)
    claim.event_nowait("task.started", {}, "t1")

    def full(_connection):
        raise StorageFull

    with pytest.raises(StorageFull):
        await claim.commit(change=full)
    await claim.event("action.done")
    assert [event.type for event in await missions.journal(mission.id, after=2)] == ["task.started", "action.done"]


async def test_a_failing_hand_over_keeps_its_riders_too(bench):
    bench.writer("act")
    await bench.start()
    with pytest.raises(Parked):
        await bench.task().call("act", {})
    bench.claim.event_nowait("task.ended", {}, "t1")
    await bench.answer()
    assert await bench.claim.wait("x") is False
    await bench.claim.end("done", {})
    assert [event.type for event in await bench.events()][-2:] == ["task.ended", "mission.ended"]


async def test_one_claim_that_cannot_write_what_should_be_on_disk_soon_keeps_no_other_from_it(missions):
    claims = [await missions.claim((await missions.accept(REQUEST)).id) for _ in range(2)]
    claims[0].ride(Draft("task.noted", {"what": object()}), soon=True)
    claims[1].ride(Draft("task.noted"), soon=True)
    await asyncio.sleep(0.05)
    assert (await missions.journal(claims[1].id))[-1].type == "task.noted"


async def test_what_should_be_on_disk_soon_is_let_go_with_a_storage_that_was_closed(missions, storage):
    claim, failures = await missions.claim((await missions.accept(REQUEST)).id), []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: failures.append(context))
    claim.ride(Draft("task.noted"), soon=True)
    storage.close()
    await asyncio.sleep(0.05)
    assert failures == []


# -- cancelling --------------------------------------------------------------------------------------------------------


async def test_a_queued_mission_is_cancelled_at_once(missions):
    mission = await missions.accept(REQUEST)
    cancelled = await missions.cancel(mission.id, "human:ada")
    assert (cancelled.status, cancelled.cancelled_by) == ("cancelled", "human:ada")
    assert (await missions.cancel(mission.id, "human:eve")).cancelled_by == "human:ada"
    assert [event.type for event in await missions.journal(mission.id)] == [
        "mission.accepted",
        "mission.cancelled",
        "mission.ended",
    ]
    with pytest.raises(MissionEnded):
        await missions.claim(mission.id)


async def test_a_running_mission_is_flagged_and_ends_as_cancelled(missions, storage, clock):
    mission = await missions.accept(REQUEST)
    claim = await missions.claim(mission.id)
    elsewhere = Missions(storage, clock=clock)
    assert (await elsewhere.cancel(mission.id, "human:ada")).status == "running"
    with pytest.raises(MissionCancelled):
        await claim.event("task.started")
    await claim.release()
    assert (await missions.get(mission.id)).status == "cancelled"
    assert [event.type for event in await missions.journal(mission.id)][-2:] == ["mission.cancelled", "mission.ended"]


async def test_work_that_ended_just_before_the_flag_was_seen_is_cancelled_all_the_same(missions, storage, clock):
    mission = await missions.accept(REQUEST)
    claim = await missions.claim(mission.id)
    await Missions(storage, clock=clock).cancel(mission.id, "human:ada")
    assert await claim.end("done", {"x": 1}) == "cancelled"
    ended = await missions.get(mission.id)
    assert (ended.status, ended.report) == ("cancelled", {"x": 1})
    assert (await missions.journal(mission.id))[-1].data == {"status": "cancelled", "by": "human:ada"}


async def test_cancelled_stays_cancelled_when_its_worker_dies(missions, storage, clock):
    for how in ("orphans", "claim", "cancel"):
        mission = await missions.accept(REQUEST)
        far = Missions(storage, holder="far.1:boot:1:1", clock=clock)
        await far.claim(mission.id)
        await missions.cancel(mission.id, "human:ada")
        clock.advance(31)
        if how == "orphans":
            assert mission.id not in [line.id for line in await missions.orphans()]
        elif how == "claim":
            with pytest.raises(MissionCancelled):
                await missions.claim(mission.id)
        else:
            await missions.cancel(mission.id, "human:eve")
        ended = await missions.get(mission.id)
        assert (ended.status, ended.cancelled_by) == ("cancelled", "human:ada")


async def test_a_cancelled_mission_that_is_left_in_a_group_that_is_run_again_ends_once(tmp_path, clock):
    storage = Storage.open(f"sqlite:///{tmp_path}/home/nextgen.db")
    missions, elsewhere = Missions(storage, clock=clock), Missions(storage, clock=clock)
    claims = [await missions.claim((await missions.accept(REQUEST)).id) for _ in range(3)]
    await elsewhere.cancel(claims[0].id, "human:ada")
    claims[0].event_nowait("task.noted")

    def misfit(connection):
        missions._shared.missions.append(connection, [(claims[2].id, 1, "local", "", "again", None, "")])

    ended = claims[1].end("done", {"x": 1})
    answers = await asyncio.gather(claims[0].release(), storage.write(misfit), ended, return_exceptions=True)
    assert [type(each).__name__ for each in answers] == ["NoneType", "RecordDamaged", "MissionStatus"]
    events = await missions.journal(claims[0].id)
    assert [event.type for event in events][2:] == ["mission.cancelled", "task.noted", "mission.ended"]
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    storage.close()


# -- plans, revisions, tasks -------------------------------------------------------------------------------------------


async def test_plan_tasks_and_revisions_survive_and_stay_pinned(bench):
    await bench.start()
    data = {"name": "codeur", "n": 1}
    revision = Revision(digest(data), data)
    tasks = [
        TaskRecord("t1", "codeur", "codeur", revision.digest, "look", input={"a": 1}, why="it fits"),
        TaskRecord("t2", "codeur", "codeur", revision.digest, "mend", depends=("t1",), budget={"seconds": 3}),
    ]
    await bench.claim.save_plan({"goal": "g"}, tasks=tasks, pins={"codeur": revision})
    report = Report(agent="codeur", status="done", analysis="fine\ud800")
    await bench.claim.end_task("t1", report)
    await bench.crash()
    assert bench.claim.plan() == {"goal": "g"}
    assert bench.claim.pinned() == {"codeur": revision.data}
    one, two = bench.claim.tasks()
    assert one.status == "done"
    assert one.report.analysis == "fine?"
    assert (two.depends, two.budget, two.report, two.status) == (("t1",), {"seconds": 3}, None, "planned")
    bench.claim.add_tasks([TaskRecord("t3", "x", "codeur", revision.digest, "more")])
    await bench.claim.pin("codeur", revision.digest, revision.data)
    with pytest.raises(PinChanged):
        await bench.claim.pin("codeur", "sha256:2", {})
    await bench.claim.pin("testeur", digest({"n": 2}), {"n": 2})
    await bench.crash()
    assert [task.id for task in bench.claim.tasks()] == ["t1", "t2", "t3"]
    assert set(bench.claim.pinned()) == {"codeur", "testeur"}
    assert [task.id for task in await bench.missions.tasks(bench.claim.id)] == ["t1", "t2", "t3"]


async def test_a_revision_is_kept_once_for_all_missions(missions, storage):
    from sqlalchemy import text

    for _ in range(3):
        mission = await missions.accept(REQUEST)
        claim = await missions.claim(mission.id)
        await claim.save_plan({}, pins={"a": Revision("sha256:1", {"n": 1})})
        missions._shared.known_revisions.clear()
    count = text("SELECT count(*) FROM revisions")
    assert await storage.read(lambda c: c.execute(count).scalar()) == 1


async def test_events_are_announced_as_they_are_journaled(missions):
    heard = []
    missions.bus.subscribe(heard.append)
    mission = await missions.accept(REQUEST)
    claim = await missions.claim(mission.id)
    await claim.event("task.started", {"n": 1}, "t1")
    await claim.end("done", {})
    assert heard == await missions.journal(mission.id)

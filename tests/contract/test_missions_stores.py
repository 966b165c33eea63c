"""One contract for the stores of missions: on a file and in memory, with statements on the driver and through Core.

And with every group run twice: an operation must leave nothing behind but what it writes.
"""

import pytest

from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.reports import Report
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.missions.effects import Call, Policy
from nextgeneration.missions.errors import GrantMismatch, LeaseLost, OverBudget, Parked
from nextgeneration.missions.records import Pin
from nextgeneration.missions.schema import MissionBudget, MissionRequest, TaskRecord
from nextgeneration.missions.service import Missions
from nextgeneration.missions.store import ApprovalStore, EffectStore, MissionStore
from nextgeneration.storage.database import Storage
from nextgeneration.storage.errors import RecordDamaged
from nextgeneration.storage.sheet import Unfit
from nextgeneration.testing.clock import ManualClock
from nextgeneration.testing.tools import FakeTool


@pytest.fixture(params=["file", "file, run twice", "file through Core", "memory", "memory through Core"])
def storage(request, tmp_path):
    url = f"sqlite:///{tmp_path}/home/nextgen.db" if request.param.startswith("file") else "sqlite://"
    storage = Storage.open(url, prepared="Core" not in request.param)
    if "twice" in request.param:
        storage._writer._together = twice(storage._writer._together)
    yield storage
    storage.close()


def twice(together):
    """Groups as when a row did not fit."""

    def run(jobs, *, apart=False):
        done = together(jobs, apart=apart)
        if not apart:
            raise Unfit
        return done

    return run


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def missions(storage, clock):
    return Missions(storage, clock=clock, holder="far.1:boot:1:1")


STORE, EFFECTS, APPROVALS = MissionStore(), EffectStore(), ApprovalStore()


async def accepted(missions, calls=10):
    budget = MissionBudget(tool_calls=calls)
    return await missions.accept(MissionRequest(goal="mend the roof", workspace="/srv/roof", budget=budget))


def effect(mission, position, **change):
    return {
        "mission_id": mission,
        "task_id": "t1",
        "position": position,
        "tenant": "local",
        "name": "act",
        "digest": "sha256:1",
        "rule": "once",
        "label": "write",
        "status": "intent",
        "attempt": 1,
        "args": "x",
        "outcome": None,
        "approval_id": None,
        "approval_call": None,
        "started_at": "2026",
        "ended_at": None,
        "seconds": 0.0,
    } | change


async def test_the_fence_counts_for_the_holder_only(missions, storage):
    mission = (await accepted(missions, calls=3)).id
    claim = await missions.claim(mission)
    fence = STORE.fence
    assert await storage.write(lambda c: fence(c, mission, 1, 2)) == 4
    assert await storage.write(lambda c: fence(c, mission, 1, 0)) == 4
    assert await storage.write(lambda c: fence(c, mission, 2, 1)) is None
    assert await storage.write(lambda c: fence(c, "mis_x", 1, 1)) is None
    assert await storage.write(lambda c: fence(c, mission, 1, 1, 3)) == 5
    assert await storage.write(lambda c: fence(c, mission, 1, 1, 1)) is None, "the calls are used up"
    assert await storage.write(lambda c: fence(c, mission, 1, 1)) == 6
    row = await storage.read(lambda c: STORE.standing(c, mission))
    assert tuple(row) == (1, "running", None, 3, 3)
    await storage.write(lambda c: STORE.cancel(c, mission, "human:ada", "2026", now=False, events=1))
    assert await storage.write(lambda c: fence(c, mission, 1, 1)) is None
    assert await storage.write(lambda c: fence(c, mission, 1, 1, answer=True)) == 8
    renewed = await storage.write(lambda c: STORE.renew(c, mission, 1, "2999", 4.5))
    assert tuple(renewed) == ("human:ada",)
    assert await storage.write(lambda c: STORE.renew(c, mission, 2, "2999", 4.5)) is None
    assert claim.attempt == 1


async def test_a_mission_is_claimed_by_the_attempt_that_was_seen(missions, storage):
    mission = (await accepted(missions)).id
    taken = await storage.write(lambda c: STORE.claim(c, mission, 0, "me", "2999"))
    assert (taken["attempt"], taken["status"], taken["holder"], taken["seq"]) == (1, "running", "me", 2)
    assert await storage.write(lambda c: STORE.claim(c, mission, 0, "you", "2999")) is None
    row = await storage.read(lambda c: STORE.get(c, "local", mission))
    assert row == taken
    assert await storage.read(lambda c: STORE.get(c, "other", mission)) is None


async def test_an_effect_is_settled_once(missions, storage):
    mission = (await accepted(missions)).id
    await storage.write(lambda c: EFFECTS.add(c, effect(mission, 1)))
    with pytest.raises(RecordDamaged, match="constraint"):
        await storage.write(lambda c: EFFECTS.add(c, effect(mission, 1)))
    again = {
        "e_mission": mission,
        "e_task": "t1",
        "e_position": 1,
        "e_attempt": 2,
        "e_label": "safe",
        "e_args": "y",
        "e_approval": None,
        "e_call": None,
        "e_at": "2027",
    }
    assert await storage.write(lambda c: EFFECTS.again(c, again)) == 1
    settled = {
        "e_mission": mission,
        "e_task": "t1",
        "e_position": 1,
        "e_status": "done",
        "e_outcome": "z",
        "e_at": "2028",
        "e_seconds": 1.5,
    }
    await storage.write(lambda c: EFFECTS.settle(c, settled))
    with pytest.raises(RecordDamaged, match=f"{mission}/t1/1"):
        await storage.write(lambda c: EFFECTS.settle(c, settled | {"e_status": "failed"}))
    assert await storage.write(lambda c: EFFECTS.again(c, again)) == 0
    (row,) = await storage.read(lambda c: EFFECTS.all(c, mission))
    values = effect(mission, 1, attempt=2, label="safe", args="y", started_at="2027", status="done")
    assert tuple(row) == tuple((values | {"outcome": "z", "ended_at": "2028", "seconds": 1.5}).values())


async def test_a_call_of_an_approval_is_made_once(missions, storage):
    mission = (await accepted(missions)).id
    await storage.write(lambda c: EFFECTS.add(c, effect(mission, 1, approval_id="apr_1", approval_call=0)))
    with pytest.raises(GrantMismatch):
        await storage.write(lambda c: EFFECTS.add(c, effect(mission, 2, approval_id="apr_1", approval_call=0)))
    await storage.write(lambda c: EFFECTS.add(c, effect(mission, 2, approval_id="apr_1", approval_call=1)))


async def test_rows_need_their_mission(storage):
    with pytest.raises(RecordDamaged, match="constraint"):
        await storage.write(lambda c: EFFECTS.add(c, effect("mis_none", 1)))


async def test_documents_are_written_and_rewritten(missions, storage):
    mission = (await accepted(missions)).id
    for text in ("one", "two"):
        await storage.write(lambda c, text=text: STORE.save(c, "local", mission, "plan", text))
    await storage.write(lambda c: STORE.save(c, "local", mission, "report", "three"))
    assert await storage.read(lambda c: STORE.documents(c, mission)) == {"plan": "two", "report": "three"}


async def test_an_approval_moves_once_and_is_used_once(missions, storage):
    mission = (await accepted(missions)).id
    row = {
        "id": "apr_1",
        "tenant": "local",
        "mission_id": mission,
        "task_id": "t1",
        "slot": "1",
        "agent": "a",
        "kind": "call",
        "label": "write",
        "title": "act",
        "status": "pending",
        "digest": "sha256:1",
        "card": "x",
        "created_at": "2026-01-01",
        "expires_at": "2026-01-08",
        "decided_at": None,
        "decided_by": None,
        "reason": "",
        "used_at": None,
    }
    await storage.write(lambda c: APPROVALS.add(c, row))
    assert await storage.read(lambda c: APPROVALS.open(c, ["apr_1", "apr_2"], "2026-01-02")) == 1
    assert await storage.read(lambda c: APPROVALS.asking(c, "local", "2026-01-02")) == {mission}
    assert await storage.read(lambda c: APPROVALS.asking(c, "local", "2026-01-09")) == set()
    assert await storage.write(lambda c: APPROVALS.move(c, "apr_1", "pending", {"status": "approved"})) == 1
    assert await storage.write(lambda c: APPROVALS.move(c, "apr_1", "pending", {"status": "rejected"})) == 0
    for bound, now, holds in (
        ("sha256:1", "2026-01-02", True),
        ("sha256:2", "2026-01-02", False),
        ("sha256:1", "2026-01-08", False),
    ):
        assert await storage.read(lambda c, d=bound, n=now: APPROVALS.holds(c, "apr_1", d, n)) is holds
    assert await storage.write(lambda c: APPROVALS.use(c, "apr_1", "2026")) == 1
    assert await storage.write(lambda c: APPROVALS.use(c, "apr_1", "2026")) == 0


async def test_a_whole_mission_through_crash_question_and_answer(missions, clock, tmp_path):
    """The same story everywhere: plan, work, ask, crash, answer, act, end."""
    tools = {
        "look": FakeTool("look", lambda args, _c: {"n": args["n"]}),
        "act": FakeTool("act", effect=EffectRule.ONCE, risk=RiskLabel.WRITE),
        "keyed": FakeTool("keyed", effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE),
    }
    policy = Policy(standing=("keyed",))
    mission = (await accepted(missions)).id
    claim = await missions.claim(mission)
    revision = Pin("codeur", digest({"name": "codeur"}), {"name": "codeur"})
    await claim.save_plan(
        {"n": 1}, tasks=[TaskRecord("t1", "codeur", "codeur", "sha256:1", "look")], pins={"codeur": revision}
    )
    claim.event_nowait("task.started", {}, "t1")
    calls = [Call("act", {"n": 1})]

    async def work(claim):
        task = claim.door(tools, policy, tmp_path).task("t1", "codeur")
        seen = (await task.call("look", {"n": 7})).value["n"]
        await task.call("keyed", {"n": seen})
        await task.put("seen", seen)
        assert await task.get("seen") == await task.record("n", lambda: seen)
        grant = await task.authorise(calls, "because")
        return await task.call("act", {"n": 1}, grant=grant)

    with pytest.raises(Parked):
        await work(claim)
    zombie = claim
    clock.advance(60)
    claim = await missions.claim(mission)
    assert claim.plan() == {"n": 1}
    assert claim.pinned() == {"codeur": {"name": "codeur"}}
    with pytest.raises(Parked):
        await work(claim)
    with pytest.raises(LeaseLost):
        await zombie.renew()
    assert await claim.wait("an answer")
    (approval,) = await missions.approvals.pending()
    await missions.approvals.decide(approval.id, "approved", "human:ada", digest=approval.digest)
    (orphan,) = await missions.orphans()
    claim = await missions.claim(orphan.id)
    assert (await work(claim)).ok
    await claim.end_task("t1", Report(agent="codeur", status="done"))
    await claim.end("done", {"fixed": 1})
    assert [len(tool.calls) for tool in tools.values()] == [1, 1, 1]
    ended = await missions.get(mission)
    assert (ended.status, ended.report, ended.tool_calls) == ("done", {"fixed": 1}, 3)
    journal = await missions.journal(mission)
    assert [event.seq for event in journal] == list(range(1, len(journal) + 1))
    assert await missions.integrity() == []


async def test_a_mission_that_was_being_cancelled_is_left_as_such(missions, storage):
    mission = await accepted(missions)
    claim = await missions.claim(mission.id)
    await Missions(storage, clock=missions._shared.clock, holder="far.2:boot:1:1").cancel(mission.id, "human:ada")
    await claim.release()
    events = await missions.journal(mission.id)
    assert [(event.seq, event.type) for event in events[2:]] == [(3, "mission.cancelled"), (4, "mission.ended")]
    assert (await missions.get(mission.id)).status == "cancelled"


async def test_budgets_hold_in_one_statement(missions, tmp_path):
    tools = {"look": FakeTool("look")}
    claim = await missions.claim((await accepted(missions, calls=2)).id)
    task = claim.door(tools, Policy(), tmp_path).task("t1", "a")
    await task.call("look", {})
    await task.call("look", {})
    with pytest.raises(OverBudget):
        await task.call("look", {})
    assert (await missions.get(claim.id)).tool_calls == 2

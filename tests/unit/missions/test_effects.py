"""The door: what is recorded is never repeated, what is in doubt follows its rule, what fails is answered again."""

import asyncio
import math
import sys

import pytest

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.findings import Finding, Location
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.tools import Happened, ToolResult
from nextgeneration.missions.effects import Policy
from nextgeneration.missions.errors import (
    EffectMismatch,
    LeaseLost,
    Parked,
    ToolFailed,
)
from nextgeneration.security.permissions import PermissionRules
from nextgeneration.storage.errors import StorageFull
from nextgeneration.tools.errors import NetworkOff


async def test_a_call_is_journaled_before_and_after_it(bench):
    seen = []

    async def look(_args, _context):
        seen.append([event.type for event in await bench.events()])
        return {"n": 1}

    bench.tool("look", look)
    await bench.start()
    task = bench.task()
    assert (await task.call("look", {"path": "a"})).value == {"n": 1}
    assert seen[0][-1] == "effect.intent"
    intent, outcome = (await bench.events())[-2:]
    assert intent.task == "t1"
    assert intent.data["tool"] == "look"
    assert intent.data["label"] == "safe"
    assert outcome.data["status"] == "done"
    assert task.cost.tool_calls == 1


async def test_a_recorded_outcome_answers_at_once_and_equal(bench):
    result = ToolResult(
        value={"n": (1, 2), "f": math.nan, "s": "a\ud800\0"},
        text="x\ud800",
        findings=(Finding(rule="r", title="t", location=Location(path="a", line=3)),),
    )
    tool = bench.tool("look", lambda _a, _c: result)
    await bench.start()
    first = await bench.task().call("look", {})
    await bench.crash()
    task = bench.task()
    assert await task.call("look", {}) == first
    assert len(tool.calls) == 1
    assert first.value == {"n": [1, 2], "f": None, "s": "a?\ufffd"}
    assert first.findings[0].evidence[0].effect == f"{bench.claim.id}/t1/1/look"
    assert task.cost.tool_calls == 1


async def test_a_tools_error_is_answered_again_as_it_was(bench):
    def fails(_args, _context):
        raise NetworkOff(tool="look")

    tool = bench.tool("look", fails)
    await bench.start()
    with pytest.raises(ToolFailed) as first:
        await bench.task().call("look", {})
    await bench.crash()
    with pytest.raises(ToolFailed) as again:
        await bench.task().call("look", {})
    assert first.value.problem() == again.value.problem()
    assert first.value.problem()["code"] == "NG-TOOL-004"
    assert str(first.value) == str(again.value)
    assert len(tool.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda _a, _c: 1 / 0,
        lambda _a, _c: sys.exit(3),
        lambda _a, _c: ToolResult(value={"x": object()}),
        lambda _a, _c: asyncio.wait_for(asyncio.sleep(9), 0.001),
        lambda _a, _c: ToolResult(text="x" * 5_000_000),
    ],
)
async def test_rubbish_and_unforeseen_errors_fail_the_call_only(bench, answer):
    bench.tool("look", answer)
    bench.tool("well", lambda _a, _c: {"n": 1})
    await bench.start()
    task = bench.task()
    with pytest.raises(ToolFailed) as failure:
        await task.call("look", {})
    assert failure.value.problem()["code"] in {"NG-KERNEL-001", "NG-EFFECT-007", "NG-STORAGE-011"}
    assert (await task.call("well", {})).ok
    outcome = (await bench.events("effect.outcome"))[0]
    assert outcome.data["status"] == "failed"


async def test_a_tool_that_answers_nothing_we_know_fails(bench):
    tool = bench.tool("look")

    async def call(_args, _context):
        return {"no": "result"}

    tool.call = call
    await bench.start()
    with pytest.raises(ToolFailed, match="dict"):
        await bench.task().call("look", {})


async def test_a_spontaneous_cancellation_inside_a_tool_fails_the_call(bench):
    def cancels(_args, _context):
        raise asyncio.CancelledError

    bench.tool("look", cancels)
    await bench.start()
    with pytest.raises(ToolFailed, match="CancelledError"):
        await bench.task().call("look", {})


async def test_another_call_at_a_recorded_place_stops_the_task_naming_both(bench):
    tool = bench.tool("look")
    await bench.start()
    await bench.task().call("look", {"path": "a"})
    await bench.crash()
    with pytest.raises(EffectMismatch) as mismatch:
        await bench.task().call("look", {"path": "b"})
    assert mismatch.value.control
    assert mismatch.value.recorded_digest != mismatch.value.asked_digest
    assert len(tool.calls) == 1


async def test_positions_follow_the_program_not_the_clock(bench):
    """Three calls issued together get their places in that order, whatever runs first."""

    async def slow(args, _context):
        await asyncio.sleep(args["wait"])
        return {"n": args["n"]}

    bench.tool("look", slow)
    await bench.start()
    task = bench.task()
    calls = [task.call("look", {"n": n, "wait": (3 - n) / 100}) for n in range(3)]
    results = await asyncio.gather(*reversed(calls))
    assert [result.value["n"] for result in results] == [2, 1, 0]
    assert {
        effect.position: bench.claim.effects["t1", effect.position].digest for effect in bench.claim.effects.values()
    }
    await bench.crash()
    task = bench.task()
    again = [task.call("look", {"n": n, "wait": (3 - n) / 100}) for n in range(3)]
    assert [result.value["n"] for result in await asyncio.gather(*again)] == [0, 1, 2]


async def test_tasks_have_positions_of_their_own(bench):
    bench.tool("look")
    await bench.start()
    one, two = bench.task("a"), bench.task("b")
    await two.call("look", {})
    await one.call("look", {})
    assert set(bench.claim.effects) == {("a", 1), ("b", 1)}


class Cut(Exception):
    """Stands for SIGKILL in one process: nothing after it happens."""


def cut(bench, place):
    def at(boundary):
        if boundary == place:
            bench.missions._shared.at = lambda _: None
            raise Cut(boundary)

    bench.missions._shared.at = at


@pytest.mark.parametrize("place", ["effect.intent", "effect.called"])
@pytest.mark.parametrize("rule", [EffectRule.PURE, EffectRule.IDEMPOTENT])
async def test_what_may_be_repeated_is_under_the_same_key(bench, place, rule):
    tool = bench.writer("act", effect=rule)
    bench.policy = Policy(standing=("act",))
    await bench.start()
    cut(bench, place)
    with pytest.raises(Cut):
        await bench.task().call("act", {"n": 1})
    await bench.crash()
    assert (await bench.task().call("act", {"n": 1})).ok
    assert len({key for _, key in tool.calls}) == 1
    assert len(tool.calls) == (2 if place == "effect.called" else 1)
    assert bench.claim.effects["t1", 1].attempt == 2


@pytest.mark.parametrize("place", ["effect.intent", "effect.called"])
async def test_a_call_that_may_happen_once_is_asked_about(bench, place):
    tool = bench.writer("act")
    bench.policy = Policy(standing=("act",))
    await bench.start()
    cut(bench, place)
    with pytest.raises(Cut):
        await bench.task().call("act", {"n": 1})
    made = len(tool.calls)
    await bench.crash()
    with pytest.raises(Parked) as parked:
        await bench.task().call("act", {"n": 1})
    assert len(tool.calls) == made
    (card,) = await bench.approvals.pending()
    assert (card.id,) == parked.value.approvals
    assert card.kind == "in_doubt"
    assert card.choices == ("retry", "done", "fail")


async def in_doubt(bench, **declared):
    tool = bench.writer("act", **declared)
    bench.policy = Policy(standing=("act",))
    await bench.start()
    cut(bench, "effect.called")
    with pytest.raises(Cut):
        await bench.task().call("act", {"n": 1})
    await bench.crash()
    return tool


async def test_retry_runs_it_again_once(bench):
    tool = await in_doubt(bench)
    with pytest.raises(Parked):
        await bench.task().call("act", {"n": 1})
    await bench.answer("retry")
    await bench.again()
    cut(bench, "effect.called")
    with pytest.raises(Cut):
        await bench.task().call("act", {"n": 1})
    assert len(tool.calls) == 2
    await bench.crash()
    with pytest.raises(Parked):
        await bench.task().call("act", {"n": 1})
    assert len(tool.calls) == 2, "one answer is one retry"
    await bench.answer("retry")
    await bench.again()
    assert (await bench.task().call("act", {"n": 1})).ok
    assert len(tool.calls) == 3


async def test_done_takes_it_as_done_with_an_unknown_result(bench):
    tool = await in_doubt(bench)
    with pytest.raises(Parked):
        await bench.task().call("act", {"n": 1})
    await bench.answer("done")
    await bench.again()
    result = await bench.task().call("act", {"n": 1})
    assert result.ok
    assert result.value == {"unconfirmed": True}
    assert "human:ada" in result.text
    await bench.crash()
    assert await bench.task().call("act", {"n": 1}) == result
    assert len(tool.calls) == 1


async def test_fail_takes_it_as_failed(bench):
    tool = await in_doubt(bench)
    with pytest.raises(Parked):
        await bench.task().call("act", {"n": 1})
    await bench.answer("fail")
    await bench.again()
    for _ in range(2):
        with pytest.raises(ToolFailed) as failure:
            await bench.task().call("act", {"n": 1})
        assert failure.value.problem()["code"] == "NG-EFFECT-006"
        await bench.crash()
    assert len(tool.calls) == 1


async def test_nobody_answers_a_doubt(bench, clock):
    tool = await in_doubt(bench)
    with pytest.raises(Parked):
        await bench.task().call("act", {"n": 1})
    clock.advance(8 * 86400)
    await bench.crash()
    with pytest.raises(ToolFailed):
        await bench.task().call("act", {"n": 1})
    assert bench.claim.effects["t1", 1].status == "failed"
    assert len(tool.calls) == 1


@pytest.mark.parametrize(("happened", "made"), [(Happened.YES, 1), (Happened.NO, 2)])
async def test_a_tool_that_can_tell_is_asked_before_a_human(bench, happened, made):
    tool = await in_doubt(bench, happened=happened)
    result = await bench.task().call("act", {"n": 1})
    assert result.ok
    assert len(tool.calls) == made
    assert await bench.approvals.pending() == []


async def test_a_probe_that_fails_means_unknown(bench):
    tool = await in_doubt(bench)

    async def probe(_args, _context):
        raise OSError("gone")

    tool.probe = probe
    with pytest.raises(Parked):
        await bench.task().call("act", {"n": 1})


async def test_an_idempotent_call_whose_world_changed_is_asked_about(bench):
    """Our own patch may be what changed the file: running it again blindly would be judged as something else."""
    state = {"file": "old"}
    tool = bench.writer("act", effect=EffectRule.IDEMPOTENT)
    tool.assess = lambda _a, _c: Assessment(label=RiskLabel.WRITE, conditions=dict(state))
    bench.policy = Policy(standing=("act",))
    await bench.start()
    cut(bench, "effect.called")
    with pytest.raises(Cut):
        await bench.task().call("act", {})
    await bench.crash()
    state["file"] = "new"
    with pytest.raises(Parked):
        await bench.task().call("act", {})
    tool._happened = Happened.YES
    await bench.crash()
    assert (await bench.task().call("act", {})).value == {"unconfirmed": True}
    assert len(tool.calls) == 1


async def test_a_zombie_is_refused_at_the_intent_and_calls_nothing(bench):
    tool = bench.writer("act")
    bench.policy = Policy(standing=("act",))
    await bench.start()
    zombie, task = bench.claim, bench.task()
    await bench.crash()
    with pytest.raises(LeaseLost):
        await task.call("act", {})
    assert tool.calls == []
    assert isinstance(zombie.lost, LeaseLost)
    for write in (zombie.event("task.started"), zombie.renew(), zombie.end("done", {}), task.record("x", lambda: 1)):
        with pytest.raises(LeaseLost):
            await write
    assert bench.claim.attempt == 2


async def test_a_zombies_late_outcome_is_refused(bench):
    gate = asyncio.Event()

    async def waits(_args, _context):
        await gate.wait()

    bench.writer("act", waits)
    bench.policy = Policy(standing=("act",))
    await bench.start()
    late = asyncio.create_task(bench.task().call("act", {}))
    await asyncio.sleep(0.01)
    await bench.crash()
    gate.set()
    with pytest.raises(LeaseLost):
        await late
    assert bench.claim.effects["t1", 1].status == "intent"


async def test_an_outcome_the_disk_did_not_take_stops_the_mission_in_doubt(bench, storage):
    """The call was made; that it was is not on disk: nobody may go on as if it were."""
    tool = bench.writer("act")
    bench.policy = Policy(standing=("act",))
    await bench.start()
    write = storage.write_whole

    def full_after(place):
        if place == "effect.called":

            async def full(_op, _then, failed):
                failed(StorageFull())
                raise StorageFull

            storage.write_whole = full

    bench.missions._shared.at = full_after
    task = bench.task()
    with pytest.raises(StorageFull) as failure:
        await task.call("act", {})
    assert failure.value.control
    storage.write_whole = write
    bench.missions._shared.at = lambda _: None
    await bench.crash()
    with pytest.raises(Parked):
        await bench.task().call("act", {})
    assert len(tool.calls) == 1


# -- records and the blackboard ----------------------------------------------------------------------------------------


async def test_recorded_values_are_the_same_at_every_replay(bench):
    values = iter(range(100))

    async def later():
        return {"t": (1, 2)}

    await bench.start()
    task = bench.task()
    first = [await task.record("n", lambda: next(values)), await task.record("later", later)]
    assert first == [0, {"t": [1, 2]}]
    await bench.crash()
    task = bench.task()
    assert [await task.record("n", lambda: next(values)), await task.record("later", later)] == first
    assert next(values) == 1
    with pytest.raises(EffectMismatch):
        await bench.task().record("another", lambda: 0)


async def test_an_error_while_recording_is_recorded(bench):
    def fails():
        raise NetworkOff(tool="x")

    await bench.start()
    for _ in range(2):
        with pytest.raises(ToolFailed) as failure:
            await bench.task().record("n", fails)
        assert failure.value.problem()["code"] == "NG-TOOL-004"
        await bench.crash()


async def test_agents_of_a_mission_share_a_blackboard(bench):
    await bench.start()
    one, two = bench.task("one"), bench.task("two")
    assert await two.get("roof") is None
    await one.put("roof", {"leaks": [1]})
    assert await two.get("roof") == {"leaks": [1]}
    await one.put("roof", 2)
    await bench.crash()
    two = bench.task("two")
    assert await two.get("roof") is None, "a replay reads what was read"
    assert await two.get("roof") == {"leaks": [1]}
    assert await two.get("roof") == 2
    one = bench.task("one")
    await one.put("roof", {"leaks": [1]})
    assert await bench.task("three").get("roof") == 2, "a replayed write is not written again"


async def test_a_tool_gets_its_key_language_and_grants(bench):
    seen = []
    bench.tool("look", lambda _a, context: seen.append(context))
    bench.policy = Policy(network=True)
    await bench.start()
    await bench.task().call("look", {})
    (context,) = seen
    assert context.key == f"{bench.claim.id}/t1/1/look"
    assert context.network is True
    assert context.approved is False
    assert context.workspace == bench.path


async def test_progress_is_announced_and_not_kept(bench):
    heard = []

    def talks(_args, context):
        context.emit("halfway")

    bench.tool("look", talks)
    await bench.start()
    bench.missions.bus.subscribe(heard.append, bench.claim.id)
    await bench.task().call("look", {})
    await bench.saved()
    assert [event.type for event in heard] == ["effect.intent", "effect.progress", "effect.outcome"]
    assert heard[1].data["line"] == "halfway"
    assert await bench.events("effect.progress") == []


async def test_what_a_reading_call_gave_is_written_with_whatever_comes_next(bench):
    """An agent that acts on an answer leaves the answer on disk: the two are one transaction."""
    looked, acted = bench.tool("look"), bench.tool("act", effect=EffectRule.IDEMPOTENT)
    allowed = (PermissionRules(allow=("act",)),)
    await bench.start()
    task = bench.task(permissions=allowed)
    await task.call("look", {"n": 1})
    await task.call("act", {"n": 1})
    await task.call("look", {"n": 2})
    await bench.crash(saved=False)
    task = bench.task(permissions=allowed)
    await task.call("look", {"n": 1})
    await task.call("act", {"n": 1})
    await task.call("look", {"n": 2})
    assert [args["n"] for args, _ in looked.calls] == [1, 2, 2]
    assert len(acted.calls) == 1


async def test_what_a_reading_call_gave_is_written_soon_when_nothing_comes_next(bench):
    bench.tool("look")
    await bench.start()
    await bench.task().call("look", {})
    keeper = asyncio.create_task(bench.claim.keep())
    async with asyncio.timeout(30):
        while not [e for e in await bench.missions.journal(bench.claim.id) if e.type == "effect.outcome"]:
            await asyncio.sleep(0.05)
    keeper.cancel()


async def test_errors_of_the_door_survive_pickling():
    import pickle

    error = ToolFailed(tool="x", message="m", hint="h", problem={"code": "X"})
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, NGError)
    assert again.problem() == {"code": "X"}

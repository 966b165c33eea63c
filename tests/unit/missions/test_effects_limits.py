"""Budgets, refusals and cancellation at the door."""

import asyncio
import math

import pytest

from nextgeneration.kernel.risk import Assessment, RiskLabel
from nextgeneration.missions.effects import Policy
from nextgeneration.missions.errors import (
    EffectRefused,
    MissionCancelled,
    MissionEnded,
    MissionStopped,
    OverBudget,
    Parked,
    ToolFailed,
)
from nextgeneration.security.permissions import PermissionRules
from nextgeneration.tools.errors import ToolUnknown

# -- budgets -----------------------------------------------------------------------------------------------------------


async def test_a_tasks_calls_are_limited(bench):
    tool = bench.tool("look")
    await bench.start()
    for _ in range(2):
        task = bench.task(tool_calls=2)
        await task.call("look", {"n": 1})
        await task.call("look", {"n": 2})
        for _ in range(3):
            with pytest.raises(OverBudget) as over:
                await task.call("look", {"n": 3})
        assert over.value.exit_code == 6
        await bench.crash()
    assert len(tool.calls) == 2


async def test_a_missions_calls_are_limited_over_parallel_tasks(bench):
    tool = bench.tool("look")
    await bench.start(calls=5)

    async def work(name):
        task, made = bench.task(name), 0
        for n in range(4):
            try:
                await task.call("look", {"n": n})
                made += 1
            except OverBudget:
                continue
        return made

    made = await asyncio.gather(*(work(f"t{n}") for n in range(4)))
    assert sum(made) == 5 == len(tool.calls)
    await bench.crash()
    assert await asyncio.gather(*(work(f"t{n}") for n in range(4))) == made, "replay refuses what was refused"
    assert len(tool.calls) == 5


async def test_time_is_limited_and_a_refusal_stays(bench, clock):
    tool = bench.tool("look")
    await bench.start()
    task = bench.task(seconds=10)
    await task.call("look", {})
    clock.advance(11)
    with pytest.raises(OverBudget):
        await task.call("look", {})
    await bench.crash()
    task = bench.task(seconds=10)
    await task.call("look", {})
    with pytest.raises(OverBudget):
        await task.call("look", {})
    with pytest.raises(OverBudget):
        await task.call("look", {})
    assert len(tool.calls) == 1


async def test_the_missions_time_counts_only_while_it_is_worked_on(bench, clock):
    bench.tool("look")
    await bench.start(seconds=100)
    clock.advance(60)
    await bench.claim.release()
    clock.advance(100_000)
    await bench.take()
    assert bench.claim.remaining() == pytest.approx(40)
    clock.advance(50)
    with pytest.raises(OverBudget):
        await bench.task().call("look", {})


async def test_a_slow_tool_is_ended_at_its_limit(bench, monkeypatch):
    monkeypatch.setattr("nextgeneration.missions.performing.GRACE_SECONDS", 0.0)
    ended = []

    async def hangs(_args, _context):
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    bench.tool("look", hangs, seconds=0.05)
    await bench.start()
    with pytest.raises(ToolFailed, match=r"0\.05"):
        await bench.task().call("look", {})
    assert ended == [True]


async def test_a_slow_tool_is_ended_when_the_task_has_no_time_left(bench):
    async def hangs(_args, _context):
        await asyncio.sleep(60)

    bench.tool("look", hangs)
    await bench.start()
    with pytest.raises(OverBudget):
        await bench.task(seconds=0.05).call("look", {})
    assert bench.claim.effects["t1", 1].status == "failed"
    await bench.crash()
    with pytest.raises(OverBudget):
        await bench.task(seconds=0.05).call("look", {})


# -- refusals ----------------------------------------------------------------------------------------------------------


async def test_what_a_rule_denies_is_recorded_and_not_called(bench):
    tool = bench.tool("look")
    await bench.start()
    rules = [PermissionRules(deny=("look",))]
    for _ in range(2):
        with pytest.raises(EffectRefused, match="denies"):
            await bench.task(permissions=rules).call("look", {})
        await bench.crash()
    assert tool.calls == []
    (refused,) = await bench.events("effect.refused")
    assert refused.data["code"] == "NG-EFFECT-002"


async def test_an_unknown_tool_is_recorded_with_a_suggestion(bench):
    bench.tool("look")
    await bench.start()
    with pytest.raises(ToolFailed, match=r"look\?"):
        await bench.task().call("lok", {})
    with pytest.raises(ToolUnknown):
        bench.task().spec("lok")
    assert bench.task().spec("look").name == "look"
    assert len(await bench.events("effect.refused")) == 1


async def test_arguments_that_are_no_json_are_refused_cleanly(bench):
    tool = bench.tool("look")
    await bench.start()
    wrong = [{"a": "\ud800"}, {"a": math.inf}, {"a": 2**60}, {"a": object()}, {"a": [(1, "\ud800")]}]
    for _ in range(2):
        task = bench.task()
        for args in wrong:
            with pytest.raises(ToolFailed) as failure:
                await task.call("look", {"x": "y", **args} if "object" not in str(args) else {"a": frozenset("x")})
            assert failure.value.problem()["code"] == "NG-KERNEL-002"
        await bench.crash()
    assert tool.calls == []


async def test_a_judgement_that_breaks_fails_the_call_closed(bench):
    tool = bench.tool("look")

    def broken(_args, _context):
        raise KeyError("x")

    tool.assess = broken
    await bench.start()
    with pytest.raises(ToolFailed, match="KeyError"):
        await bench.task().call("look", {})
    assert tool.calls == []


async def test_a_tool_cannot_judge_itself_below_its_declaration(bench):
    tool = bench.writer("act")
    tool.assess = lambda _a, _c: Assessment(label=RiskLabel.SAFE)
    await bench.start()
    with pytest.raises(Parked):
        await bench.task().call("act", {})
    assert tool.calls == []


# -- cancellation ------------------------------------------------------------------------------------------------------


async def test_a_cancelled_task_does_not_cut_a_call_off_from_its_outcome(bench):
    gate, started = asyncio.Event(), asyncio.Event()

    async def waits(_args, _context):
        started.set()
        await gate.wait()
        return {"n": 1}

    bench.writer("act", waits)
    bench.policy = Policy(standing=("act",))
    await bench.start()
    running = asyncio.create_task(bench.task().call("act", {}))
    await started.wait()
    for _ in range(3):
        running.cancel()
        await asyncio.sleep(0.01)
    assert not running.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.claim.effects["t1", 1].status == "done"
    assert (await bench.task().call("act", {})).value == {"n": 1}


async def test_a_cancelled_call_that_changes_nothing_ends_at_once(bench):
    started, ended = asyncio.Event(), []

    async def waits(_args, _context):
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    tool = bench.tool("look", waits)
    await bench.start()
    running = asyncio.create_task(bench.task().call("look", {}))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended == [True]
    tool._answer = lambda _a, _c: {"n": 2}
    assert (await bench.task().call("look", {})).value == {"n": 2}


async def test_a_run_that_begins_again_waits_for_a_call_still_under_way(bench):
    gate, started = asyncio.Event(), asyncio.Event()

    async def waits(_args, _context):
        started.set()
        await gate.wait()
        return {"n": 1}

    tool = bench.writer("act", waits)
    bench.policy = Policy(standing=("act",))
    await bench.start()
    running = asyncio.create_task(bench.task().call("act", {}))
    await started.wait()
    again = asyncio.create_task(bench.task().call("act", {}))
    await asyncio.sleep(0.01)
    gate.set()
    assert (await running).value == (await again).value == {"n": 1}
    assert len(tool.calls) == 1


async def test_cancelling_the_mission_ends_calls_at_once(bench):
    started, ended = asyncio.Event(), []

    async def waits(_args, _context):
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    bench.writer("act", waits)
    bench.policy = Policy(standing=("act",))
    await bench.start()
    running = asyncio.create_task(bench.task().call("act", {}))
    await started.wait()
    await bench.missions.cancel(bench.claim.id, "human:ada")
    with pytest.raises(MissionCancelled, match="human:ada"):
        await running
    assert ended == [True]
    with pytest.raises(MissionCancelled):
        await bench.task().call("act", {})
    await bench.claim.release()
    assert (await bench.missions.get(bench.claim.id)).status == "cancelled"
    with pytest.raises(MissionEnded):
        await bench.take()
    assert (await bench.events())[-1].type == "mission.ended"


async def test_stopping_leaves_a_mission_that_can_be_resumed(bench):
    started = asyncio.Event()

    async def waits(_args, _context):
        started.set()
        await asyncio.sleep(60)

    bench.tool("look", waits)
    await bench.start()
    running = asyncio.create_task(bench.task().call("look", {}))
    await started.wait()
    bench.claim.stop()
    with pytest.raises(MissionStopped):
        await running
    await bench.claim.release()
    assert (await bench.missions.get(bench.claim.id)).status == "queued"
    await bench.take()
    assert bench.claim.attempt == 2

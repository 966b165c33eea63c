"""What only mutation testing found unguarded where calls are made, doubted and bounded; see docs/mutation.md."""

from __future__ import annotations

import asyncio

import pytest

from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.tools import Happened, ToolResult
from nextgeneration.missions.effects import Policy
from nextgeneration.missions.errors import (
    MissionCancelled,
    OverBudget,
    Parked,
    ToolFailed,
)
from nextgeneration.missions.schema import MissionRequest
from nextgeneration.tools.errors import ToolUnknown


async def doubtful(bench, **declared):
    """A call that was cut short after it was made; nobody knows of its outcome."""

    class Cut(Exception):
        pass

    def at(place):
        if place == "effect.called":
            bench.missions._shared.at = lambda _: None
            raise Cut

    tool = bench.writer("act", **declared)
    bench.policy = Policy(standing=("act",))
    await bench.start()
    bench.missions._shared.at = at
    with pytest.raises(Cut):
        await bench.task().call("act", {"n": 1})
    await bench.crash()
    return tool


# -- calls in doubt ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "by"), [("probe", "act.probe"), ("done", "human:ada")])
async def test_what_was_confirmed_is_recorded_and_not_asked_again(bench, how, by):
    await doubtful(bench, happened=Happened.YES if how == "probe" else Happened.UNKNOWN)
    if how == "done":
        with pytest.raises(Parked):
            await bench.task().call("act", {"n": 1})
        await bench.answer("done")
        await bench.again()
    result = await bench.task().call("act", {"n": 1})
    assert by in result.text
    assert bench.claim.effects["t1", 1].status == "done"
    (outcome,) = await bench.events("effect.outcome")
    assert outcome.data == {"tool": "act", "position": 1, "status": "done", "unconfirmed": True, "by": by}
    if how == "done":
        (answer,) = await bench.approvals.list()
        assert answer.used_at is not None


async def test_what_was_given_up_says_who_gave_it_up(bench):
    await doubtful(bench)
    with pytest.raises(Parked):
        await bench.task().call("act", {"n": 1})
    await bench.answer("fail")
    await bench.again()
    with pytest.raises(ToolFailed, match="human:ada"):
        await bench.task().call("act", {"n": 1})
    (outcome,) = await bench.events("effect.outcome")
    assert outcome.data["by"] == "human:ada"
    assert outcome.data["code"] == "NG-EFFECT-006"
    (answer,) = await bench.approvals.list()
    assert answer.used_at is not None


async def test_a_call_in_doubt_that_has_become_more_dangerous_is_doubted(bench):
    tool = await doubtful(bench, effect=EffectRule.IDEMPOTENT)
    tool.assess = lambda _a, _c: Assessment(label=RiskLabel.DESTRUCTIVE)
    with pytest.raises(Parked):
        await bench.task().call("act", {"n": 1})
    (approval,) = await bench.approvals.pending()
    assert approval.kind == "in_doubt"


async def test_a_pure_call_whose_world_changed_while_it_was_cut_short_is_not_doubted(bench):
    tool = await doubtful(bench, effect=EffectRule.PURE, risk=RiskLabel.SAFE)
    tool.assess = lambda _a, _c: Assessment(label=RiskLabel.SAFE, conditions={"clock": "later"})
    await bench.task().call("act", {"n": 1})
    assert len(tool.calls) == 2
    assert await bench.approvals.list() == []


async def test_a_pure_call_cut_short_runs_again_unasked(bench):
    tool = await doubtful(bench, effect=EffectRule.PURE, risk=RiskLabel.SAFE)
    await bench.task().call("act", {"n": 1})
    assert len(tool.calls) == 2
    assert await bench.approvals.list() == []


# -- what a call leaves behind -----------------------------------------------------------------------------------------


async def test_an_outcome_says_how_it_went_and_how_much_was_found(bench):
    found = tuple(Finding(rule="r", title=f"t{n}", severity=Severity.LOW, cause=f"c{n}") for n in range(3))
    bench.tool("look", lambda _a, _c: ToolResult(ok=False, findings=found))
    await bench.start()
    await bench.task().call("look", {})
    (outcome,) = await bench.events("effect.outcome")
    said = {"tool": "look", "position": 1, "status": "done", "ok": False, "findings": 3, "seconds": 0}
    assert outcome.data == said


async def test_a_calls_time_is_kept_and_counted_again_at_each_replay(bench, clock):
    bench.tool("look", lambda _a, _c: clock.advance(3))
    bench.tool("fails", lambda _a, _c: clock.advance(2) or 1 / 0)
    await bench.start()

    async def run():
        task = bench.task()
        await task.call("look", {})
        with pytest.raises(ToolFailed):
            await task.call("fails", {})
        return task.cost

    first = await run()
    assert (first.tool_calls, first.seconds) == (2, 5)
    assert [event.data["seconds"] for event in await bench.events("effect.outcome")] == [3, 2]
    await bench.crash()
    assert await run() == first


async def test_a_failure_is_journaled_with_a_bounded_message(bench):
    def fails(_args, _context):
        raise OSError("y" * 5000)

    bench.tool("look", fails)
    await bench.start()
    with pytest.raises(ToolFailed):
        await bench.task().call("look", {})
    (outcome,) = await bench.events("effect.outcome")
    assert set(outcome.data) == {"tool", "position", "status", "code", "message", "seconds"}
    assert "yyy" in outcome.data["message"]
    assert len(outcome.data["message"]) == 300


async def test_a_tool_is_given_the_missions_own_clock_language_and_scratch(bench, clock):
    """When it is called, and when it is asked how dangerous that would be: then nothing is approved yet."""
    seen = []
    tool = bench.writer("act", lambda _a, context: seen.append(context))
    tool.assess = lambda _a, context: seen.append(context) or Assessment(label=RiskLabel.WRITE)
    bench.policy = Policy(standing=("act",))
    mission = await bench.missions.accept(MissionRequest(goal="répare", workspace=str(bench.path), lang="fr"))
    await bench.take(mission.id)
    await bench.task().offer("act", {})
    await bench.task().call("act", {})
    assert [context.approved for context in seen] == [False, False, False]
    for context in seen:
        context.emit("nobody listens")
        assert context.clock is clock
        assert context.lang == "fr"
        assert context.scratch == bench.door.scratch


async def test_a_call_that_cannot_be_judged_fails_as_its_tool_says_and_costs_nothing(bench):
    tool = bench.tool("look")

    def lost(_args, _context):
        raise ToolUnknown(name="inner", hint="")

    tool.assess = lost
    await bench.start()
    for _ in range(2):
        task = bench.task()
        with pytest.raises(ToolFailed) as failed:
            await task.call("look", {})
        assert failed.value.problem()["code"] == ToolUnknown.code
        assert task.cost.tool_calls == 0
        await bench.again()
    assert tool.calls == []


async def test_what_ends_the_run_while_a_call_is_judged_is_not_the_calls_failure(bench):
    tool = bench.tool("look")

    def ended(_args, _context):
        raise MissionCancelled(mission=bench.claim.id, by="human:ada")

    judge, tool.assess = tool.assess, ended
    await bench.start()
    with pytest.raises(MissionCancelled):
        await bench.task().call("look", {})
    tool.assess = judge
    assert (await bench.task().call("look", {})).ok


async def test_progress_names_its_call(bench):
    heard = []

    async def talks(_args, context):
        context.emit("halfway")

    bench.tool("look", talks)
    await bench.start()
    bench.missions.bus.subscribe(heard.append, bench.claim.id)
    task = bench.task()
    await task.call("look", {"n": 1})
    await task.call("look", {"n": 2})
    progress = [event for event in heard if event.type == "effect.progress"]
    assert [event.data for event in progress] == [
        {"tool": "look", "position": 1, "line": "halfway"},
        {"tool": "look", "position": 2, "line": "halfway"},
    ]
    assert {(event.task, event.seq) for event in progress} == {("t1", 0)}


# -- limits ------------------------------------------------------------------------------------------------------------


async def test_no_time_left_says_how_much_there_was(bench, clock):
    tool = bench.tool("look")
    await bench.start()
    task = bench.task(seconds=10)
    clock.advance(10)
    with pytest.raises(OverBudget) as over:
        await task.call("look", {})
    assert (over.value.unit, over.value.scope) == ("seconds", "t1")
    assert tool.calls == []


@pytest.mark.parametrize(("own", "left", "whose"), [(0.05, 60, "tool"), (60, 0.06, "task"), (0.05, 0.05, "tool")])
async def test_the_shorter_limit_ends_a_call_and_is_named(bench, monkeypatch, own, left, whose):
    monkeypatch.setattr("nextgeneration.missions.performing.GRACE_SECONDS", 0.0)

    async def hangs(_args, _context):
        await asyncio.sleep(60)

    bench.tool("look", hangs, seconds=own)
    await bench.start()
    with pytest.raises(ToolFailed if whose == "tool" else OverBudget) as ended:
        await bench.task(seconds=left).call("look", {})
    if whose == "tool":
        assert ended.value.problem()["code"] == "NG-TOOL-003"
    else:
        assert (ended.value.limit, ended.value.unit) == (0.1, "seconds")


async def test_a_tool_has_a_moment_beyond_its_limit_to_end_what_it_began(bench):
    async def slow(_args, _context):
        await asyncio.sleep(0.1)

    bench.tool("look", slow, seconds=0.01)
    await bench.start()
    assert (await bench.task().call("look", {})).ok

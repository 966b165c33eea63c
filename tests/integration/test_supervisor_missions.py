"""Missions through the public composition root, with real storage and scripted tools at the seam."""

import asyncio
import json

import pytest

from nextgeneration.agents.manager import TemplateManager
from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.errors import InternalError
from nextgeneration.kernel.findings import Evidence, Finding, Severity
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.boundaries import nowhere
from nextgeneration.missions.errors import MissionEnded
from nextgeneration.missions.schema import MissionBudget, MissionOptions, MissionRequest
from nextgeneration.services.assembly import open_services
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.supervisor.checkpoints import CheckpointSaver
from nextgeneration.supervisor.graph import ACT
from nextgeneration.supervisor.outcome import ActionStatus
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.testing.tools import FakeTool

LEAK = Finding(
    rule="pipe.leak",
    title="the pipe leaks",
    severity=Severity.HIGH,
    cause="leak:pipe",
    evidence=(Evidence(source="pipe.look", excerpt="drip"),),
)
MEND = Proposal(tool="pipe.mend", args={"with": "tape"}, reason="tape the pipe", fixes=(LEAK.id,))


class Pipe:
    """What the tools look at and mend."""

    def __init__(self):
        self.leaks = True
        self.look = FakeTool("pipe.look", self._look)
        self.mend = FakeTool("pipe.mend", self._mend, effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE)

    def _look(self, _args, _context):
        return ToolResult(findings=(LEAK,), proposals=(MEND,)) if self.leaks else ToolResult()

    def _mend(self, _args, _context):
        self.leaks = False


def template(folder, name, playbook, *keywords, **more):
    route = {"route": more.pop("route", name), "keywords": list(keywords) or [name]}
    data = {"name": name, "role": "worker", "domain": "tests", "supervisor_route": route, "playbook": playbook, **more}
    (folder / f"{name}.json").write_text(json.dumps(data))


FIX = {
    "id": "fix",
    "tool": "pipe.mend",
    "each": {"$": "steps.look.proposals"},
    "with": {"$": "item.args"},
}


@pytest.fixture
def bench(tmp_path):
    """A folder for templates and a way to open services over scripted tools."""
    templates = tmp_path / "templates"
    templates.mkdir()
    workspace = tmp_path / "workspace"
    workspace.mkdir()

    def opened(*tools, at=nowhere, **limits):
        config = AgentFactoryConfig(templates_dir=templates, enable_hot_reload=False, preload_templates=[])
        manager = TemplateManager(config, TemplateLibrary(templates, builtin=False, check_seconds=0))
        return open_services(
            workspace,
            storage_settings=StorageSettings(home=tmp_path / "home"),
            mission_settings=MissionSettings(**limits),
            tools=tools,
            templates=manager,
            at=at,
        )

    opened.templates = templates
    opened.workspace = workspace
    return opened


def asked(bench, goal, **options):
    budget = options.pop("budget", MissionBudget())
    return MissionRequest(goal=goal, workspace=str(bench.workspace), budget=budget, options=MissionOptions(**options))


async def run(services, request):
    mission = await services.missions.accept(request)
    return await services.worker.run(mission.id)


async def test_a_fix_is_shown_approved_applied_and_verified(bench):
    pipe = Pipe()
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}, FIX])
    async with bench(pipe.look, pipe.mend) as services:
        waiting = await run(services, asked(bench, "plumber please"))
        assert waiting.status == "waiting"
        assert pipe.mend.calls == [], "nothing is changed before the answer"
        (approval_id,) = waiting.pending
        card = (await services.approvals.get(approval_id)).card
        assert [call["tool"] for call in card["calls"]] == ["pipe.mend", "pipe.look"], "the verification is on the card"
        await services.approvals.decide(approval_id, "approved", by="human:ada")
        done = await services.worker.run(waiting.mission)
    assert done.status == "done"
    (outcome,) = done.report.actions
    assert outcome.status is ActionStatus.VERIFIED
    assert outcome.decided_by == "human:ada"
    assert len(pipe.mend.calls) == 1
    assert done.report.findings[0].resolved
    assert any("Done and verified: tape the pipe" in sentence.text for sentence in done.report.answer)


class Dies(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("place", ["task.ending", "task.ended", "mission.ending"])
async def test_whatever_a_checkpoint_knows_the_report_tells_what_the_records_do(bench, place):
    """The process dies around a phase's end: the next one reports the same, action and all, and does nothing twice."""
    pipe = Pipe()
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}, FIX])

    def dies(boundary):
        if boundary == place:
            raise Dies

    async with bench(pipe.look, pipe.mend, at=dies) as services:
        mission = await services.missions.accept(asked(bench, "plumber please", yes=True))
        with pytest.raises((Dies, BaseExceptionGroup)):
            await services.worker.run(mission.id)
    async with bench(pipe.look, pipe.mend) as services:
        done = await services.worker.run(mission.id)
    assert done.status == "done"
    (outcome,) = done.report.actions
    assert outcome.status is ActionStatus.VERIFIED
    assert done.report.findings[0].resolved
    assert len(pipe.mend.calls) == 1


async def test_a_mission_that_waits_for_an_answer_leaves_the_checkpoint_to_go_on_from_and_one_that_ended_none(bench):
    pipe = Pipe()
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}, FIX])
    async with bench(pipe.look, pipe.mend) as services:
        saver = CheckpointSaver(services.storage)
        waiting = await run(services, asked(bench, "plumber please"))
        found = await saver.aget_tuple({"configurable": {"thread_id": waiting.mission}})
        assert found.checkpoint["channel_values"] == {ACT: waiting.mission}
        pipe.leaks = False
        done = await run(services, asked(bench, "plumber please"))
        assert done.status == "done"
        assert await saver.aget_tuple({"configurable": {"thread_id": done.mission}}) is None


async def test_a_refused_fix_is_not_applied_and_the_mission_still_ends(bench):
    pipe = Pipe()
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}, FIX])
    async with bench(pipe.look, pipe.mend) as services:
        waiting = await run(services, asked(bench, "plumber please"))
        await services.approvals.decide(waiting.pending[0], "rejected", by="human:ada", reason="not now")
        done = await services.worker.run(waiting.mission)
        with pytest.raises(MissionEnded):
            await services.worker.run(waiting.mission)
    assert done.status == "done"
    assert done.report.actions[0].status is ActionStatus.REJECTED
    assert pipe.mend.calls == []


async def test_a_fix_that_does_not_help_is_not_called_verified(bench):
    pipe = Pipe()
    pipe.mend = FakeTool("pipe.mend", effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE)
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}, FIX])
    async with bench(pipe.look, pipe.mend) as services:
        done = await run(services, asked(bench, "plumber please", yes=True))
    (outcome,) = done.report.actions
    assert outcome.status is ActionStatus.DONE
    assert not outcome.checks[0].passed
    assert not done.report.findings[0].resolved


@pytest.mark.parametrize("outcome", ["verified", "done", "refuses", "raises", "check raises"])
async def test_the_journal_says_once_how_an_action_ended_whichever_answers_are_still_to_come(bench, outcome):
    """The phase runs again for each answer, and after a crash; what ended before does not end again."""
    mended = set()

    def leak(name):
        return LEAK.model_copy(update={"cause": f"leak:{name}"})

    def look(_args, _context):
        if mended and outcome == "check raises":
            raise InternalError(kind="Lamp", detail="it is dark")
        left = [leak(name) for name in ("hot", "cold") if name not in mended or outcome == "done"]
        mends = [
            Proposal(tool="pipe.mend", args={"at": found.cause}, reason=f"tape {found.cause}", fixes=(found.id,))
            for found in left
        ]
        return ToolResult(findings=tuple(left), proposals=tuple(mends))

    def mend(args, _context):
        if outcome == "raises":
            raise InternalError(kind="Tape", detail="it is empty")
        mended.add(args["at"].removeprefix("leak:"))
        return ToolResult(ok=outcome != "refuses")

    tools = FakeTool("pipe.look", look), FakeTool("pipe.mend", mend, effect=EffectRule.ONCE, risk=RiskLabel.WRITE)
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}, FIX])
    async with bench(*tools) as services:
        waiting = await run(services, asked(bench, "plumber please"))
        assert len(waiting.pending) == 2
        for approval in waiting.pending:
            await services.approvals.decide(approval, "approved", by="human:ada")
            done = await services.worker.run(waiting.mission)
        journal = await services.missions.journal(waiting.mission)
    assert not done.pending
    ended = [e for e in journal if e.type in ("action.done", "action.verified")]
    status = {"verified": "verified", "refuses": "failed", "raises": "failed"}.get(outcome, "done")
    assert [e.data["status"] for e in ended] == [status, status]
    assert {e.data["action"] for e in ended} == {o.action.id for o in done.report.actions}
    assert [o.status.value for o in done.report.actions] == [status, status]


async def test_yes_never_approves_what_is_stronger_than_a_write(bench):
    pipe = Pipe()
    pipe.mend = FakeTool("pipe.mend", effect=EffectRule.ONCE, risk=RiskLabel.DESTRUCTIVE)
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}, FIX])
    async with bench(pipe.look, pipe.mend) as services:
        outcome = await run(services, asked(bench, "plumber please", yes=True))
    assert outcome.status == "waiting"
    assert pipe.mend.calls == []


async def test_agents_that_fail_hang_or_babble_never_lose_the_others_results(bench):
    def fail(_args, _context):
        raise InternalError(kind="X", detail="no")

    async def hang(_args, _context):
        await asyncio.sleep(3600)

    def rubbish(_args, _context):
        return {"text": "\ud800 \0" + "x" * 1000, "number": float("nan")}

    pipe = Pipe()
    step = {"id": "s"}
    template(bench.templates, "good", [{"id": "look", "tool": "pipe.look"}], "team")
    template(bench.templates, "failing", [step | {"tool": "t.fail"}], "team")
    template(bench.templates, "hanging", [step | {"tool": "t.hang"}], "team", budget={"seconds": 0.3})
    template(bench.templates, "babbling", [step | {"tool": "t.rubbish"}], "team")
    template(bench.templates, "lost", [step | {"tool": "no.such.tool"}], "team")
    tools = [pipe.look, FakeTool("t.fail", fail), FakeTool("t.hang", hang), FakeTool("t.rubbish", rubbish)]
    async with bench(*tools) as services:
        done = await asyncio.wait_for(run(services, asked(bench, "team", actions=0)), 60)
    by_agent = {task.agent: task for task in done.report.tasks}
    assert by_agent["good"].status == "done"
    assert by_agent["failing"].status == "failed"
    assert by_agent["hanging"].status in {"over_budget", "failed"}
    assert by_agent["babbling"].status == "done"
    assert by_agent["lost"].status == "failed"
    assert [m.finding.title for m in done.report.findings] == ["the pipe leaks"]
    assert done.status == "partial"
    assert any("failing" in line for line in done.report.missing)
    json.dumps(done.report.model_dump(mode="json"), allow_nan=False).encode("utf-8")


async def test_another_agent_takes_over_what_one_could_not_do(bench):
    def fail(_args, _context):
        raise InternalError(kind="X", detail="no")

    pipe = Pipe()
    template(bench.templates, "first", [{"id": "s", "tool": "t.fail"}], "leak pipe", "burst", route="water")
    template(bench.templates, "second", [{"id": "s", "tool": "pipe.look"}], "leak", route="water")
    async with bench(pipe.look, FakeTool("t.fail", fail)) as services:
        done = await run(services, asked(bench, "leak pipe burst", agents=("first",)))
        events = [event.type for event in await services.missions.journal(done.mission)]
    assert [(task.agent, task.status, task.replaces) for task in done.report.tasks] == [
        ("first", "failed", ""),
        ("second", "done", "t1"),
    ]
    assert done.status == "done", "what was taken over does not count as failed"
    assert "mission.replanned" in events


async def test_a_task_whose_only_dependency_failed_is_skipped_with_the_reason(bench):
    def fail(_args, _context):
        raise InternalError(kind="X", detail="no")

    pipe = Pipe()
    template(bench.templates, "alpha", [{"id": "s", "tool": "t.fail"}])
    template(bench.templates, "beta", [{"id": "s", "tool": "pipe.look"}])
    async with bench(pipe.look, FakeTool("t.fail", fail)) as services:
        done = await run(services, asked(bench, "alpha then beta"))
    assert [task.status for task in done.report.tasks] == ["failed", "skipped"]
    assert pipe.look.calls == []
    assert done.status == "failed"


async def test_a_later_agent_reads_what_the_earlier_ones_found(bench):
    heard = []
    pipe = Pipe()
    template(bench.templates, "alpha", [{"id": "s", "tool": "pipe.look"}])
    step = {"id": "s", "tool": "t.hear", "with": {"said": {"$": "context.reports.t1.findings[].title"}}}
    template(bench.templates, "beta", [step])
    async with bench(pipe.look, FakeTool("t.hear", lambda args, _c: heard.append(args["said"]))) as services:
        await run(services, asked(bench, "alpha then beta", actions=0))
    assert heard == [["the pipe leaks"]]


async def test_an_agent_that_works_twice_has_the_same_names_in_the_plan_the_records_and_the_report(bench):
    pipe = Pipe()
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}])
    async with bench(pipe.look) as services:
        done = await run(services, asked(bench, "plumber then plumber", actions=0))
        names = ["plumber", "plumber_t2"]
        assert [task.agent for task in done.report.tasks] == names
        assert [task.agent for task in await services.missions.tasks(done.mission)] == names
        journal = await services.missions.journal(done.mission)
        (planned,) = [event.data["tasks"] for event in journal if event.type == "mission.planned"]
        assert [task["agent"] for task in planned] == names
        assert [event.data["agent"] for event in journal if event.type == "task.started"] == names


async def test_the_budget_of_a_mission_ends_it_in_order(bench):
    count = FakeTool("t.count")
    step = {"id": "s", "tool": "t.count", "each": list(range(50)), "with": {"n": {"$": "item"}}}
    template(bench.templates, "counter", [step])
    async with bench(count) as services:
        done = await run(services, asked(bench, "counter", budget=MissionBudget(tool_calls=10)))
    assert len(count.calls) == 10
    assert done.report.tasks[0].status == "over_budget"
    assert done.status == "partial"


async def test_a_goal_nobody_serves_ends_with_what_would_be_needed(bench):
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}])
    async with bench(Pipe().look) as services:
        done = await run(services, asked(bench, "sing me a song"))
    assert done.status == "failed"
    assert "nextgen templates new" in done.report.answer[0].text


async def test_a_running_mission_keeps_the_revisions_it_pinned(bench):
    pipe = Pipe()
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}, FIX])
    async with bench(pipe.look, pipe.mend) as services:
        waiting = await run(services, asked(bench, "plumber please"))
        pinned = waiting.report.tasks[0].revision
        template(bench.templates, "plumber", [{"id": "other", "tool": "pipe.look"}])
        services.templates.library.refresh()
        assert services.templates.library.get("plumber").digest != pinned
        await services.approvals.decide(waiting.pending[0], "approved", by="human:ada")
        done = await services.worker.run(waiting.mission)
    assert done.report.tasks[0].revision == pinned
    assert done.report.actions[0].status is ActionStatus.VERIFIED


async def test_an_interrupted_mission_is_finished_by_the_next_process_without_repeating_effects(bench):
    started, release = asyncio.Event(), asyncio.Event()

    async def slow(_args, _context):
        started.set()
        await release.wait()

    pipe = Pipe()
    slowly = FakeTool("t.slow", slow)
    steps = [{"id": "look", "tool": "pipe.look"}, {"id": "slow", "tool": "t.slow"}]
    template(bench.templates, "plumber", steps)
    async with bench(pipe.look, slowly) as services:
        mission = await services.missions.accept(asked(bench, "plumber please", actions=0))
        task = asyncio.create_task(services.worker.run(mission.id))
        await asyncio.wait_for(started.wait(), 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    release.set()
    async with bench(pipe.look, slowly) as services:
        (done,) = await services.worker.recover()
        assert await services.worker.recover() == []
    assert done.status == "done"
    assert len(pipe.look.calls) == 1, "a recorded effect is not repeated"
    assert len(slowly.calls) == 2


async def test_missions_of_one_process_do_not_disturb_each_other(bench):
    pipe = Pipe()
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}])
    async with bench(pipe.look) as services:
        outcomes = await asyncio.gather(*(run(services, asked(bench, "plumber", actions=0)) for _ in range(30)))
        for outcome in outcomes:
            seqs = [event.seq for event in await services.missions.journal(outcome.mission)]
            assert seqs == list(range(1, len(seqs) + 1)), "the journal has no gap"
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert len({outcome.mission for outcome in outcomes}) == 30

"""Thinking through a real door: journaled, replayed, parked, fallen back, and never done twice."""

from decimal import Decimal

import pytest
from tests.unit.agents.calling_house import Choice, Offered
from tests.unit.agents.llm.conftest import LEAK

from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.runtimes.dispatch import run as run_runtime
from nextgeneration.credits.service import Credits
from nextgeneration.kernel.reports import ReportStatus
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.effects import Policy, TaskBudget
from nextgeneration.missions.errors import Parked
from nextgeneration.missions.schema import MissionBudget, MissionRequest
from nextgeneration.missions.service import Missions
from nextgeneration.missions.tolls import Tolls
from nextgeneration.models.errors import BadModelRequest
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.storage.database import Storage
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.testing.thinking import ScriptedModel, calling, reporting
from nextgeneration.testing.tools import FakeTool

STEP = {"id": "s", "tool": "t.look"}


class Gateway:
    """Offers one scripted model; ``there`` can be turned off."""

    def __init__(self, model):
        self.model, self.there = model, True

    def candidates(self, wish, request=None):
        return Choice((Offered(self.model),))

    def available(self, wish):
        return self.there and wish.purpose != "compact"


class Desk:
    """One mission; ``run`` runs an agent as its task ``t1``, again and again."""

    def __init__(self, missions, storage, folder):
        self.missions, self.folder = missions, folder
        self.credits = Credits(storage, clock=missions._shared.clock)
        self.library = TemplateLibrary(folder / "none", builtin=False)
        self.tools = {}
        self.seen = iter(range(100))
        self.tool("t.look", lambda _a, _c: ToolResult(findings=(LEAK,), text=f"look {next(self.seen)}"))
        self.tool("t.echo", lambda args, _c: ToolResult(text=str(args)))
        self.tool("t.mend", effect=EffectRule.ONCE, risk=RiskLabel.WRITE)

    def tool(self, name, answer=lambda _a, _c: None, **declared):
        self.tools[name] = FakeTool(name, answer, **declared)

    async def start(self, spend=None):
        budget = MissionBudget(tool_calls=100, seconds=900, credits=spend)
        self.mission = await self.missions.accept(MissionRequest(goal="m", workspace=str(self.folder), budget=budget))
        self.claim = await self.missions.claim(self.mission.id)

    async def again(self):
        await self.claim.release()
        self.claim = await self.missions.claim(self.mission.id)

    async def run(self, script, *, there=True, budget=None, **fields):
        self.model = ScriptedModel(script)
        gateway = Gateway(self.model)
        gateway.there = there
        door = self.claim.door(self.tools, Policy(), self.folder, ModelAccess(gateway, self.credits))
        data = {"name": "agent", "role": "worker", "domain": "tests", "tools": sorted(self.tools), **fields}
        task = door.task("t1", "ada", (), budget or TaskBudget())
        return await run_runtime(
            self.library.resolve(data), {"goal": "mend"}, {}, TaskContext({}, door=task, task="t1")
        )


@pytest.fixture
async def desk(tmp_path):
    storage = Storage.open("sqlite://")
    desk = Desk(Missions(storage, MissionSettings()), storage, tmp_path)
    yield desk
    await desk.claim.release()
    storage.close()


def rules(report):
    return [finding.rule for finding in report.findings]


SCRIPT = [calling(("t.look", {}), ("t.echo", {"n": 1})), reporting("it leaks")]


async def test_a_task_that_runs_again_asks_nothing_twice_and_reports_the_same(desk):
    await desk.start()
    first = await desk.run(SCRIPT)
    assert (first.status, rules(first), first.cost.model_calls) == (ReportStatus.DONE, [LEAK.rule], 2)
    assert first.cost.credits == 200
    await desk.again()
    again = await desk.run([])
    assert again == first
    assert desk.model.requests == []
    assert len(desk.tools["t.look"].calls) == 1


async def test_a_task_goes_on_where_it_was_with_another_model_or_none(desk):
    """Which model was there before decides, not which is there now."""
    await desk.start()
    await desk.run(SCRIPT, playbook=[STEP])
    await desk.again()
    assert (await desk.run([], there=False, playbook=[STEP])).analysis == "it leaks"


async def test_a_playbook_under_way_is_not_taken_over_by_a_model_that_comes(desk):
    await desk.start()
    first = await desk.run([], there=False, playbook=[STEP])
    await desk.again()
    assert await desk.run(["never"], playbook=[STEP]) == first
    assert desk.model.requests == []


async def test_what_was_decided_after_a_playbook_first_is_kept(desk):
    await desk.start()
    first = await desk.run([reporting("so it is")], playbook=[STEP], playbook_first=True)
    await desk.again()
    again = await desk.run([], there=False, playbook=[STEP], playbook_first=True)
    assert (again.analysis, again.findings) == (first.analysis, first.findings)


async def test_a_call_that_asks_parks_the_task_and_after_the_answer_it_goes_on(desk):
    await desk.start()
    script = [calling(("t.look", {}), ("t.mend", {"with": "tape"})), reporting("mended")]
    with pytest.raises(Parked):
        await desk.run(script)
    assert desk.tools["t.mend"].calls == []
    (approval,) = await desk.missions.approvals.pending()
    await desk.missions.approvals.decide(approval.id, "approved", "human:ada")
    await desk.again()
    report = await desk.run([reporting("mended")])
    assert report.analysis == "mended"
    assert len(desk.tools["t.mend"].calls) == 1
    assert len(desk.tools["t.look"].calls) == 1


async def test_a_call_that_was_refused_is_told_and_the_task_goes_on(desk):
    await desk.start()
    with pytest.raises(Parked):
        await desk.run([calling(("t.mend", {}))])
    (approval,) = await desk.missions.approvals.pending()
    await desk.missions.approvals.decide(approval.id, "rejected", "human:ada")
    await desk.again()
    report = await desk.run([reporting("not mended")])
    assert report.analysis == "not mended"
    assert "refused" in desk.model.requests[0].messages[-1].text
    assert desk.tools["t.mend"].calls == []


async def test_a_model_that_fails_midway_leaves_the_task_to_the_playbook_and_so_it_replays(desk):
    await desk.start()
    script = [calling(("t.echo", {"n": 1})), BadModelRequest(model="test:scripted", detail="gone")]
    first = await desk.run(script, playbook=[STEP])
    assert first.status is ReportStatus.PARTIAL
    assert rules(first) == [LEAK.rule]
    assert "gone" in first.missing[0]
    await desk.again()
    again = await desk.run([], playbook=[STEP])
    assert again.model_dump(exclude={"cost"}) == first.model_dump(exclude={"cost"})


async def test_a_spent_budget_of_credits_ends_over_budget_with_what_was_found(desk):
    await desk.start(spend=1_050)
    report = await desk.run(lambda _r: calling(("t.look", {"n": len(desk.model.requests)})))
    assert report.status is ReportStatus.OVER_BUDGET
    assert rules(report) == [LEAK.rule]
    await desk.again()
    assert (await desk.run([])).status is ReportStatus.OVER_BUDGET


async def test_a_spent_budget_of_model_calls_too(desk):
    await desk.start()
    report = await desk.run([calling(("t.look", {}))], budget=TaskBudget(model_calls=1))
    assert (report.status, rules(report)) == (ReportStatus.OVER_BUDGET, [LEAK.rule])


async def test_a_tool_that_no_limit_pays_for_ends_the_task_over_budget_with_what_it_has(desk):
    desk.missions._shared.tolls = Tolls(desk.credits, {"t.look": Decimal(1)})
    await desk.start(spend=1_500_000)
    script = [calling(("t.look", {"n": 1})), calling(("t.look", {"n": 2})), reporting("never asked for")]
    first = await desk.run(script)
    assert (first.status, rules(first)) == (ReportStatus.OVER_BUDGET, [LEAK.rule])
    assert first.cost.credits == 1_000_000 + 2 * 100
    await desk.again()
    assert await desk.run([]) == first


async def test_memory_and_shortening_replay_too(desk):
    class Memory:
        times = 0

        async def remember(self, task):
            Memory.times += 1
            return [f"remembered {Memory.times}"]

        async def note(self, task, report):
            Memory.times += 1

    desk.tool("t.long", lambda args, _c: ToolResult(text=f"{args} {next(desk.seen)} " + "x" * 2_000))
    await desk.start()
    script = [calling(("t.long", {"n": n})) for n in range(5)]

    async def once(script):
        desk.model = ScriptedModel(script)
        door = desk.claim.door(desk.tools, Policy(), desk.folder, ModelAccess(Gateway(desk.model), desk.credits))
        data = {"name": "a", "role": "w", "domain": "d", "tools": ["t.long"], "model": {"context": 1_500}}
        context = TaskContext({}, door=door.task("t1", "ada"), task="t1", recall=Memory())
        return await run_runtime(desk.library.resolve(data), {"goal": "mend"}, {}, context)

    first = await once([*script, reporting("read")])
    assert any("<<<DATA c" in m.text for m in desk.model.requests[-1].messages)
    await desk.again()
    assert await once([]) == first
    assert Memory.times == 2

"""Missions with models: the plan, the agents' work and the prose are scripted; everything else is real."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from nextgeneration.agents.manager import TemplateManager
from nextgeneration.credits.units import MICRO
from nextgeneration.kernel.findings import Evidence, Finding, Severity
from nextgeneration.kernel.models import ModelAnswer, ModelRequest, Usage
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.schema import MissionBudget, MissionOptions, MissionRequest
from nextgeneration.models.errors import ModelUnreachable
from nextgeneration.services.assembly import open_services
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.supervisor.render.markdown import markdown
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.testing.gateway import ScriptedCandidate, ScriptedGateway
from nextgeneration.testing.thinking import ScriptedModel, calling, reporting
from nextgeneration.testing.tools import FakeTool

LEAK = Finding(
    rule="pipe.leak",
    title="the pipe leaks",
    severity=Severity.HIGH,
    cause="leak:pipe",
    evidence=(Evidence(source="pipe.look", excerpt="drip"),),
)
GOAL = "look after the house"


def purpose(request: ModelRequest) -> str:
    """What a request is for, by what its system text says."""
    text = request.messages[0].text
    return "plan" if text.startswith("You plan") else "prose" if text.startswith("You write the summary") else "work"


class House:
    """A model that plans, works and words as a test says; what it does not say it does sensibly."""

    def __init__(self, **says: Callable[[ModelRequest, int], Any]) -> None:
        self.says = says
        self.asked: list[tuple[str, ModelRequest]] = []
        self.model = ScriptedModel(self.answer)

    def answer(self, request: ModelRequest) -> Any:
        kind = purpose(request)
        self.asked.append((kind, request))
        number = sum(1 for asked, _ in self.asked if asked == kind)
        said = self.says.get(kind, getattr(self, kind))(request, number)
        return json.dumps(said) if isinstance(said, dict) else said

    def count(self, kind: str) -> int:
        return sum(1 for asked, _ in self.asked if asked == kind)

    def plan(self, request: ModelRequest, number: int) -> Any:
        return {"tasks": [task("t1", "plumber"), task("t2", "painter", depends=["t1"])], "unserved": []}

    def work(self, request: ModelRequest, number: int) -> Any:
        if any(message.role == "tool" for message in request.messages):
            return reporting("looked at it")
        return calling(("pipe.look", {}))

    def prose(self, request: ModelRequest, number: int) -> Any:
        found = json.loads(request.messages[1].text)["findings"]
        if not found:
            return {"sentences": [{"text": "Nothing.", "findings": [], "tasks": ["t1"], "actions": []}]}
        return {
            "sentences": [
                {"text": "The pipe leaks.", "findings": [found[0]["id"]], "tasks": [], "actions": []},
                {"text": "It was built by the Romans.", "findings": ["nothing"], "tasks": [], "actions": []},
                {"text": "The painter came too.", "findings": [], "tasks": ["t2"], "actions": []},
            ]
        }


def task(name: str, agent: str, **more: Any) -> dict[str, Any]:
    base = {"id": name, "agent": agent, "goal": f"{agent} looks", "paths": [], "depends": [], "criteria": "it is dry"}
    return {**base, "why": "it can", "share": 30, **more}


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "templates"
    folder.mkdir()
    (tmp_path / "workspace").mkdir()
    steps = [{"id": "look", "tool": "pipe.look", "with": {}}]
    for name in ("plumber", "painter"):
        route = {"route": "house", "keywords": ["house"] if name == "plumber" else ["wall"]}
        data = {"name": name, "role": "worker", "domain": "house", "supervisor_route": route, "playbook": steps}
        able = {"id": "look_closely", "description": {"en": "look closely at pipes", "fr": "regarder des tuyaux"}}
        data["capabilities"] = [able, "drink_tea"] if name == "plumber" else []
        (folder / f"{name}.json").write_text(json.dumps({**data, "tools": ["pipe.look"]}))

    def opened(*models: Any):
        config = AgentFactoryConfig(templates_dir=folder, enable_hot_reload=False, preload_templates=[])
        return open_services(
            tmp_path / "workspace",
            storage_settings=StorageSettings(home=tmp_path / "home"),
            tools=[FakeTool("pipe.look", lambda _a, _c: ToolResult(findings=(LEAK,), text="drip"))],
            templates=TemplateManager(config, TemplateLibrary(folder, builtin=False, check_seconds=0)),
            models=ScriptedGateway(*models),
        )

    return opened


async def ran(services, goal: str = GOAL, credits_: int | None = None, **options: Any):
    request = MissionRequest(
        goal=goal,
        workspace=str(services.home.parent / "workspace"),
        budget=MissionBudget(credits=credits_),
        options=MissionOptions(**options),
    )
    mission = await services.missions.accept(request)
    return await services.worker.run(mission.id)


async def test_a_model_plans_the_agents_work_and_the_answer_is_worded(home):
    house = House()
    async with home(house.model) as services:
        outcome = await ran(services)
        report = outcome.report
        assert outcome.status == "done"
        assert [(t.id, t.template, t.status.value) for t in report.tasks] == [
            ("t1", "plumber", "done"),
            ("t2", "painter", "done"),
        ]
        assert [f.finding.title for f in report.findings] == ["the pipe leaks"]
        assert [s.text for s in report.prose] == ["The pipe leaks.", "The painter came too."]
        assert report.prose[0].findings == (report.findings[0].id,)
        assert report.answer, "the report by rules stays"
        assert [house.count(kind) for kind in ("plan", "work", "prose")] == [1, 4, 1]
        assert report.cost.model_calls == 6
        assert report.cost.input_tokens > 0
        journal = await services.missions.journal(outcome.mission)
        assert {e.task for e in journal if e.type == "effect.intent" and e.data["tool"] == "model"} == {
            "supervisor.plan",
            "t1",
            "t2",
            "supervisor.prose",
        }
    page = markdown(report)
    assert page.index("The pipe leaks.") < page.index("Point by point")


async def test_a_model_that_plans_is_told_what_each_capability_is(home):
    house = House()
    async with home(house.model) as services:
        await ran(services)
    ((_, request),) = [asked for asked in house.asked if asked[0] == "plan"]
    agents = {agent["name"]: agent["can"] for agent in json.loads(request.messages[1].text)["agents"]}
    assert agents == {"plumber": ["drink_tea", "look_closely: look closely at pipes"], "painter": []}


async def test_the_second_agent_is_told_what_the_first_found(home):
    house = House()
    async with home(house.model) as services:
        await ran(services)
    painter = [request for kind, request in house.asked if kind == "work"][2]
    assert any("the pipe leaks" in message.text for message in painter.messages)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tasks": [task("t1", "wizard")], "unserved": []},
        {"tasks": [task("t1", "plumber", depends=["t9"])], "unserved": []},
        {"tasks": [task("t1", "plumber", depends=["t2"]), task("t2", "painter", depends=["t1"])], "unserved": []},
        {"tasks": [task("t1", "plumber", share=80), task("t2", "painter", share=80)], "unserved": []},
        {"tasks": [task("t1", "plumber"), task("t1", "painter")], "unserved": []},
        {"tasks": [], "unserved": []},
        {"tasks": "all of them"},
        "no JSON at all",
    ],
)
async def test_a_plan_that_cannot_run_is_sent_back_once_then_left_for_the_rules(home, wrong):
    mended = House(plan=lambda request, n: wrong if n == 1 else House.plan(mended, request, n))
    async with home(mended.model) as services:
        outcome = await ran(services)
    assert len(outcome.report.tasks) == 2
    assert mended.count("plan") == 2
    assert "cannot be used" in [r for k, r in mended.asked if k == "plan"][1].messages[-1].text

    stubborn = House(plan=lambda _r, _n: wrong)
    async with home(stubborn.model) as services:
        outcome = await ran(services)
    assert [t.template for t in outcome.report.tasks] == ["plumber"]
    assert "planned by rules" in outcome.report.plan
    assert stubborn.count("plan") == 2
    assert outcome.status == "done"


async def test_a_model_that_is_gone_leaves_the_playbooks(home):
    async def gone(_request: ModelRequest) -> ModelAnswer:
        raise ModelUnreachable(model="test:gone", detail="refused", again=False)

    async with home(ScriptedModel(gone, "test:gone")) as services:
        outcome = await ran(services)
    report = outcome.report
    assert [f.finding.title for f in report.findings] == ["the pipe leaks"]
    assert report.prose == ()
    assert any("cannot be reached" in line for task_ in report.tasks for line in task_.missing)
    assert outcome.status in {"done", "partial"}


async def test_no_model_is_asked_when_the_mission_says_so_or_names_its_agents(home):
    house = House()
    async with home(house.model) as services:
        outcome = await ran(services, models=False)
        assert (outcome.status, house.asked) == ("done", [])
        assert outcome.report.prose == ()
        outcome = await ran(services, agents=("painter",))
        assert house.count("plan") == 0
        assert [t.template for t in outcome.report.tasks] == ["painter"]


async def test_a_mission_ends_in_order_when_its_budget_is_used_up(home):
    """The plan fits, the work does not: what was found is reported, and nothing was spent beyond the budget."""
    house = House()
    model = ScriptedCandidate(house.model, input=0, output=1_000, local=False)
    async with home(model) as services:
        outcome = await ran(services, credits_=4_000 * 1_000)
        report = outcome.report
        spent = await services.models.credits.cost(mission=outcome.mission)
        assert spent.charged == report.cost.credits <= 4 * MICRO
        assert spent.held == 0
    assert outcome.status in {"done", "partial"}


async def test_what_a_failing_model_cost_is_in_the_report_too(home):
    house = House(prose=lambda _r, _n: RuntimeError("boom"))
    model = ScriptedCandidate(house.model, input=0, output=10, local=False)
    async with home(model) as services:
        outcome = await ran(services)
        line = await services.models.credits.cost(mission=outcome.mission)
    assert line.unconfirmed > 0
    assert outcome.report.cost.credits == line.charged


async def test_with_no_credits_a_priced_model_is_never_asked(home):
    house = House()
    model = ScriptedCandidate(house.model, input=1, output=1_000, local=False)
    async with home(model) as services:
        outcome = await ran(services, credits_=0)
    assert house.asked == []
    assert [t.status.value for t in outcome.report.tasks] == ["over_budget"]
    assert outcome.report.cost.credits == 0


async def test_a_resumed_mission_asks_nothing_twice(home):
    """The process dies after the plan's answer and again in the prose: every recorded answer is used again."""

    class Dies(BaseException):
        pass

    def prose(request: ModelRequest, number: int) -> Any:
        if number == 1:
            raise Dies
        return House.prose(house, request, number)

    house = House(prose=prose)
    async with home(house.model) as services:
        request = MissionRequest(goal=GOAL, workspace=str(services.home.parent / "workspace"))
        mission = await services.missions.accept(request)
        with pytest.raises(BaseException):  # noqa: B017 - whatever the loop makes of a dying process
            await services.worker.run(mission.id)
    async with home(house.model) as services:
        outcome = await services.worker.run(mission.id)
    assert outcome.status == "done"
    assert [house.count(kind) for kind in ("plan", "work", "prose")] == [1, 4, 2]
    assert outcome.report.cost.model_calls == 6


async def test_a_prose_without_sources_is_asked_for_again_then_left_out(home):
    empty = {"sentences": [{"text": "All is well.", "findings": [], "tasks": [], "actions": []}]}
    house = House(prose=lambda _r, _n: empty)
    async with home(house.model) as services:
        outcome = await ran(services)
    assert house.count("prose") == 2
    assert outcome.report.prose == ()
    assert outcome.report.answer


async def test_usage_that_costs_is_in_the_report_and_in_the_books(home):
    house = House()
    model = ScriptedCandidate(house.model, input=2, output=3, local=False)
    async with home(model) as services:
        outcome = await ran(services)
        line = await services.models.credits.cost(mission=outcome.mission)
        by_agent = {entry.name: entry.charged for entry in await services.models.credits.report("agent")}
    each = Usage(100, 20)
    assert outcome.report.cost.credits == line.charged == 6 * (2 * each.input + 3 * each.output)
    assert set(by_agent) == {"supervisor", "plumber", "painter"}

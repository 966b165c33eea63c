"""Who runs an agent: its own runtime inside a task, a host outside of one."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from nextgeneration.agents import AgentStatus, AgentTemplate, hosting
from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.errors import HookFailed, HostMissing, InputNotObject, RuntimeMissing
from nextgeneration.agents.hosting import current_host, use_host
from nextgeneration.agents.runtimes.dispatch import run
from nextgeneration.agents.template import TemplateAgent
from nextgeneration.kernel.findings import Evidence, Finding
from nextgeneration.kernel.reports import Cost, Report, ReportStatus
from nextgeneration.kernel.risk import EffectRule
from nextgeneration.kernel.tools import ToolResult

ROOT = {"name": "alone", "role": "tester", "domain": "tests", "capabilities": ["look"], "tools": ["fs.list"]}
STEPS = [{"id": "look", "tool": "fs.list", "with": {"path": {"$": "config.path"}}}]


class EchoHost:
    """Runs nothing: reports what it was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[TemplateAgent, dict[str, Any], Mapping[str, Any] | None]] = []

    async def run(self, agent: TemplateAgent, input_data: dict[str, Any], context: Mapping[str, Any] | None) -> Report:
        self.seen.append((agent, input_data, context))
        return Report(agent=agent.name, template=agent.parent_template, role=agent.role, status=ReportStatus.DONE)


class OneDoor:
    """A task's door with one tool behind it."""

    def __init__(self) -> None:
        self.agent = "alone"
        self.cost = Cost(tool_calls=1)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.begun = None

    def models(self, wish: Any) -> bool:
        return False

    def spec(self, tool: str) -> Any:
        return SimpleNamespace(effect=EffectRule.PURE)

    async def call(self, tool: str, args: dict[str, Any]) -> ToolResult:
        self.calls.append((tool, args))
        found = Finding(rule="seen", title="seen", evidence=(Evidence(source=tool, excerpt="x"),))
        return ToolResult(value={"entries": []}, findings=(found,))


@pytest.fixture
def _no_installed_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting._current, "found", None)


def task(door: OneDoor) -> TaskContext:
    return TaskContext({"goal": "look"}, door=door, task="t1")  # type: ignore[arg-type]


async def test_outside_a_mission_the_host_runs_the_agent() -> None:
    agent = AgentTemplate.from_dict(ROOT).create_instance()
    with use_host(EchoHost()) as host:
        answer = await agent.process({"goal": "x"}, {"team": "blue"})
    assert host.seen == [(agent, {"goal": "x"}, {"team": "blue"})]
    assert set(Report.model_fields) <= set(answer)
    assert (answer["agent"], answer["role"], answer["status"]) == ("alone", "tester", "done")
    assert agent.status is AgentStatus.COMPLETED
    assert agent.performance_metrics["tasks_completed"] == 1


async def test_inside_a_task_the_runtime_works_through_the_door() -> None:
    template = AgentTemplate.from_dict(ROOT | {"playbook": STEPS, "default_config": {"path": "src"}})
    agent, door = template.create_instance(), OneDoor()
    answer = await agent.process({"goal": "look"}, task(door))
    assert door.calls == [("fs.list", {"path": "src"})]
    assert (answer["status"], answer["findings"][0]["rule"]) == ("done", "seen")
    assert answer["revision"] == template.metadata["content_hash"]


async def test_hooks_guard_the_agent_inside_a_task_and_outside(installed_hooks: Any) -> None:
    code = (
        "calls = []\n"
        "def before(agent, data, context):\n"
        "    calls.append(agent.name)\n"
        "    if data.get('stop'): raise OSError('no')\n"
    )
    installed_hooks(code, guard="sample_hooks:before")
    agent = AgentTemplate.from_dict(ROOT | {"playbook": STEPS, "hooks": {"before_process": "guard"}}).create_instance()

    class Runs(EchoHost):
        async def run(self, agent: TemplateAgent, input_data: dict[str, Any], context: Any) -> Report:
            return await run(agent.revision, input_data, agent.config, task(OneDoor()))

    with use_host(Runs()):
        await agent.process({})
        with pytest.raises(HookFailed):
            await agent.process({"stop": True})
    with pytest.raises(HookFailed):
        await agent.process({"stop": True}, task(OneDoor()))
    import sample_hooks

    assert sample_hooks.calls == ["alone", "alone", "alone"]
    assert agent.performance_metrics["tasks_completed"] == 1


@pytest.mark.parametrize("runtime", ["python", "wasm", "remote"])
async def test_a_runtime_that_is_not_here_is_named(runtime: str) -> None:
    agent = AgentTemplate.from_dict(ROOT | {"runtime": runtime}).create_instance()
    with pytest.raises(RuntimeMissing, match=runtime):
        await agent.process({}, task(OneDoor()))


async def test_input_must_be_an_object() -> None:
    agent = AgentTemplate.from_dict(ROOT).create_instance()
    with pytest.raises(InputNotObject, match="alone takes an object, not str"):
        await agent.process("summarise")  # type: ignore[arg-type]
    assert agent.status is AgentStatus.ERROR


@pytest.mark.usefixtures("_no_installed_host")
def test_the_installed_host_is_made_once_and_another_package_may_replace_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[EchoHost] = []

    def point(name: str) -> Any:
        def make() -> EchoHost:
            made.append(EchoHost())
            return made[-1]

        return SimpleNamespace(name=name, load=lambda: make)

    monkeypatch.setattr(hosting, "entry_points", lambda group: [point("default"), point("ours")])
    assert current_host() is current_host() is made[0]
    assert len(made) == 1
    with use_host(EchoHost()) as inner:
        assert current_host() is inner
    assert current_host() is made[0]


@pytest.mark.usefixtures("_no_installed_host")
async def test_without_a_host_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting, "entry_points", lambda group: [])
    agent = AgentTemplate.from_dict(ROOT).create_instance()
    with pytest.raises(HostMissing) as caught:
        await agent.process({})
    assert "pip install nextgeneration" in caught.value.hint()

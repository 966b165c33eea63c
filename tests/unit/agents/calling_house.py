"""A house of templates in which agents call one another, on real services."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from nextgeneration.agents.manager import TemplateManager
from nextgeneration.kernel.findings import Evidence, Finding, Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import Usage
from nextgeneration.missions.schema import MissionBudget, MissionOptions, MissionRequest
from nextgeneration.services.assembly import open_services
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.supervisor.outcome import MissionReport
from nextgeneration.templates.library import TemplateLibrary

LEAK = Finding(
    rule="pipe.leak",
    title="the pipe leaks",
    severity=Severity.HIGH,
    cause="leak:pipe",
    evidence=(Evidence(source="t.look", excerpt="drip"),),
)


def call(agent: str = "", step: str = "sub", **args: Any) -> dict[str, Any]:
    """A step that calls an agent, or a team."""
    named = {"agent": agent} if agent else {}
    return {"id": step, "tool": "agent.run", "on_error": "continue", "with": {"goal": "look at it", **named, **args}}


def step(tool: str, name: str = "", **more: Any) -> dict[str, Any]:
    return {"id": name or tool.replace(".", "_"), "tool": tool, "on_error": "continue", **more}


@dataclass
class Offered:
    """A scripted model as a gateway offers it: each answer costs 100 micro-credits, and never more than 1,000."""

    client: Any
    why: Texts = field(default_factory=lambda: Texts("liked", "aimé"))
    local: bool = False
    priced: bool = True
    context: int = 200_000
    name: str = "test:scripted"

    def worst(self, request: Any) -> int:
        return 1_000

    def cost(self, usage: Usage) -> int:
        return 100

    def fit(self, request: Any, amount: int) -> None:
        return None

    def succeeded(self, seconds: float) -> None: ...

    def failed(self, error: Exception) -> None: ...


@dataclass
class Choice:
    candidates: tuple[Offered, ...]
    skipped: dict[str, Texts] = field(default_factory=dict)


class Gateway:
    """Offers one scripted model to the agents, and none to the supervisor."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def candidates(self, wish: Any, request: Any = None) -> Choice:
        return Choice((Offered(self.model),))

    def available(self, wish: Any) -> bool:
        return self.model is not None and wish.purpose == "work"

    async def close(self) -> None: ...


class House:
    """Templates, tools and services to run missions with; open it with ``async with house.open(...)``."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.templates = root / "templates"
        self.templates.mkdir(exist_ok=True)
        self.workspace = root / "workspace"
        self.workspace.mkdir(exist_ok=True)

    def template(self, name: str, *playbook: dict[str, Any], **more: Any) -> None:
        tools = more.pop("tools", sorted({one["tool"] for one in playbook}))
        data = {"name": name, "role": "worker", "domain": "tests", "runtime": "playbook", "tools": tools}
        route = {"route": name, "keywords": more.pop("keywords", [name])}
        data |= {"playbook": list(playbook), "supervisor_route": route} | more
        if not playbook:
            del data["playbook"]
        (self.templates / f"{name}.json").write_text(json.dumps(data))

    def open(self, *tools: Any, model: Any = None, hire: Any = None, **limits: Any) -> Any:
        config = AgentFactoryConfig(templates_dir=self.templates, enable_hot_reload=False, preload_templates=[])
        manager = TemplateManager(config, TemplateLibrary(self.templates, builtin=False, check_seconds=0))
        if hire is not None:
            manager.hire = hire(manager.hire)  # type: ignore[method-assign]
        return open_services(
            self.workspace,
            storage_settings=StorageSettings(home=self.root / "home"),
            mission_settings=MissionSettings(**limits),
            tools=tools,
            templates=manager,
            models=Gateway(model),
        )

    async def accept(
        self, services: Any, agent: str = "boss", *, budget: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        asked = {"tool_calls": 200, "seconds": 600, **(budget or {})}
        request = MissionRequest(
            goal="see to it",
            workspace=str(self.workspace),
            budget=MissionBudget(**asked),
            options=MissionOptions(agents=(agent,), **options),
        )
        return await services.missions.accept(request)

    async def run(self, services: Any, agent: str = "boss", **about: Any) -> MissionReport:
        await self.start(services, agent, **about)
        return await self.report(services)

    async def start(self, services: Any, agent: str = "boss", **about: Any) -> None:
        """Accept a mission and work on it until it ends or waits."""
        self.mission = (await self.accept(services, agent, **about)).id
        await services.worker.recover()

    async def answer(self, services: Any, verdict: str) -> None:
        """Answer the one question that stands, and go on."""
        (approval,) = await services.approvals.pending()
        await services.approvals.decide(approval.id, verdict, by="human:ada")
        await services.worker.recover()

    async def report(self, services: Any) -> MissionReport:
        return MissionReport.model_validate((await services.missions.get(self.mission)).report)


async def effects(services: Any, mission: str) -> dict[tuple[str, int], Any]:
    """Every effect of a mission by task and position."""
    return {(effect.task, effect.position): effect for effect in await services.missions.effects(mission)}

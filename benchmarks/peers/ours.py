"""Ours: without anything on disk at our own seam for models; durable through a mission's door; whole missions."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from script import QUESTION, called

from benchmarks.credits import RECORDED, RICH
from benchmarks.thinking import CALLS, Weather, agent
from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.manager import TemplateManager
from nextgeneration.agents.runtimes.dispatch import run as run_agent
from nextgeneration.credits.audit import verify
from nextgeneration.credits.service import Credits
from nextgeneration.kernel.models import ModelAnswer, ModelRequest, Usage
from nextgeneration.kernel.tools import ToolContext, ToolResult
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.effects import Policy
from nextgeneration.missions.schema import MissionBudget, MissionOptions, MissionRequest, TaskRecord
from nextgeneration.missions.service import Missions
from nextgeneration.services.assembly import Services, open_services
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage.database import Storage
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.testing.gateway import ScriptedCandidate, ScriptedGateway
from nextgeneration.testing.thinking import InstantWorld, ScriptedModel
from nextgeneration.tools.base import Args

USAGE = Usage(9, 3)
FULL = 2
MISSIONS = 32
WORKERS = ("north", "east", "south", "west")
SUNNY = "always sunny in nyc"


def said(request: ModelRequest) -> ModelAnswer:
    """Asks for the weather, then says what it was told."""
    if called(sum(message.role == "tool" for message in request.messages)):
        return CALLS[0]
    assert SUNNY in request.messages[-1].text
    return ModelAnswer(f"final: {SUNNY}", usage=USAGE)


def taking(latency: float, answer: Callable[[ModelRequest], ModelAnswer]) -> ScriptedModel:
    """A model that takes ``latency`` seconds for each answer."""

    async def later(request: ModelRequest) -> ModelAnswer:
        await asyncio.sleep(latency)
        return answer(request)

    return ScriptedModel(later if latency else answer)


def weather(latency: float) -> Callable[[], Awaitable[Any]]:
    model, (revision, tools) = taking(latency, said), agent()

    async def once() -> Any:
        model.requests.clear()
        context = TaskContext({}, door=InstantWorld(model, tools), task="t1")  # type: ignore[arg-type]
        return (await run_agent(revision, {"goal": QUESTION}, {}, context)).analysis

    return once


# -- durable ----------------------------------------------------------------------------------------------------------


class Lane:
    """One agent after another on a mission's door; ``ended`` gets the moment each step's own work was done."""

    def __init__(self, claim: Claim, folder: Path, credits_of: Credits, latency: float) -> None:
        self.ended: list[float] = []
        self.claim = claim
        self.model = taking(latency, self.answer)
        gateway = ScriptedGateway(ScriptedCandidate(self.model, input=2, output=3, local=False))
        self.door = claim.door({"weather.get": Timed(self)}, Policy(), folder, ModelAccess(gateway, credits_of))

    def answer(self, request: ModelRequest) -> ModelAnswer:
        answer = said(request)
        self.ended.append(perf_counter())
        return answer

    async def run(self, task: str, ended: list[float]) -> None:
        """A task as the supervisor runs it: recorded before its first call, its report kept at its end."""
        self.ended = ended
        self.model.requests.clear()
        revision, _ = agent()
        self.claim.add_tasks([TaskRecord(task, "weather", revision.name, revision.digest, QUESTION)])
        self.claim.event_nowait("task.started", {"agent": "weather", "template": revision.name}, task=task)
        context = TaskContext({}, door=self.door.task(task, "weather", template=revision.name), task=task)
        report = await run_agent(revision, {"goal": QUESTION}, {}, context)
        assert SUNNY in report.analysis, report
        await self.claim.end_task(task, report)


class Timed(Weather):
    """Says when it was done."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane

    async def call(self, args: Args, context: ToolContext) -> ToolResult:
        result = await super().call(args, context)  # type: ignore[arg-type]
        self.lane.ended.append(perf_counter())
        return result


def on_disk(folder: Path) -> Storage:
    """A database file with its write-ahead log, each transaction synchronised."""
    storage = Storage.open(f"sqlite:///{folder}/home/nextgen.db")
    for pragma, wanted in {"journal_mode": "wal", "synchronous": FULL}.items():
        found = storage.write_sync(lambda c, pragma=pragma: c.exec_driver_sql(f"PRAGMA {pragma}").scalar())
        assert found == wanted, (pragma, found)
    return storage


@asynccontextmanager
async def durable(
    folder: Path, at_once: int, latency: float, storage: Storage | None = None
) -> AsyncIterator[Callable[[int, int, list[float]], Awaitable[None]]]:
    """Missions accepted and claimed beforehand, no more than ``MISSIONS``; their leases are kept meanwhile."""
    workspace = folder / "workspace"
    workspace.mkdir()
    storage = storage or on_disk(folder)
    missions, credits_of = Missions(storage, MissionSettings()), Credits(storage)
    for limit in RECORDED:
        await credits_of.set_limit(limit, by="human:bench")
    budget = MissionBudget(tool_calls=10_000, seconds=600, credits=RICH)
    claims = []
    for number in range(min(at_once, MISSIONS)):
        request = MissionRequest(goal=f"{QUESTION} {number}", workspace=str(workspace), budget=budget)
        claims.append(await missions.claim((await missions.accept(request)).id))
    keepers = [asyncio.create_task(claim.keep()) for claim in claims]
    lanes = [Lane(claims[n % len(claims)], folder, credits_of, latency) for n in range(at_once)]
    try:
        yield lambda lane, number, ended: lanes[lane].run(f"t{lane}_{number + at_once}", ended)
        for claim in claims:
            await claim.end("done", {})
        assert await storage.read(verify) == [], "the books are wrong"
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        storage.close()


# -- missions ---------------------------------------------------------------------------------------------------------


def supervised(request: ModelRequest) -> ModelAnswer:
    """Plans four tasks at once, works in two turns, and words the summary."""
    system = request.messages[0].text
    if system.startswith("You plan"):
        called(0)
        tasks = [task(f"t{n}", name) for n, name in enumerate(WORKERS, 1)]
        return ModelAnswer(json.dumps({"tasks": tasks, "unserved": []}), usage=USAGE)
    if system.startswith("You write the summary"):
        called(0)
        tasks = [f"t{n}" for n in range(1, len(WORKERS) + 1)]
        sentence = {"text": "It is sunny everywhere.", "findings": [], "tasks": tasks, "actions": []}
        return ModelAnswer(json.dumps({"sentences": [sentence]}), usage=USAGE)
    return said(request)


def task(name: str, worker: str) -> dict[str, Any]:
    told = {"goal": QUESTION, "paths": [], "depends": [], "criteria": "it is known", "why": "it can", "share": 20}
    return {"id": name, "agent": worker, **told}


@asynccontextmanager
async def missions(latency: float, folder: Path, at_once: int) -> AsyncIterator[list[Callable[[], Awaitable[None]]]]:
    """Everything as in ``nextgen run``: accepted, claimed, planned, worked, worded, every step on disk."""
    templates, workspace, numbers = folder / "templates", folder / "workspace", itertools.count()
    templates.mkdir()
    workspace.mkdir()
    for name in WORKERS:
        route = {"route": name, "keywords": [name]}
        data = {
            "name": name,
            "role": "worker",
            "domain": "weather",
            "supervisor_route": route,
            "tools": ["weather.get"],
        }
        (templates / f"{name}.json").write_text(json.dumps(data))
    config = AgentFactoryConfig(templates_dir=templates, enable_hot_reload=False, preload_templates=[])
    model = taking(latency, supervised)
    opened = open_services(
        workspace,
        storage_settings=StorageSettings(home=folder / "home"),
        mission_settings=MissionSettings(missions_at_once=20),
        tools=[Weather()],
        templates=TemplateManager(config, TemplateLibrary(templates, builtin=False)),
        models=ScriptedGateway(ScriptedCandidate(model, input=2, output=3, local=False)),
    )
    async with opened as services:

        async def once() -> None:
            model.requests.clear()
            await mission(services, f"the weather, {next(numbers)}", str(workspace))

        yield [once] * at_once


async def mission(services: Services, goal: str, workspace: str) -> None:
    budget, options = MissionBudget(credits=RICH), MissionOptions(actions=0)
    request = MissionRequest(goal=goal, workspace=workspace, budget=budget, options=options)
    outcome = await services.worker.run((await services.missions.accept(request)).id)
    assert outcome.status == "done", outcome.report.missing
    assert [task.status.value for task in outcome.report.tasks] == ["done"] * 4
    assert outcome.report.prose

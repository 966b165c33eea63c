"""What the supervisor costs: a mission of four parallel agents with two effects each, everything on disk.

The tools answer at once, so that all that is measured is ours: accepting, claiming, planning, the journal and
the outcome of eight effects, four reports, the synthesis, the graph with its checkpoints, and the end record.
Beside it the same eight functions called by hand in a `TaskGroup`.

Where the time of one mission goes is measured by a profile of fifty: its shares are those of the profile, which makes
calls of Python functions dearer than they are, applied to the processor time measured without it.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import itertools
import json
import os
import pstats
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter, process_time, thread_time
from typing import Any

import psutil

from nextgeneration.agents.manager import TemplateManager
from nextgeneration.kernel.findings import Evidence, Finding, Severity
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.schema import MissionOptions, MissionRequest
from nextgeneration.services.assembly import Services, open_services
from nextgeneration.services.process import tune_collector
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage import writer
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.testing.tools import FakeTool

NUMBERS = itertools.count()
AGENTS = ("alpha", "beta", "gamma", "delta")


def look(args: dict[str, Any], _context: object) -> ToolResult:
    proof = Evidence(source="t.look", excerpt="seen")
    found = Finding(
        rule="t.rule", title=f"{args['n']}", severity=Severity.LOW, cause=f"c:{args['n']}", evidence=(proof,)
    )
    return ToolResult(findings=(found,))


def templates(folder: Path) -> TemplateManager:
    folder.mkdir()
    for name in AGENTS:
        steps = [{"id": f"s{n}", "tool": "t.look", "with": {"n": f"{name}{n}"}} for n in range(2)]
        route = {"route": "work", "keywords": ["work"]}
        data = {"name": name, "role": "worker", "domain": "bench", "supervisor_route": route, "playbook": steps}
        (folder / f"{name}.json").write_text(json.dumps(data))
    config = AgentFactoryConfig(templates_dir=folder, enable_hot_reload=False, preload_templates=[])
    return TemplateManager(config, TemplateLibrary(folder, builtin=False))


async def mission(services: Services, workspace: str) -> float:
    started = perf_counter()
    # Each goal is new, so that nothing is remembered from the mission before.
    request = MissionRequest(
        goal=f"work on part {next(NUMBERS)}", workspace=workspace, options=MissionOptions(actions=0)
    )
    accepted = await services.missions.accept(request)
    outcome = await services.worker.run(accepted.id)
    assert outcome.status == "done", outcome
    assert len(outcome.report.findings) == 8
    return perf_counter() - started


async def by_hand() -> float:
    async def agent(name: str) -> list[ToolResult]:
        return [look({"n": f"{name}{n}"}, None) for n in range(2)]

    started = perf_counter()
    async with asyncio.TaskGroup() as group:
        for name in AGENTS:
            group.create_task(agent(name))
    return perf_counter() - started


async def measure() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "workspace").mkdir()
        opened = open_services(
            root / "workspace",
            storage_settings=StorageSettings(home=root / "home"),
            mission_settings=MissionSettings(missions_at_once=20),
            tools=[FakeTool("t.look", look)],
            templates=templates(root / "templates"),
        )
        async with opened as services:
            return await rows(services, str(root / "workspace"))


async def rate(services: Services, folder: str) -> tuple[list[float], list[float]]:
    """Missions a second in each of five rounds, when 100 are asked for and 20 admitted; how long each took."""
    rates, each = [], []
    for _ in range(5):
        started = perf_counter()
        each += await asyncio.gather(*(mission(services, folder) for _ in range(100)))
        rates.append(100 / (perf_counter() - started))
    return sorted(rates), each


@contextmanager
def one_core() -> Iterator[None]:
    """This process on one core, where the system lets it choose."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    threads = [int(task) for task in os.listdir("/proc/self/task")]
    for thread in threads:
        os.sched_setaffinity(thread, {max(cores)})
    try:
        yield
    finally:
        for thread in threads:
            with suppress(OSError):
                os.sched_setaffinity(thread, cores)


PARTS = {
    "the graph and its checkpoints (LangGraph)": ("langgraph", "langchain_core", "supervisor/graph", "supervisor/chec"),
    "the database: statements, commits, their documents": ("storage/", "sqlite3", "sqlalchemy", "/store.py", "ledger"),
    "effects, journal, leases, tasks": ("missions/", "events/"),
    "plan, schedule, synthesis, report": ("supervisor/", "templates/", "kernel/findings", "kernel/reports"),
    "agents and their playbooks": ("agents/", "tools/", "testing/"),
    "the event loop": ("asyncio/", "selectors", "contextlib"),
    "values and their checks (pydantic, dataclasses, times, digests)": (
        "pydantic",
        "dataclasses",
        "kernel/",
        "enum.py",
    ),
}


async def parts(services: Services, folder: str, cpu: float) -> list[dict[str, Any]]:
    """Where the processor time of a mission goes, in milliseconds of ``cpu``."""
    profile = cProfile.Profile(timer=thread_time)
    before, writer.PATIENCE = writer.PATIENCE, 60.0  # all of it in this thread, also on a busy machine
    profile.enable()
    for _ in range(50):
        await mission(services, folder)
    profile.disable()
    writer.PATIENCE = before
    spent: Counter[str] = Counter()
    for (file, _, name), (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if file == "~" and "sqlite3" not in name:
            # What is built in works for who calls it.
            for caller, figures in callers.items():
                spent[part(caller[0])] += figures[2]
        else:
            spent[part(file + name)] += own
    whole = sum(spent.values())
    names = [*PARTS, "the rest"]
    return [{"name": f"of it: {name}", "value": spent[name] / whole * cpu * 1e3, "unit": "ms"} for name in names]


def part(place: str) -> str:
    return next((name for name, marks in PARTS.items() if any(mark in place for mark in marks)), "the rest")


async def flood(services: Services, folder: str) -> tuple[float, float, float]:
    """200 missions at once: how many a second, and the process's memory before and at its most, in MB."""
    process, most = psutil.Process(), 0.0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, process.memory_info().rss / 2**20)
            await asyncio.sleep(0.01)

    gc.collect()
    before = process.memory_info().rss / 2**20
    watching = asyncio.create_task(watch())
    started = perf_counter()
    await asyncio.gather(*(mission(services, folder) for _ in range(200)))
    taken = perf_counter() - started
    watching.cancel()
    return 200 / taken, before, max(most, process.memory_info().rss / 2**20)


async def rows(services: Services, folder: str) -> list[dict[str, Any]]:
    tune_collector()  # as the `nextgen` command does
    for _ in range(20):
        await mission(services, folder)
    bare = statistics.median([await by_hand() for _ in range(200)])
    cpu = process_time()
    alone = sorted([await mission(services, folder) for _ in range(100)])
    cpu = (process_time() - cpu) / 100
    where = await parts(services, folder, cpu)
    rates, each = await rate(services, folder)
    with one_core():
        pinned, _ = await rate(services, folder)
    flooded, before, most = await flood(services, folder)
    lost = 0
    for line in await services.missions.list(limit=200):
        seqs = [event.seq for event in await services.missions.journal(line.id)]
        lost += seqs != list(range(1, len(seqs) + 1)) or line.status.value != "done"
    p50, p99 = alone[50] * 1000, alone[98] * 1000
    return [
        {"name": "one mission, by hand (TaskGroup)", "value": bare * 1000, "unit": "ms", "note": "nothing on disk"},
        {"name": "one mission alone, p50", "value": p50, "unit": "ms", "limit": 20, "note": f"p99 {p99:.1f} ms"},
        {"name": "one mission alone, processor time", "value": cpu * 1000, "unit": "ms"},
        *where,
        {
            "name": "missions a second, 20 at once",
            "value": statistics.median(rates),
            "unit": "/s",
            "limit": ">=150",
            "note": f"{rates[0]:.0f} to {rates[-1]:.0f} in five rounds; "
            f"p50 {statistics.median(each) * 1000:.0f} ms with queueing (100 waiting)",
        },
        {
            "name": "the same, the process kept on one core",
            "value": statistics.median(pinned),
            "unit": "/s",
            "note": f"{pinned[0]:.0f} to {pinned[-1]:.0f} in five rounds",
        },
        {
            "name": "200 missions at once, throughput",
            "value": flooded,
            "unit": "/s",
            "note": "20 admitted, the rest queue",
        },
        {
            "name": "200 missions at once, memory at its most",
            "value": most,
            "unit": "MB",
            "note": f"{most - before:.0f} MB more than before them, after some 1,200 missions in this process",
        },
        {"name": "200 missions at once, journals with a gap or not done", "value": lost, "unit": "", "limit": 0},
    ]

"""What the supervisor costs: a mission of four parallel agents with two effects each, everything on disk.

The tools answer at once, so that all that is measured is ours: accepting, claiming, planning, the journal and
the outcome of eight effects, four reports, the synthesis, the graph with its checkpoints, and the end record.
Beside it the same eight functions called by hand in a `TaskGroup`.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import os
import resource
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from nextgeneration.agents.manager import TemplateManager
from nextgeneration.kernel.findings import Evidence, Finding, Severity
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.schema import MissionOptions, MissionRequest
from nextgeneration.services.assembly import Services, open_services
from nextgeneration.services.process import tune_collector
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.settings.storage import StorageSettings
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


async def rate(services: Services, folder: str) -> tuple[float, list[float]]:
    """Missions a second when 100 are asked for and 20 admitted, the median of five rounds; how long each took."""
    rates, each = [], []
    for _ in range(5):
        started = perf_counter()
        each += await asyncio.gather(*(mission(services, folder) for _ in range(100)))
        rates.append(100 / (perf_counter() - started))
    return statistics.median(rates), each


@contextmanager
def one_core() -> Iterator[None]:
    """This process on one core, where the system lets it choose.

    Python's lock lets one thread run at a time: when the loop and the writer of the database sit on two cores, each
    handing over costs more than the second core gives.
    """
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


async def rows(services: Services, folder: str) -> list[dict[str, Any]]:
    tune_collector()  # as the `nextgen` command does
    for _ in range(20):
        await mission(services, folder)
    bare = statistics.median([await by_hand() for _ in range(200)])
    cpu = process_time()
    alone = sorted([await mission(services, folder) for _ in range(100)])
    cpu = (process_time() - cpu) / 100
    spread, each = await rate(services, folder)
    with one_core():
        pinned, _ = await rate(services, folder)
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = perf_counter()
    await asyncio.gather(*(mission(services, folder) for _ in range(200)))
    flood = 200 / (perf_counter() - started)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    lost = 0
    for line in await services.missions.list(limit=200):
        seqs = [event.seq for event in await services.missions.journal(line.id)]
        lost += seqs != list(range(1, len(seqs) + 1)) or line.status.value != "done"
    p50, p99 = alone[50] * 1000, alone[98] * 1000
    return [
        {"name": "one mission, by hand (TaskGroup)", "value": bare * 1000, "unit": "ms", "note": "nothing on disk"},
        {"name": "one mission alone, p50", "value": p50, "unit": "ms", "limit": 20, "note": f"p99 {p99:.1f} ms"},
        {"name": "one mission alone, processor time", "value": cpu * 1000, "unit": "ms"},
        {
            "name": "missions a second, 20 at once",
            "value": spread,
            "unit": "/s",
            "limit": ">=150",
            "note": f"p50 {statistics.median(each) * 1000:.0f} ms with queueing (100 waiting)",
        },
        {
            "name": "the same, the process kept on one core",
            "value": pinned,
            "unit": "/s",
            "note": "the loop and the database's writer then hand Python's lock over without crossing cores",
        },
        {
            "name": "200 missions at once, throughput",
            "value": flood,
            "unit": "/s",
            "note": "20 admitted, the rest queue",
        },
        {"name": "200 missions at once, memory grown", "value": grown, "unit": "MB"},
        {"name": "200 missions at once, journals with a gap or not done", "value": lost, "unit": "", "limit": 0},
    ]

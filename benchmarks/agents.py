"""What an agent costs: creating one, keeping one, and importing the package.

Everything is a ratio against something measured in the same run on the same machine.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.peers import MISSING, sides
from nextgeneration.agents.factory import AgentFactory
from nextgeneration.agents.manager import TemplateManager
from nextgeneration.agents.shared import library_for
from nextgeneration.settings.agents import AgentFactoryConfig

TEMPLATE = "documentaliste"
ROUNDS = 9

Row = dict[str, Any]


class Bare:
    """A plain object with eight attributes."""

    def __init__(self) -> None:
        self.name = "bare"
        self.role = "nothing"
        self.domain = "nothing"
        self.version = "1.0.0"
        self.capabilities = None
        self.tools = None
        self.config = None
        self.status = "idle"


def microseconds(make: Callable[[], object], number: int = 20_000) -> float:
    """The median over rounds of what one call costs, its result thrown away."""

    def once() -> float:
        started = perf_counter()
        for _ in range(number):
            make()
        return (perf_counter() - started) / number * 1e6

    return statistics.median(once() for _ in range(ROUNDS))


async def microseconds_async(make: Callable[[], Awaitable[object]], number: int = 20_000) -> float:
    """The same for something awaited."""
    rounds = []
    for _ in range(ROUNDS):
        started = perf_counter()
        for _ in range(number):
            await make()
        rounds.append((perf_counter() - started) / number * 1e6)
    return statistics.median(rounds)


def kept_bytes(make: Callable[[], object], number: int = 2_000) -> float:
    """Memory one object holds while it lives."""
    make()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [make() for _ in range(number)]
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / len(kept)


def import_milliseconds(statement: str) -> float:
    """Processor time a statement costs a fresh interpreter beyond starting it: the best of seven.

    Processor time, because on a busy machine the clock mostly measures the neighbours.
    """
    code = f"import time; s = time.process_time(); {statement}; print(time.process_time() - s)"
    runs = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) for _ in range(7)
    ]
    return min(runs) * 1000


def row(name: str, value: float | str, unit: str, limit: float | None, note: str) -> Row:
    return {
        "name": name,
        "value": value if isinstance(value, str) else round(value, 3),
        "unit": unit,
        "limit": limit,
        "note": note,
    }


def measure() -> list[Row]:
    """Every figure of agents, each with its limit."""
    with tempfile.TemporaryDirectory() as folder:
        config = AgentFactoryConfig(templates_dir=Path(folder), enable_hot_reload=False, max_agents=1_000_000)
        manager = TemplateManager(config, library_for(config))
        return [*creation(manager), *memory(manager), leak(manager), imports()]


def creation(manager: TemplateManager) -> list[Row]:
    factory, template = AgentFactory(manager), manager.get_template(TEMPLATE)
    bare = microseconds(Bare)
    instance = microseconds(template.create_instance)
    created = asyncio.run(microseconds_async(lambda: factory.create_agent(TEMPLATE)))
    with sides("with_agno") as there:
        agno = there["Agno"].ask("create", number=2_000)["us"] if "Agno" in there else None
    against = f"Agno's Agent(...) {agno:.2f} µs" if agno else MISSING
    return [
        row("create_instance / bare object", instance / bare, "×", 5.0, f"{instance:.2f} µs against {bare:.2f} µs"),
        row("create_agent", created, "µs", None, "warm template, registered and counted"),
        row("create_agent / Agno", created / agno if agno else "not run", "×", 0.6, against),
    ]


def memory(manager: TemplateManager) -> list[Row]:
    template = manager.get_template(TEMPLATE)

    def used() -> object:
        agent = template.create_instance()
        return agent, agent.metadata, agent.config, agent.context, agent.performance_metrics

    return [
        row("kept by an agent", kept_bytes(template.create_instance) / 1024, "KiB", 3.7, "as created"),
        row(
            "kept by an agent, every field read",
            kept_bytes(used) / 1024,
            "KiB",
            3.7,
            "metadata, config, context, figures",
        ),
    ]


def leak(manager: TemplateManager, number: int = 100_000) -> Row:
    """What many registered agents leave behind, beyond what as many before them did (tables keep their size)."""

    def live_and_go() -> float:
        started = perf_counter()
        agents = [manager.create_agent(TEMPLATE) for _ in range(number)]
        seconds = perf_counter() - started
        del agents
        gc.collect()
        return seconds

    tracemalloc.start()
    live_and_go()
    before = tracemalloc.get_traced_memory()[0]
    seconds = live_and_go()
    left = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    note = f"made in {seconds:.1f} s under tracemalloc, all alive at once, then let go; {len(manager.registry)} stayed"
    return row(f"left by {number:,} agents", left / 1024, "KiB", 64.0, note)


def imports() -> Row:
    return row(
        "import nextgeneration",
        import_milliseconds("import nextgeneration"),
        "ms",
        50.0,
        "fresh interpreter, processor time",
    )

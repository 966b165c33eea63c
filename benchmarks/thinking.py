"""What thinking costs: an agent's own loop with an instant model in the same process, and nothing on disk.

Every side runs the same turns: the model asks for the weather once and then answers. Its fake model stands at its
library's own seam for models. Each side is a process of its own, measured by the same code under the same settings of
the garbage collector, and they take turns within one run: a ratio is of medians over the rounds.
"""

from __future__ import annotations

import asyncio
import cProfile
import functools
import pstats
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmarks import peers
from benchmarks.peers import Side
from benchmarks.peers.script import INSTRUCTIONS
from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.runtimes.dispatch import run
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import Finish, ModelAnswer, ModelRequest, ToolCall, Usage
from nextgeneration.kernel.reports import Report
from nextgeneration.kernel.risk import Assessment, RiskLabel
from nextgeneration.kernel.tools import Tool, ToolContext, ToolResult, ToolSpec
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.revision import Revision
from nextgeneration.testing.thinking import InstantWorld, ScriptedModel
from nextgeneration.tools.base import Args, BaseTool

ROUNDS, RUNS = 5, 200
CROWDS, AT_ONCE, LATENCY = 3, 1_000, 0.05
PEERS = ("with_agno", "with_agent_framework")

Row = dict[str, Any]


class WeatherArgs(Args):
    """Where."""

    city: str


class Sky(BaseModel):
    """What it is like."""

    sky: str = ""


class Weather(BaseTool):
    """Always the same."""

    spec = ToolSpec("weather.get", Texts("The weather of a city.", "Le temps d'une ville."), WeatherArgs, Sky)

    def assess(self, args: WeatherArgs, context: ToolContext) -> Assessment:
        return Assessment(label=RiskLabel.SAFE)

    async def call(self, args: WeatherArgs, context: ToolContext) -> ToolResult:
        return ToolResult(text=f"always sunny in {args.city}")


@functools.cache
def agent() -> tuple[Revision, list[Tool]]:
    library = TemplateLibrary(Path("/nonexistent"), builtin=False)
    data = {"name": "weather", "role": "assistant", "domain": "weather", "tools": ["weather.get"]}
    return library.resolve({**data, "instructions": INSTRUCTIONS}), [Weather()]


CALLS = [
    ModelAnswer("", (ToolCall(f"c{n}", "weather.get", {"city": "nyc"}),), Finish.CALLS, Usage(9, 3)) for n in range(99)
]
CITIES = [ToolCall(f"c{n}", "weather.get", {"city": f"nyc{n}"}) for n in range(99)]


def weather_model(turns: int, latency: float = 0.0) -> ScriptedModel:
    """Asks for the weather ``turns - 1`` times (of another city each time after the first), then answers."""

    def answer(request: ModelRequest) -> ModelAnswer:
        asked = (len(request.messages) - 2) // 2
        if asked < turns - 1:
            return CALLS[0] if asked == 0 else ModelAnswer("", (CITIES[asked],), Finish.CALLS, Usage(9, 3))
        last = request.messages[-1].text
        return ModelAnswer("final: " + (last.splitlines()[1] if asked else last), usage=Usage(9, 3))

    async def later(request: ModelRequest) -> ModelAnswer:
        await asyncio.sleep(latency)
        return answer(request)

    return ScriptedModel(later if latency else answer)


async def one_run(turns: int, world: InstantWorld | None = None) -> Report:
    revision, tools = agent()
    world = world or InstantWorld(weather_model(turns), tools)
    context = TaskContext({}, door=world, task="t1")  # type: ignore[arg-type]
    return await run(revision, {"goal": "what is the weather in nyc?"}, {}, context)


async def calls(once: Callable[[], Awaitable[Any]]) -> int:
    for _ in range(3):
        await once()
    profile = cProfile.Profile()
    profile.enable()
    await once()
    profile.disable()
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def measure() -> list[Row]:
    with peers.sides(*PEERS) as sides:
        return [*own(sides), *crowd(sides)]


def own(sides: dict[str, Side]) -> list[Row]:
    counted = peers.rounds(sides, 1, "calls")
    one, two, many = [asyncio.run(calls(functools.partial(one_run, turns))) for turns in (1, 2, 22)]
    peers.rounds(sides, 1, "turns", runs=20)
    taken = peers.rounds(sides, ROUNDS, "turns", runs=RUNS)
    ratio = peers.ratio(taken, "us", *others(sides))
    calls_of = "; ".join(f"{name} {figures[0]['calls']:,}" for name, figures in counted.items())
    return [
        {"name": "calls of a two-turn run", "value": counted["ours"][0]["calls"], "limit": 550, "note": calls_of},
        {"name": "calls of a later turn / of the first", "value": (many - two) / 20 / (two - one), "limit": 1.05},
        {
            "name": "a two-turn run with one tool call",
            "value": peers.median(taken["ours"], "us"),
            "unit": "µs",
            "note": f"processor time, median of {ROUNDS} rounds of {RUNS}",
        },
        {
            "name": "the same / the fastest peer",
            "value": ratio or "not run",
            "unit": "×",
            "limit": 0.35,
            "note": peers.said(taken, "us", "µs") if ratio else peers.MISSING,
        },
    ]


def others(sides: dict[str, Side]) -> list[str]:
    return [name for name in sides if name != "ours"]


def crowd(sides: dict[str, Side]) -> list[Row]:
    taken = peers.rounds(sides, CROWDS, "crowd", number=AT_ONCE, latency=LATENCY)
    ideal = 2 * LATENCY
    ratio = peers.ratio(taken, "cpu_ms", "Agno")
    peak = max(figures["peak_mb"] for figures in taken["ours"])
    return [
        {
            "name": "1,000 runs at once on 50 ms turns / ideal",
            "value": peers.median(taken["ours"], "wall") / ideal,
            "unit": "×",
            "limit": 2.5,
            "note": peers.said(taken, "wall", "×", 1 / ideal) + f"; ours used {peak} MB",
        },
        {
            "name": "the same, processor time / Agno",
            "value": ratio or "not run",
            "unit": "×",
            "limit": 0.4,
            "note": peers.said(taken, "cpu_ms", "ms a run") if ratio else peers.MISSING,
        },
    ]

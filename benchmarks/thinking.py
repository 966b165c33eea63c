"""What thinking costs: an agent's own loop with an instant model in the same process, and nothing on disk.

Every peer runs the same turns: the model asks for the weather once and then answers. Its fake model stands where ours
does, at the library's own seam for models. Ratios are of medians taken in turn within one run.
"""

from __future__ import annotations

import asyncio
import cProfile
import functools
import importlib.util
import pstats
import resource
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from pydantic import BaseModel

from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.runtimes.dispatch import run
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.models import Finish, ModelAnswer, ModelRequest, ToolCall, Usage
from nextgeneration.kernel.reports import Report
from nextgeneration.kernel.risk import Assessment, RiskLabel
from nextgeneration.kernel.tools import Tool, ToolContext, ToolResult, ToolSpec
from nextgeneration.services.process import tune_collector
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.revision import Revision
from nextgeneration.testing.thinking import InstantWorld, ScriptedModel
from nextgeneration.tools.base import Args, BaseTool

INSTRUCTIONS = "You are a careful weather assistant. Use the tool, then answer in one sentence."
ROUNDS, RUNS = 5, 200
AT_ONCE, LATENCY = 1_000, 0.05

Row = dict[str, Any]
Run = Callable[[], Awaitable[Any]]


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


# -- peers, each measured when it is installed ------------------------------------------------------------------------


@dataclass
class Peer:
    """A library to compare with: ``make`` gives a run of two turns on a model that takes ``latency``."""

    name: str
    needs: str
    make: Callable[[float], Run]


def get_weather(city: str) -> str:
    """Get the weather of a city.

    Args:
        city: the name of the city
    """
    return "always sunny in " + city


def agno_run(latency: float) -> Run:
    base, answer = import_module("agno.models.base").Model, import_module("agno.models.response").ModelResponse
    call = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "nyc"}'}}

    class Fake(base):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__(id="fake", name="Fake")

        async def ainvoke(self, messages: Any, *_a: Any, **_k: Any) -> Any:
            if latency:
                await asyncio.sleep(latency)
            if any(m.role == "tool" for m in messages):
                return answer(role="assistant", content="final: " + str(messages[-1].content))
            return answer(role="assistant", tool_calls=[dict(call)])

        def invoke(self, *_a: Any, **_k: Any) -> Any:
            raise NotImplementedError

        invoke_stream = ainvoke_stream = _parse_provider_response = _parse_provider_response_delta = invoke

    made = import_module("agno.agent").Agent(
        model=Fake(), instructions=INSTRUCTIONS, tools=[get_weather], telemetry=False
    )
    return lambda: made.arun("what is the weather in nyc?")


def agent_framework_run(latency: float) -> Run:
    af, telemetry = import_module("agent_framework"), import_module("agent_framework.observability")
    layers = (af.FunctionInvocationLayer, af.ChatMiddlewareLayer, telemetry.ChatTelemetryLayer, af.BaseChatClient)

    class Fake(*layers):  # type: ignore[misc]
        def _inner_get_response(self, *, messages: Any, stream: Any, options: Any, **_k: Any) -> Any:
            return self._answer(messages)

        async def _answer(self, messages: Any) -> Any:
            if latency:
                await asyncio.sleep(latency)
            given = [str(c.result) for m in messages for c in m.contents if c.type == "function_result"]
            if given:
                content = af.Content.from_text("final: " + given[-1])
            else:
                content = af.Content.from_function_call(call_id="c", name="get_weather", arguments='{"city": "nyc"}')
            return af.ChatResponse(messages=[af.Message(role="assistant", contents=[content])])

    made = af.Agent(client=Fake(), instructions=INSTRUCTIONS, tools=[get_weather], name="a")
    return lambda: made.run("what is the weather in nyc?")


PEERS = (
    Peer("agent-framework", "agent_framework", agent_framework_run),
    Peer("Agno", "agno", agno_run),
)


def our_run(latency: float) -> Run:
    model, (revision, tools) = weather_model(2, latency), agent()

    async def once() -> Report:
        model.requests.clear()
        context = TaskContext({}, door=InstantWorld(model, tools), task="t1")  # type: ignore[arg-type]
        return await run(revision, {"goal": "what is the weather in nyc?"}, {}, context)

    return once


# -- figures ---------------------------------------------------------------------------------------------------------


async def microseconds(once: Run, runs: int = RUNS) -> float:
    started = process_time()
    for _ in range(runs):
        await once()
    return (process_time() - started) / runs * 1e6


async def calls(once: Run) -> int:
    for _ in range(3):
        await once()
    profile = cProfile.Profile()
    profile.enable()
    await once()
    profile.disable()
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


async def at_once(once: Run) -> tuple[float, float]:
    """Wall-clock seconds of a thousand runs side by side, and milliseconds of processor time of each.

    The best of the rounds each: on a busy machine the others mostly measure the neighbours.
    """
    rounds = []
    for _ in range(ROUNDS):
        started, cpu = perf_counter(), process_time()
        await asyncio.gather(*(once() for _ in range(AT_ONCE)))
        rounds.append((perf_counter() - started, (process_time() - cpu) / AT_ONCE * 1000))
    return min(wall for wall, _ in rounds), min(cpu for _, cpu in rounds)


async def measure() -> list[Row]:
    ours = our_run(0)
    there = [peer for peer in PEERS if importlib.util.find_spec(peer.needs)]
    runs = {"ours": ours, **{peer.name: peer.make(0) for peer in there}}
    for once in runs.values():
        await microseconds(once, 20)
    taken = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, once in runs.items():
            taken[name].append(await microseconds(once))
    figures = {name: statistics.median(values) for name, values in taken.items()}
    best = min((figures[peer.name] for peer in there), default=None)
    absent = [peer.name for peer in PEERS if peer not in there]
    note = "; ".join(f"{name} {figure:.0f} µs" for name, figure in figures.items())
    note += f"; not run: {', '.join(absent)}" if absent else ""
    ratio = figures["ours"] / best if best else None
    counted = await calls(ours)
    one, two, many = [await calls(lambda turns=turns: one_run(turns)) for turns in (1, 2, 22)]
    return [
        {"name": "calls of a two-turn run", "value": counted, "unit": "", "limit": 550, "note": await counts(there)},
        {"name": "calls of a later turn / of the first", "value": (many - two) / 20 / (two - one), "limit": 1.05},
        {"name": "a two-turn run with one tool call", "value": figures["ours"], "unit": "µs", "note": "processor time"},
        {"name": "the same / the fastest peer", "value": ratio or "not run", "unit": "×", "limit": 0.35, "note": note},
        *await crowd(there),
    ]


async def counts(there: list[Peer]) -> str:
    return "; ".join([f"{peer.name} {await calls(peer.make(0))}" for peer in there])


async def crowd(there: list[Peer]) -> list[Row]:
    tune_collector()  # as the `nextgen` command does
    wall, cpu = await at_once(our_run(LATENCY))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    agno = next((peer for peer in there if peer.name == "Agno"), None)
    theirs = (await at_once(agno.make(LATENCY)))[1] if agno else None
    ideal = 2 * LATENCY
    against = f"{cpu:.2f} ms against {theirs:.2f} ms" if theirs else f"{cpu:.2f} ms; not run: Agno"
    return [
        {"name": "1,000 runs at once / ideal", "value": wall / ideal, "unit": "×", "limit": 2.5, "note": f"{peak} MB"},
        {
            "name": "1,000 runs at once, processor time / Agno",
            "value": cpu / theirs if theirs else "not run",
            "unit": "×",
            "limit": 0.4,
            "note": against,
        },
    ]

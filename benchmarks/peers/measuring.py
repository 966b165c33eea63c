"""Measures one side of a comparison: ``PYTHON -P measuring.py SIDE`` answers each line of JSON on stdin with one.

Runs in the environment of that side, so it needs only the standard library. A side's file gives what it can of

- ``weather(latency)``: a run of two turns with one tool call, on a model that takes ``latency`` seconds a turn;
- ``create()``: what makes one agent;
- ``missions(latency, folder, at_once)``: runs of a plan, four workers of two turns, and a synthesis;
- ``durable(folder, at_once, latency)``: a run ``(lane, number, ended)`` of two turns with one tool call, each of these
  three steps on disk before the next begins; it adds the moment each step's own work was done to ``ended``.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import importlib.util
import itertools
import json
import logging
import os
import pstats
import resource
import sys
import tempfile
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE))

import script  # noqa: E402

Figures = dict[str, Any]
SUNNY = "always sunny in nyc"
STEPS = 3
WARM = 32
TURNS_OF_A_MISSION = 10


async def turns(side: Any, runs: int) -> Figures:
    """Processor microseconds of a run on an instant model."""
    once = kept(side)
    started = process_time()
    for _ in range(runs):
        await once()
    return {"us": (process_time() - started) / runs * 1e6}


def kept(side: Any) -> Callable[[], Awaitable[Any]]:
    """The run on an instant model, made once."""
    if not hasattr(side, "kept"):
        side.kept = side.weather(0.0)
    run: Callable[[], Awaitable[Any]] = side.kept
    return run


async def calls(side: Any) -> Figures:
    """Calls of functions in a run, Python's and C's: the same at any load."""
    once = kept(side)
    before = script.turns[0]
    for _ in range(3):
        answer = await once()
        assert SUNNY in str(answer), answer
    assert script.turns[0] - before == 6, script.turns[0] - before
    profile = cProfile.Profile()
    profile.enable()
    await once()
    profile.disable()
    return {"calls": int(pstats.Stats(profile).total_calls)}  # type: ignore[attr-defined]


async def create(side: Any, number: int) -> Figures:
    """Microseconds to make an agent that is thrown away."""
    make = side.create()
    make()
    started = perf_counter()
    for _ in range(number):
        make()
    return {"us": (perf_counter() - started) / number * 1e6}


async def crowd(side: Any, number: int, latency: float) -> Figures:
    """Seconds of ``number`` runs side by side, and milliseconds of processor time of each."""
    once = side.weather(latency)
    await asyncio.gather(*(once() for _ in range(5)))
    gc.collect()
    wall, cpu, before = perf_counter(), process_time(), script.turns[0]
    await asyncio.gather(*(once() for _ in range(number)))
    wall, cpu = perf_counter() - wall, process_time() - cpu
    assert script.turns[0] - before == 2 * number
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"wall": wall, "cpu_ms": cpu / number * 1e3, "peak_mb": peak}


async def missions(side: Any, latency: float, at_once: int, each: int) -> Figures:
    """Seconds of ``at_once`` missions side by side, and milliseconds of processor time of each; median of ``each``."""
    with tempfile.TemporaryDirectory() as folder:
        async with side.missions(latency, Path(folder), at_once) as runs:
            await asyncio.gather(*(once() for once in runs))
            walls, cpu, before = [], process_time(), script.turns[0]
            for _ in range(each):
                started = perf_counter()
                await asyncio.gather(*(once() for once in runs))
                walls.append(perf_counter() - started)
            cpu, served = process_time() - cpu, script.turns[0] - before
    assert served == TURNS_OF_A_MISSION * at_once * each, served
    return {"wall": sorted(walls)[each // 2], "cpu_ms": cpu / at_once / each * 1e3}


async def durable(side: Any, at_once: int, runs: int, latency: float = 0.0) -> Figures:
    """Steps a second and how long a step takes; ``runs`` runs in ``at_once`` lanes."""
    taken: list[float] = []

    async def one(lane: int, number: int) -> None:
        ended: list[float] = []
        await run(lane, number, ended)
        ended.append(perf_counter())
        assert len(ended) == STEPS + 1, ended
        taken.extend(later - earlier for earlier, later in itertools.pairwise(ended))

    async def lane(number: int) -> None:
        for n in numbers:
            await one(number, n)

    with tempfile.TemporaryDirectory() as folder:
        async with side.durable(Path(folder), at_once, latency) as run:
            for n in range(min(at_once, WARM)):
                await one(n, -1 - n)
            taken.clear()
            gc.collect()
            numbers = iter(range(runs))
            wall, cpu, before = perf_counter(), process_time(), script.turns[0]
            await asyncio.gather(*(lane(n) for n in range(at_once)))
            wall, cpu = perf_counter() - wall, process_time() - cpu
            assert script.turns[0] - before == 2 * runs
    taken.sort()
    steps = STEPS * runs
    p50, p99 = taken[len(taken) // 2] * 1e3, taken[int(len(taken) * 0.99)] * 1e3
    return {"wall": wall, "rate": steps / wall, "p50_ms": p50, "p99_ms": p99, "cpu_ms": cpu / steps * 1e3}


WHATS = {work.__name__: work for work in (turns, calls, create, crowd, missions, durable)}


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"side_{name}", HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    # The answers have a stream of their own: what a library prints must not stand among them.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.disable(logging.WARNING)
    side: Any = None
    # As the `nextgen` command does for its process; the same for every side.
    gc.set_threshold(100_000, 20, 50)
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            request = json.loads(line)
            try:
                side = side or loaded(sys.argv[1])
                figures = runner.run(WHATS[request.pop("what")](side, **request))
            except Exception as error:
                traceback.print_exc()
                figures = {"error": f"{type(error).__name__}: {error}"[:300]}
            answers.write(json.dumps(figures) + "\n")
            answers.flush()
    os._exit(0)  # background threads of some libraries would hold the process


if __name__ == "__main__":
    main()

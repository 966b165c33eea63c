"""What it costs that nothing is lost: the same two turns with every step on disk before the next begins.

A step is one turn of the model or one call of the tool; both sides make three a run, on SQLite with a write-ahead log
and ``synchronous=FULL``. Of ours a step is the journal's intent with the hold of its worst case against four limits,
and its outcome with the settlement: an outcome is written with the intent of what follows from it, so before that is
done. Each run is a task too, recorded with its first call, its report kept at its end, and the agent is a whole one:
prompt, checked arguments, permissions, report. LangGraph's is a
graph of bare functions over dictionaries with its own saver and ``durability="sync"``: a checkpoint of its input, and
for each step its writes and a checkpoint. What stays outside the time on either side: opening the database, compiling
the graph, accepting and claiming the missions (32, or as many as there are agents).

How long a step takes is measured alone, from the moment its own work is done to the moment the next one's is, or to the
end of the run. The database stands in ``TMPDIR``; what this disk needs for a sync stands beside it.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from time import perf_counter
from typing import Any

from benchmarks import peers
from benchmarks.peers import MISSING, Side, median, ratio, said

ROUNDS = 5
ALONE, TOGETHER, LANES = 60, 480, 32
CROWD, LATENCY = 1_000, 0.05

Row = dict[str, Any]


def measure() -> list[Row]:
    with peers.sides("with_langgraph") as sides:
        return [sync(), *alone(sides), *together(sides), *crowd(sides)]


def sync() -> Row:
    """What the disk itself takes: one block written and synchronised, in turn."""
    block, taken = os.urandom(4096), []
    with tempfile.TemporaryFile() as file:
        for _ in range(200):
            started = perf_counter()
            os.pwrite(file.fileno(), block, 0)
            os.fdatasync(file.fileno())
            taken.append(perf_counter() - started)
    note = "the least that anything on this disk can take"
    return {"name": "`fdatasync` of 4 KiB, p50", "value": statistics.median(taken) * 1e3, "unit": "ms", "note": note}


def alone(sides: dict[str, Side]) -> list[Row]:
    taken = peers.rounds(sides, ROUNDS, "durable", at_once=1, runs=ALONE)
    p50 = ratio(taken, "p50_ms", "LangGraph")
    return [
        {
            "name": "steps a second, 1 run after the other",
            "value": median(taken["ours"], "rate"),
            "unit": "/s",
            "note": said(taken, "rate", "/s"),
        },
        {"name": "a step alone, p50", "value": median(taken["ours"], "p50_ms"), "unit": "ms"},
        {
            "name": "the same / LangGraph",
            "value": p50 or "not run",
            "unit": "×",
            "limit": 0.5,
            "note": said(taken, "p50_ms", "ms") if p50 else MISSING,
        },
    ]


def together(sides: dict[str, Side]) -> list[Row]:
    taken = peers.rounds(sides, ROUNDS, "durable", at_once=LANES, runs=TOGETHER)
    rate = ratio(taken, "rate", "LangGraph")
    return [
        {
            "name": f"steps a second, {LANES} at once",
            "value": median(taken["ours"], "rate"),
            "unit": "/s",
            "note": said(taken, "cpu_ms", "ms of processor time a step"),
        },
        {
            "name": "the same / LangGraph",
            "value": rate or "not run",
            "unit": "×",
            "limit": ">=10",
            "note": said(taken, "rate", "/s") if rate else MISSING,
        },
    ]


def crowd(sides: dict[str, Side]) -> list[Row]:
    taken = peers.rounds(sides, 1, "durable", at_once=CROWD, runs=CROWD, latency=LATENCY)
    ideal = 2 * LATENCY
    return [
        {
            "name": "1,000 durable runs at once on 50 ms turns / ideal",
            "value": median(taken["ours"], "wall") / ideal,
            "unit": "×",
            "note": said(taken, "wall", "×", 1 / ideal),
        }
    ]

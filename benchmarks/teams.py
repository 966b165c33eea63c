"""A mission of a team with models: a plan, four workers of two turns each at once, and the synthesis.

Ten turns of 50 ms, four of them one after the other: what goes beyond these 200 ms is the system's own. Ours is a whole
mission as ``nextgen run`` makes it: accepted, claimed, planned by the model, worked, worded, every model and tool call
journaled and paid for, checkpoints of the graph, the report kept. The workflow of agent-framework beside it keeps
nothing on disk.
"""

from __future__ import annotations

from typing import Any

from benchmarks import peers
from benchmarks.peers import MISSING, Figures, median, said

ROUNDS, EACH = 5, 3
LATENCY, PATH, MANY = 0.05, 4, 20
GOAL = 1.12

Row = dict[str, Any]


def measure() -> list[Row]:
    with peers.sides("with_agent_framework") as sides:
        alone = peers.rounds(sides, ROUNDS, "missions", latency=LATENCY, at_once=1, each=EACH)
        many = peers.rounds(sides, ROUNDS, "missions", latency=LATENCY, at_once=MANY, each=1)
    ideal = LATENCY * PATH
    for figures in (figure for taken in (*alone.values(), *many.values()) for figure in taken):
        figures["over_ms"] = (figures["wall"] - ideal) * 1e3
    there = "agent-framework" in alone
    return [
        {
            "name": "over the four turns, one mission alone",
            "value": median(alone["ours"], "over_ms"),
            "unit": "ms",
            "note": beside(alone, "over_ms", "ms", there=there),
        },
        {
            "name": "processor time of it",
            "value": median(alone["ours"], "cpu_ms"),
            "unit": "ms",
            "note": beside(alone, "cpu_ms", "ms", there=there),
        },
        {
            "name": f"{MANY} missions at once / ideal",
            "value": median(many["ours"], "wall") / ideal,
            "unit": "×",
            "limit": GOAL,
            "note": beside(many, "wall", "×", 1 / ideal, there=there),
        },
    ]


def beside(taken: dict[str, list[Figures]], key: str, unit: str, scale: float = 1.0, *, there: bool) -> str:
    return said(taken, key, unit, scale) + ("" if there else f"; {MISSING}")

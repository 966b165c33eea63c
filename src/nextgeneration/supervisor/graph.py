"""The phases of a mission as a LangGraph graph: plan, work with its synthesis, act, report.

The graph's state holds ids and counts only. It decides nothing that matters after a crash: each phase
reads the mission's own records first, so a checkpoint is a place to go on from and not the truth.
"""

from __future__ import annotations

import functools
from typing import Any, TypedDict

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from nextgeneration.supervisor.actions import act
from nextgeneration.supervisor.conclusion import conclude
from nextgeneration.supervisor.lead import Lead

RECURSION_LIMIT = 25
"""Super-steps of one run; plan, work and at most a few rounds of replanning need far fewer."""


ENDED = "ended"
"""The part of the state that says the mission has ended: nothing can be gone on from."""


class Phase(TypedDict, total=False):
    """What is checkpointed: which mission, how many tasks are planned, how many actions are put, whether it ended."""

    mission: str
    tasks: int
    actions: int
    ended: bool


async def _plan(state: Phase, runtime: Runtime[Lead]) -> Phase:
    lead = runtime.context
    await lead.make_plan()
    return {"tasks": len(lead.plan.tasks)}


async def _work(state: Phase, runtime: Runtime[Lead]) -> Phase:
    lead = runtime.context
    await lead.work()
    if lead.parked:
        interrupt({"approvals": list(lead.parked)})
    found: Phase = {"tasks": len(lead.plan.tasks)}
    if not lead.should_replan():
        found |= await _synthesise(lead)
    if not found.get("ended"):
        # The checkpoint that comes now must not know more than the records.
        await lead.claim.flush()
    return found


async def _synthesise(lead: Lead) -> Phase:
    """What the agents found becomes one answer; with nothing to decide it ends the mission, two super-steps earlier."""
    lead.outcomes = lead.proposed()
    pending = sum(1 for outcome in lead.outcomes if outcome.status == "pending")
    if not pending:
        await conclude(lead)
    return {"actions": pending, "ended": not pending}


async def _act(state: Phase, runtime: Runtime[Lead]) -> Phase:
    await _acted(runtime.context)
    return {"actions": 0}


async def _acted(lead: Lead) -> None:
    await act(lead)
    if lead.parked:
        interrupt({"approvals": list(lead.parked)})


async def _report(state: Phase, runtime: Runtime[Lead]) -> Phase:
    lead = runtime.context
    if lead.outcomes is None:
        # Another process went through the actions: what became of them is read from the records.
        await _acted(lead)
    await conclude(lead)
    return {"ended": True}


def _after_work(state: Phase, runtime: Runtime[Lead]) -> str:
    if runtime.context.should_replan():
        return "plan"
    return "act" if state.get("actions") else END


@functools.cache
def _builder() -> StateGraph[Phase, Lead, Phase, Phase]:
    graph = StateGraph(Phase, context_schema=Lead)
    graph.add_node("plan", _plan)
    graph.add_node("work", _work)
    graph.add_node("act", _act)
    graph.add_node("report", _report)
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "work")
    graph.add_conditional_edges("work", _after_work, ["plan", "act", END])
    graph.add_edge("act", "report")
    graph.add_edge("report", END)
    return graph


class MissionGraph:
    """The compiled graph over one checkpoint saver; made once per process."""

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        self._saver = saver
        self._graph = _builder().compile(checkpointer=saver)

    async def run(self, lead: Lead) -> None:
        """Run the mission until it ends or parks; ``lead`` tells which.

        A mission goes on with ``None`` when the saver knows it; its input is given only the first time.
        """
        mission = lead.claim.mission.id
        config: Any = {"configurable": {"thread_id": mission}, "recursion_limit": RECURSION_LIMIT}
        known = lead.claim.attempt > 1 and await self._saver.aget_tuple(config) is not None
        given: Any = None if known else {"mission": mission}
        await self._graph.ainvoke(given, config, context=lead, durability="sync")
        if known and not lead.parked and lead.report is None:
            # The checkpoint says "finished", the mission's own record does not: the record decides.
            await self._saver.adelete_thread(mission)
            await self._graph.ainvoke({"mission": mission}, config, context=lead, durability="sync")

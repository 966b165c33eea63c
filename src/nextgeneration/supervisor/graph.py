"""The phases of a mission as a LangGraph graph: work with its plan and its synthesis, act, report.

The graph's state holds ids and counts only. It decides nothing that matters after a crash: each phase
reads the mission's own records first, so a checkpoint is a place to go on from and not the truth. That is why
planning, working and synthesising are one super-step: what lies between them is in the records, and a step of its own
would cost as much as the agents' work.
"""

from __future__ import annotations

import functools
from typing import Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command, interrupt

from nextgeneration.supervisor.actions import act
from nextgeneration.supervisor.checkpoints import FOUND
from nextgeneration.supervisor.conclusion import conclude
from nextgeneration.supervisor.lead import Lead

RECURSION_LIMIT = 25
"""Super-steps of one run; work and at most a few rounds of replanning need far fewer."""


ENDED = "ended"
"""The part of the state that says the mission has ended: nothing can be gone on from."""


class Phase(TypedDict, total=False):
    """What is checkpointed: which mission, how many tasks are planned, how many actions are put, whether it ended."""

    mission: str
    tasks: int
    actions: int
    ended: bool


async def _work(state: Phase, runtime: Runtime[Lead]) -> Command[str]:
    """Plan, or plan anew what failed, let the agents work, and make one answer of what they found.

    With nothing to decide the mission ends here.
    """
    lead = runtime.context
    await lead.make_plan()
    await lead.work()
    if lead.parked:
        interrupt({"approvals": list(lead.parked)})
    pending = 0
    again = lead.should_replan()
    if not again:
        lead.outcomes = lead.proposed()
        pending = sum(1 for outcome in lead.outcomes if outcome.status == "pending")
        if not pending:
            await conclude(lead)
            return Command(update={"ended": True}, goto=END)
    # The checkpoint that comes now must not know more than the records.
    await lead.claim.flush()
    return Command(update={"tasks": len(lead.plan.tasks), "actions": pending}, goto="work" if again else "act")


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


@functools.cache
def _builder() -> StateGraph[Phase, Lead, Phase, Phase]:
    graph = StateGraph(Phase, context_schema=Lead)
    graph.add_node("work", _work, destinations=("work", "act", END))
    graph.add_node("act", _act)
    graph.add_node("report", _report)
    graph.add_edge(START, "work")
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
        known = await self._saver.aget_tuple(_config(mission)) if lead.claim.attempt > 1 else None
        await self._invoke(lead, None if known else {"mission": mission}, known)
        if known and not lead.parked and lead.report is None:
            # The checkpoint says "finished", the mission's own record does not: the record decides.
            await self._saver.adelete_thread(mission)
            await self._invoke(lead, {"mission": mission}, None)

    async def _invoke(self, lead: Lead, given: Any, found: CheckpointTuple | None) -> None:
        config = _config(lead.claim.mission.id, **{FOUND: found})
        await self._graph.ainvoke(given, config, context=lead, durability="sync")


def _config(mission: str, **more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": mission, **more}, "recursion_limit": RECURSION_LIMIT}

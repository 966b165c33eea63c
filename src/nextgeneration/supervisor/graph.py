"""The phases of a mission as a LangGraph graph: work with its plan and its synthesis, act, report.

The graph's state is which phase comes next, and of which mission. It decides nothing that matters after a crash: each
phase reads the mission's own records first, so a checkpoint is a place to go on from and not the truth. That is why
planning, working and synthesising are one super-step: what lies between them is in the records, and a step of its own
would cost as much as an agent's work. Phases lead to each other by channels, without LangGraph's ``StateGraph`` above
them: it takes a super-step to begin, and a quarter of the whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from operator import methodcaller
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.channels import EphemeralValue
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.pregel import NodeBuilder, Pregel
from langgraph.runtime import Runtime
from langgraph.types import interrupt

from nextgeneration.supervisor.actions import act
from nextgeneration.supervisor.checkpoints import FOUND
from nextgeneration.supervisor.conclusion import conclude
from nextgeneration.supervisor.lead import Lead
from nextgeneration.supervisor.outcome import ActionStatus

RECURSION_LIMIT = 25
"""Super-steps of one run; work and at most a few rounds of replanning need far fewer."""

WORK, ACT, REPORT = "work", "act", "report"
ENDED = "ended"
"""The part of the state that says the mission has ended: nothing can be gone on from."""

Then = dict[str, str]
"""Which phase comes next, with the mission's id."""


class Next(EphemeralValue[str]):
    """Leads to a phase, when a phase has named it."""

    def update(self, values: Any) -> bool:
        """Take a value for one super-step; none is none."""
        return super().update([value for value in values if value is not None])


async def _work(mission: str, runtime: Runtime[Lead]) -> Then:
    """Plan, or plan anew what failed, let the agents work, and make one answer of what they found.

    With nothing to decide the mission ends here.
    """
    lead = runtime.context
    await lead.make_plan()
    await lead.work()
    if lead.parked:
        interrupt({"approvals": list(lead.parked)})
    again = lead.should_replan()
    if not again:
        lead.outcomes = lead.proposed()
        if not any(outcome.status is ActionStatus.PENDING for outcome in lead.outcomes):
            await conclude(lead)
            return {ENDED: mission}
    # The checkpoint that comes now must not know more than the records.
    await lead.claim.flush()
    return {WORK if again else ACT: mission}


async def _act(mission: str, runtime: Runtime[Lead]) -> Then:
    await _acted(runtime.context)
    return {REPORT: mission}


async def _acted(lead: Lead) -> None:
    await act(lead)
    if lead.parked:
        interrupt({"approvals": list(lead.parked)})


async def _report(mission: str, runtime: Runtime[Lead]) -> Then:
    lead = runtime.context
    if lead.outcomes is None:
        # Another process went through the actions: what became of them is read from the records.
        await _acted(lead)
    await conclude(lead)
    return {ENDED: mission}


def _phase(name: str, work: Callable[..., Awaitable[Then]], *then: str) -> NodeBuilder:
    """A node that runs when ``name`` was named, and may name the phases of ``then``."""
    named = {phase: methodcaller("get", phase) for phase in then}
    return NodeBuilder().subscribe_only(name).do(work).write_to(**named)


class MissionGraph:
    """The graph over one checkpoint saver; made once per process."""

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        self._saver = saver
        self._graph: Pregel[Any, Lead, Any, Any] = Pregel(
            nodes={
                WORK: _phase(WORK, _work, WORK, ACT, ENDED),
                ACT: _phase(ACT, _act, REPORT),
                REPORT: _phase(REPORT, _report, ENDED),
            },
            channels={name: Next(str) for name in (WORK, ACT, REPORT, ENDED)},
            input_channels=WORK,
            output_channels=ENDED,
            checkpointer=saver,
            context_schema=Lead,
        )

    async def run(self, lead: Lead) -> None:
        """Run the mission until it ends or parks; ``lead`` tells which.

        A mission goes on with ``None`` when the saver knows it; its input is given only the first time.
        """
        mission = lead.claim.mission.id
        known = await self._saver.aget_tuple(_config(mission)) if lead.claim.attempt > 1 else None
        await self._invoke(lead, None if known else mission, known)
        if known and not lead.parked and lead.report is None:
            # The checkpoint says "finished", the mission's own record does not: the record decides.
            await self._saver.adelete_thread(mission)
            await self._invoke(lead, mission, None)

    async def _invoke(self, lead: Lead, given: Any, found: CheckpointTuple | None) -> None:
        config = _config(lead.claim.mission.id, **{FOUND: found})
        await self._graph.ainvoke(given, config, context=lead, durability="sync")


def _config(mission: str, **more: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": mission, **more}, "recursion_limit": RECURSION_LIMIT}

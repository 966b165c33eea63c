"""The supervisor's face: lead a claimed mission as far as it goes."""

from __future__ import annotations

from dataclasses import dataclass

from nextgeneration.missions.claims import Claim
from nextgeneration.supervisor.conclusion import report_so_far
from nextgeneration.supervisor.graph import MissionGraph
from nextgeneration.supervisor.lead import Lead, Parts
from nextgeneration.supervisor.outcome import MissionReport


@dataclass(frozen=True)
class Outcome:
    """Where a mission stands when the supervisor lets go of it.

    ``pending`` are ids of approvals it waits for; empty when it ended.
    """

    mission: str
    status: str
    report: MissionReport
    pending: tuple[str, ...] = ()


class Supervisor:
    """Leads missions; one per process."""

    def __init__(self, parts: Parts, graph: MissionGraph) -> None:
        self.parts = parts
        self._graph = graph

    async def lead(self, claim: Claim) -> Outcome:
        """Run a claimed mission until it ends or nothing can go on without a human.

        Raises:
            LeaseLost, MissionCancelled: the mission is no longer this worker's.
        """
        while True:
            lead = Lead(claim, self.parts)
            await self._graph.run(lead)
            mission = claim.mission.id
            if lead.report is not None:
                await self.parts.scratch.drop(mission)
                return Outcome(mission, lead.report.status, lead.report)
            report = await report_so_far(lead)
            if await claim.wait(", ".join(lead.parked)):
                return Outcome(mission, "waiting", report, lead.parked)
            # An answer came while the last task was ending: go on with it at once.

"""Agents called outside a mission: each call is a mission of one task, with the same rules."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.runtimes.dispatch import run as run_runtime
from nextgeneration.credits.units import MICRO
from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.errors import NGError, as_problem
from nextgeneration.kernel.language import Lang
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.kernel.show import shortened
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.effects import Door, Policy, TaskBudget
from nextgeneration.missions.schema import MissionOptions, MissionRequest, TaskRecord
from nextgeneration.missions.service import Missions
from nextgeneration.settings.language import user_language
from nextgeneration.supervisor.lead import Parts
from nextgeneration.supervisor.planner import SECONDS, TOOL_CALLS, Plan, RecordedAgent

if TYPE_CHECKING:
    from nextgeneration.agents.template import TemplateAgent

TASK = "t1"


class MissionHost:
    """Runs one agent as a mission of one task; durable when its missions are.

    The task of a recorded agent counts in its record, in the transaction that ends the mission. Whoever finishes a
    mission that was left behind runs that agent, as its record was, and counts it too.
    """

    def __init__(self, missions: Missions, parts: Parts, workspace: Path) -> None:
        self._missions = missions
        self._parts = parts
        self._workspace = workspace

    async def run(self, agent: TemplateAgent, input_data: dict[str, Any], context: Mapping[str, Any] | None) -> Report:
        """Run ``agent`` on ``input_data``; with nobody to ask, what would ask is refused.

        ``context`` may name a ``workspace``; everything else in it is data the playbook can read.
        """
        said = dict(context or {})
        workspace = Path(said.pop("workspace", self._workspace)).resolve()
        goal = shortened(str(input_data.get("goal") or input_data.get("text") or f"process {agent.name}"), 1000)
        # With nobody to ask, what would ask is refused, and no action is put to anybody.
        named = (agent.name,) if agent.record else None
        options = MissionOptions(attended=False, actions=0, agents=named)
        request = MissionRequest(goal=goal, workspace=str(workspace), lang=user_language(), options=options)
        mission = await self._missions.accept(request)
        claim = await self._missions.claim(mission.id)
        since = self._parts.clock.monotonic()
        try:
            try:
                report = await self._one_task(claim, agent, input_data, said)
            except Exception as error:
                if not (claim.over or _passing(error)):
                    await self._end(claim, agent, _failed(agent, error, claim.mission.lang), since)
                raise
            await self._end(claim, agent, report, since)
            return report
        finally:
            await claim.release()
            await self._parts.scratch.drop(claim.id)

    async def _end(self, claim: Claim, agent: TemplateAgent, report: Report, since: float) -> None:
        if agent.record and self._parts.records is not None:
            seconds = self._parts.clock.monotonic() - since
            claim.ride(None, self._parts.records.counting(agent.record, report=report, seconds=seconds))
        status = {ReportStatus.DONE: "done", ReportStatus.FAILED: "failed"}.get(report.status, "partial")
        await claim.end(status, report.model_dump(mode="json"))

    async def _keep(self, claim: Claim, agent: TemplateAgent, input_data: dict[str, Any]) -> None:
        """Keep what another process would need to go on: the revision, and for a recorded agent its task."""
        revision = agent.revision
        if not agent.record:
            await claim.pin(revision.name, revision.digest, revision.data)
            return
        recorded = RecordedAgent(id=agent.record, name=agent.name, config=agent.config)
        goal = claim.mission.goal
        task = self._parts.planner.task(TASK, agent.name, goal, "", recorded=(recorded, revision))
        task = task.model_copy(update={"input": input_data})
        plan = Plan(goal=goal, tasks=(task,))
        row = TaskRecord(TASK, agent.name, revision.name, revision.digest, goal, input_data)
        await claim.save_plan(plan.model_dump(mode="json"), tasks=[row], pins={agent.name: revision})

    async def _one_task(
        self, claim: Claim, agent: TemplateAgent, input_data: dict[str, Any], said: Mapping[str, Any]
    ) -> Report:
        revision, budget = agent.revision, agent.revision.budget
        await self._keep(claim, agent, input_data)
        door = Door(
            claim,
            self._parts.tools,
            Policy(standing=self._parts.standing, network=False, auto=None, attended=False),
            scratch=self._parts.scratch.of(claim.id),
            clock=self._parts.clock,
            access=self._parts.access,
        )
        calls = TOOL_CALLS if budget.tool_calls is None else budget.tool_calls
        spend = None if budget.credits is None else budget.credits * MICRO
        limits = TaskBudget(calls, budget.seconds or SECONDS, budget.model_calls, spend)
        task = door.task(TASK, agent.name, revision.permissions, limits, revision.digest, revision.name)
        context = TaskContext(said, door=task, task=TASK, lang=claim.mission.lang)
        return await run_runtime(revision, input_data, agent.config, context)


def _passing(error: Exception) -> bool:
    """Whether it says nothing of the agent: its mission can go on later."""
    return isinstance(error, NGError) and (error.control or error.retryable)


def _failed(agent: TemplateAgent, error: Exception, lang: Lang) -> Report:
    """The report of an agent that ended with an error, which its caller is given."""
    problem = as_problem(error, lang)
    revision, said = agent.revision, str(problem["message"])
    return Report(
        agent=agent.name,
        template=revision.name,
        revision=revision.digest,
        role=revision.role,
        task=TASK,
        status=ReportStatus.FAILED,
        analysis=said,
        missing=(said,),
        problems=(problem,),
    )


@functools.cache
def host() -> MissionHost:
    """The host of a process that opened no services: everything in memory, over the current folder."""
    import atexit
    import contextlib
    import shutil
    import tempfile

    from nextgeneration.agents.manager import shared_manager
    from nextgeneration.services.gateways import access_to_models, tolls
    from nextgeneration.services.scratch import ScratchFolders
    from nextgeneration.services.staff import calling
    from nextgeneration.services.tracing import traced
    from nextgeneration.settings.missions import MissionSettings
    from nextgeneration.settings.storage import StorageSettings
    from nextgeneration.settings.tools import ToolSettings
    from nextgeneration.storage.database import Storage
    from nextgeneration.supervisor.planner import Planner
    from nextgeneration.tools.registry import build

    manager, limits = shared_manager(), MissionSettings()
    storage, clock = Storage.open("sqlite://"), SystemClock()
    scratch = Path(tempfile.mkdtemp(prefix="nextgen-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)

    access = access_to_models(storage, clock, StorageSettings().home)
    planner, box = Planner(manager.library.revisions, manager.library.version), build(ToolSettings())
    box.add(calling(manager, planner, limits))
    parts = Parts(
        planner=planner,
        revisions=manager.library.revisions,
        hire=manager.hire,
        tools=box,
        scratch=ScratchFolders(scratch),
        clock=clock,
        standing=limits.permissions,
        access=access,
    )
    missions, traces = Missions(storage, limits, clock=clock, tolls=tolls(access.credits)), contextlib.ExitStack()
    traces.enter_context(traced(missions.bus, storage))
    atexit.register(traces.close)
    return MissionHost(missions, parts, Path.cwd())

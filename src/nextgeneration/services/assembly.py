"""The composition root: everything is built here, once, from the settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nextgeneration.agents.hosting import use_host
from nextgeneration.agents.manager import TemplateManager
from nextgeneration.agents.records import AgentRecords
from nextgeneration.events.bus import Bus
from nextgeneration.kernel.clock import Clock, SystemClock
from nextgeneration.missions.access import Gateway, ModelAccess
from nextgeneration.missions.approvals import Approvals
from nextgeneration.missions.boundaries import At, nowhere
from nextgeneration.missions.service import Missions
from nextgeneration.services.embedded import MissionHost
from nextgeneration.services.errors import WorkspaceMissing
from nextgeneration.services.gateways import access_to_models, tolls
from nextgeneration.services.lending import templates_of
from nextgeneration.services.scratch import ScratchFolders
from nextgeneration.services.staff import calling
from nextgeneration.services.tracing import traced
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.storage.database import Storage
from nextgeneration.supervisor.checkpoints import CheckpointSaver
from nextgeneration.supervisor.graph import ENDED, MissionGraph
from nextgeneration.supervisor.lead import Parts
from nextgeneration.supervisor.planner import Planner
from nextgeneration.supervisor.service import Supervisor
from nextgeneration.tools.registry import ToolBox, build
from nextgeneration.workers.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nextgeneration.kernel.tools import Tool


@dataclass(frozen=True)
class Services:
    """What a process works with. Nothing else constructs a service."""

    home: Path
    clock: Clock
    bus: Bus
    storage: Storage
    missions: Missions
    approvals: Approvals
    templates: TemplateManager
    agents: AgentRecords
    tools: ToolBox
    models: ModelAccess
    supervisor: Supervisor
    worker: Worker


@asynccontextmanager
async def open_services(
    workspace: Path,
    *,
    storage_settings: StorageSettings | None = None,
    mission_settings: MissionSettings | None = None,
    tools: Iterable[Tool] | None = None,
    templates: TemplateManager | None = None,
    models: Gateway | None = None,
    at: At = nowhere,
) -> AsyncIterator[Services]:
    """Open everything for work on ``workspace``; closed in order when the block ends.

    Args:
        workspace: the folder whose own templates count.
        storage_settings: where state is kept; by default from the environment.
        mission_settings: limits; by default from the environment.
        tools: other tools than the built-in ones, for tests and embedding.
        templates: another manager than the process's own (see :func:`~nextgeneration.services.lending.templates_of`).
        models: where models come from instead of the settings.
        at: called at every boundary of a mission, so that tests can cut there.

    Raises:
        WorkspaceMissing: it is not a folder.
        StorageError: the database cannot be opened.
        TracesMissing: traces are switched on, and the extra is not installed.
    """
    workspace = workspace.resolve()
    if not workspace.is_dir():
        raise WorkspaceMissing(path=str(workspace))
    kept = storage_settings or StorageSettings()
    limits = mission_settings or MissionSettings()
    box = ToolBox(tools) if tools is not None else build(ToolSettings(), kept.home)
    with ExitStack() as stack:
        storage = Storage.open(kept.url, busy_seconds=kept.database_busy_seconds)
        stack.callback(storage.close)
        manager = templates or stack.enter_context(templates_of(workspace))
        home = kept.home.expanduser().absolute()
        services = _assembled(storage, home, limits, manager, box, models, at)
        await services.agents.count()
        stack.enter_context(manager.recorded_in(services.agents))
        host = MissionHost(services.missions, services.supervisor.parts, workspace)
        stack.enter_context(use_host(host))
        stack.enter_context(traced(services.bus, storage))
        try:
            yield services
        finally:
            await services.models.gateway.close()
            await box.close()


def _assembled(
    storage: Storage,
    home: Path,
    limits: MissionSettings,
    manager: TemplateManager,
    box: ToolBox,
    models: Gateway | None,
    at: At,
) -> Services:
    clock, bus = SystemClock(), Bus()
    access = access_to_models(storage, clock, home, models)
    missions = Missions(storage, limits, clock=clock, bus=bus, at=at, tolls=tolls(access.credits))
    planner = Planner(manager.library.revisions, manager.library.version)
    box.add(calling(manager, planner, limits))
    agents = AgentRecords(storage, clock, registry=manager.registry)
    parts = Parts(
        planner=planner,
        revisions=manager.library.revisions,
        hire=manager.hire,
        tools=box,
        scratch=ScratchFolders(home / "scratch"),
        clock=clock,
        records=agents,
        access=access,
        standing=limits.permissions,
        at_once=limits.tasks_at_once,
    )
    supervisor = Supervisor(parts, MissionGraph(CheckpointSaver(storage, ended=ENDED)))
    return Services(
        home=home,
        clock=clock,
        bus=bus,
        storage=storage,
        missions=missions,
        approvals=missions.approvals,
        templates=manager,
        agents=agents,
        tools=box,
        models=access,
        supervisor=supervisor,
        worker=Worker(missions, supervisor, at_once=limits.missions_at_once, recover_seconds=limits.recover_seconds),
    )

"""Agents that outlive their process: recorded by name, rebuilt on demand, with their figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nextgeneration.agents.base import FAILURES, Performance
from nextgeneration.agents.errors import AgentLimitReached
from nextgeneration.agents.errors_records import AgentNameTaken, AgentUnknown
from nextgeneration.agents.registry import AgentRegistry
from nextgeneration.agents.store import AgentStore
from nextgeneration.agents.template import TemplateAgent, agent_class
from nextgeneration.kernel.clock import Clock, iso
from nextgeneration.kernel.reports import Report
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.storage.database import Connection, Storage
from nextgeneration.storage.sealed import seal, unseal
from nextgeneration.storage.tables import LOCAL
from nextgeneration.templates.revision import Revision


@dataclass(frozen=True, slots=True)
class AgentRecord:
    """A recorded agent. ``seconds`` is the sum over its finished tasks."""

    id: str
    name: str
    template: str
    revision: str
    config: dict[str, Any]
    created_at: str
    updated_at: str
    tasks_completed: int
    tasks_failed: int
    seconds: float

    @property
    def figures(self) -> Performance:
        """Its figures, for an agent to go on from."""
        return Performance(self.tasks_completed, self.tasks_failed, self.seconds)

    @property
    def performance(self) -> dict[str, float]:
        """The figures under the names ``BaseAgent.performance_metrics`` has."""
        return self.figures.as_dict()

    def as_dict(self) -> dict[str, Any]:
        """The record as plain JSON."""
        fields = {name: getattr(self, name) for name in ("id", "name", "template", "revision", "config")}
        return fields | {"created_at": self.created_at, "updated_at": self.updated_at, "performance": self.performance}

    def taken_up_by(self, agent: TemplateAgent) -> None:
        """Let a live agent be this one: its figures go on from the record's, and its tasks count here."""
        agent.record = self.id
        agent.performance = self.figures
        agent.metadata.id = self.id
        agent.metadata.created_at = datetime.fromisoformat(self.created_at)


class AgentRecords:
    """The recorded agents of one tenant. Each keeps the revision it was made from.

    Args:
        storage: where they are kept.
        clock: the time.
        tenant: whose they are.
        registry: the live agents that count against the same limit, which learns here how many are recorded; by
            default nobody is alive, and the limit is that of the process's settings.
    """

    def __init__(
        self, storage: Storage, clock: Clock, tenant: str = LOCAL, registry: AgentRegistry | None = None
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._tenant = tenant
        self._store = AgentStore()
        # A registry that is empty is false.
        self._registry = AgentRegistry(lambda: AgentFactoryConfig().max_agents) if registry is None else registry

    async def add(self, agent: TemplateAgent) -> AgentRecord:
        """Record an agent under its name, with its figures so far; its tasks count there from now on.

        Raises:
            AgentNameTaken: another one has it.
            AgentLimitReached: as many agents are recorded or alive as may be.
        """
        at = iso(self._clock.now())
        revision, figures = agent.revision, agent.performance
        row = {
            "id": agent.metadata.id,
            "tenant": self._tenant,
            "name": agent.name,
            "template": revision.name,
            "revision": revision.digest,
            "data": seal(revision.data),
            "config": seal(dict(agent.config)),
            "created_at": at,
            "updated_at": at,
            "tasks_completed": figures.completed,
            "tasks_failed": figures.failed,
            "seconds": figures.seconds,
        }
        others, limit = self._registry.beside(agent), self._registry.limit

        def op(connection: Connection) -> tuple[int, bool]:
            rows = self._store.count(connection, self._tenant)
            return rows, rows + others < limit and self._store.add(connection, row)

        rows, added = await self._storage.write(op)
        if not added:
            self._registry.recorded = rows
            if rows + others < limit:
                raise AgentNameTaken(name=agent.name)
            raise AgentLimitReached(active=rows + others, limit=limit)
        self._registry.recorded = rows + 1
        agent.record = agent.metadata.id
        self._registry.stand(agent)
        return await self.get(agent.name)

    async def get(self, name: str) -> AgentRecord:
        """One record by name or id.

        Raises:
            AgentUnknown: there is none.
        """
        return _record(await self._row(name))

    async def all(self) -> list[AgentRecord]:
        """Every record, by name."""
        return [_record(row) for row in await self._storage.read(lambda c: self._store.all(c, self._tenant))]

    async def named(self, names: Sequence[str]) -> dict[str, tuple[AgentRecord, Revision]]:
        """Those of ``names`` that are recorded, with the revisions they were made from."""
        rows = await self._storage.read(lambda c: self._store.named(c, self._tenant, names)) if names else []
        return {row.name: (_record(row), _revision(row)) for row in rows}

    async def revision(self, name: str) -> Revision:
        """The revision a recorded agent was made from, whatever its template is now."""
        return _revision(await self._row(name))

    async def agent(self, name: str) -> TemplateAgent:
        """The agent itself, rebuilt from its record: its revision, configuration and figures.

        Raises:
            AgentUnknown: there is none.
            AgentLimitReached: as many agents are alive or recorded as may be.
        """
        row = await self._row(name)
        return await self.hired(row.id, row.name, _revision(row), unseal(row.config, "agents", row.id))

    async def hired(self, record: str, name: str, revision: Revision, config: Mapping[str, Any]) -> TemplateAgent:
        """A recorded agent with the revision and configuration its mission keeps; removed meanwhile, it still works.

        Raises:
            AgentLimitReached: as many agents are alive or recorded as may be.
        """

        def op(connection: Connection) -> tuple[int, Any]:
            return self._store.count(connection, self._tenant), self._store.get(connection, self._tenant, record)

        agent = agent_class(revision)(name=name)
        agent.config = config
        self._registry.recorded, row = await self._storage.read(op)
        if row is not None:
            _record(row).taken_up_by(agent)
        self._registry.add((agent,))
        return agent

    def take_up(self, agents: Sequence[TemplateAgent]) -> None:
        """Let new agents whose names are recorded, for the same template, go on from the figures of their records."""
        by_name = {agent.name: agent for agent in agents}

        def op(connection: Connection) -> tuple[int, list[Any]]:
            rows = self._store.count(connection, self._tenant)
            return rows, self._store.named(connection, self._tenant, list(by_name)) if rows else []

        self._registry.recorded, rows = self._storage.read_sync(op)
        for row in rows:
            agent = by_name[row.name]
            if agent.revision.name == row.template:
                _record(row).taken_up_by(agent)

    async def count(self) -> int:
        """How many agents are recorded; the registry learns it too."""
        self._registry.recorded = await self._storage.read(lambda c: self._store.count(c, self._tenant))
        return self._registry.recorded

    async def remove(self, name: str) -> None:
        """Forget an agent, by name or id.

        Raises:
            AgentUnknown: there is none.
        """
        record = (await self._row(name)).id

        def op(connection: Connection) -> int:
            if not self._store.remove(connection, self._tenant, record):
                raise AgentUnknown(name=name)
            return self._store.count(connection, self._tenant)

        self._registry.recorded = await self._storage.write(op)
        self._registry.left(record)

    def counting(self, record: str, *, report: Report, seconds: float) -> Callable[[Connection], None]:
        """The part of the transaction that ends a task which counts it in its agent's record."""
        at, well = iso(self._clock.now()), report.status not in FAILURES
        return lambda connection: self._store.count_task(connection, self._tenant, record, well, seconds, at)

    async def _row(self, name: str) -> Any:
        row = await self._storage.read(lambda c: self._store.get(c, self._tenant, name))
        if row is None:
            raise AgentUnknown(name=name)
        return row


def _revision(row: Any) -> Revision:
    return Revision.from_data(unseal(row.data, "agents", row.id), digest=row.revision)


def _record(row: Any) -> AgentRecord:
    return AgentRecord(
        id=row.id,
        name=row.name,
        template=row.template,
        revision=row.revision,
        config=unseal(row.config, "agents", row.id),
        created_at=row.created_at,
        updated_at=row.updated_at,
        tasks_completed=row.tasks_completed,
        tasks_failed=row.tasks_failed,
        seconds=row.seconds,
    )

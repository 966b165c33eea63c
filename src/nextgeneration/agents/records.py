"""Agents that outlive their process: recorded by name, rebuilt on demand, with their figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nextgeneration.agents.errors_records import AgentNameTaken, AgentUnknown
from nextgeneration.agents.store import AgentStore
from nextgeneration.kernel.clock import Clock, iso
from nextgeneration.storage.database import Connection, Storage
from nextgeneration.storage.sealed import seal, unseal
from nextgeneration.storage.tables import LOCAL
from nextgeneration.templates.revision import Revision

if TYPE_CHECKING:
    from nextgeneration.agents.template import TemplateAgent


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
    def performance(self) -> dict[str, float]:
        """The figures under the names ``BaseAgent.performance_metrics`` has."""
        tasks = self.tasks_completed + self.tasks_failed
        return {
            "tasks_completed": self.tasks_completed,
            "success_rate": self.tasks_completed / tasks if tasks else 0.0,
            "avg_processing_time": self.seconds / tasks if tasks else 0.0,
        }

    def as_dict(self) -> dict[str, Any]:
        """The record as plain JSON."""
        fields = {name: getattr(self, name) for name in ("id", "name", "template", "revision", "config")}
        return fields | {"created_at": self.created_at, "updated_at": self.updated_at, "performance": self.performance}


class AgentRecords:
    """The recorded agents of one tenant. Each keeps the revision it was made from."""

    def __init__(self, storage: Storage, clock: Clock, tenant: str = LOCAL) -> None:
        self._storage = storage
        self._clock = clock
        self._tenant = tenant
        self._store = AgentStore()

    async def add(self, agent: TemplateAgent) -> AgentRecord:
        """Record an agent under its name.

        Raises:
            AgentNameTaken: another one has it.
        """
        at = iso(self._clock.now())
        revision = agent.revision
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
        }
        if not await self._storage.write(lambda connection: self._store.add(connection, row)):
            raise AgentNameTaken(name=agent.name)
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

    async def revision(self, name: str) -> Revision:
        """The revision a recorded agent was made from, whatever its template is now."""
        row = await self._row(name)
        return Revision.from_data(unseal(row.data, "agents", row.id), digest=row.revision)

    async def remove(self, name: str) -> None:
        """Forget an agent.

        Raises:
            AgentUnknown: there is none.
        """
        if not await self._storage.write(lambda c: self._store.remove(c, self._tenant, name)):
            raise AgentUnknown(name=name)

    async def count(self, outcomes: Mapping[str, tuple[bool, float]]) -> None:
        """Add finished tasks to the figures of recorded agents: name -> (whether it succeeded, seconds)."""
        at = iso(self._clock.now())

        def op(connection: Connection) -> None:
            for name, (done, seconds) in outcomes.items():
                self._store.count_task(connection, self._tenant, name, done, seconds, at)

        if outcomes:
            await self._storage.write(op)

    async def _row(self, name: str) -> Any:
        row = await self._storage.read(lambda c: self._store.get(c, self._tenant, name))
        if row is None:
            raise AgentUnknown(name=name)
        return row


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

"""SQL of recorded agents: plain functions of a connection."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from nextgeneration.agents.tables import agents
from nextgeneration.storage.prepared import Prepared

_NAMES = 500
"""Names asked for at once: SQLite takes so many parameters and no more."""

_Row = namedtuple("_Row", agents.columns.keys())  # type: ignore[misc]
_OURS = agents.c.tenant == bindparam("a_tenant")
_COUNT = Prepared(select(func.count()).select_from(agents).where(_OURS))
_NAMED = Prepared(select(agents).where(_OURS, agents.c.name == bindparam("a_name")))


class AgentStore:
    """The rows of recorded agents of one tenant."""

    def add(self, connection: Connection, row: Mapping[str, Any]) -> bool:
        """Insert an agent; false when its name is taken."""
        try:
            connection.execute(insert(agents).values(**row))
        except IntegrityError:
            return False
        return True

    def get(self, connection: Connection, tenant: str, name: str) -> Any:
        """One agent's row by its name or id, or ``None``."""
        wanted = (agents.c.name == name) | (agents.c.id == name)
        return connection.execute(select(agents).where(agents.c.tenant == tenant, wanted)).first()

    def all(self, connection: Connection, tenant: str) -> list[Any]:
        """Every row, by name."""
        return list(connection.execute(select(agents).where(agents.c.tenant == tenant).order_by(agents.c.name)))

    def named(self, connection: Connection, tenant: str, names: Sequence[str]) -> list[Any]:
        """The rows of those of ``names`` that are recorded."""
        if len(names) == 1:
            return [_Row(*row) for row in _NAMED.run(connection, {"a_tenant": tenant, "a_name": names[0]}).fetchall()]
        rows: list[Any] = []
        for start in range(0, len(names), _NAMES):
            wanted = agents.c.name.in_(names[start : start + _NAMES])
            rows += connection.execute(select(agents).where(agents.c.tenant == tenant, wanted))
        return rows

    def count(self, connection: Connection, tenant: str) -> int:
        """How many agents are recorded."""
        return int(_COUNT.first(connection, {"a_tenant": tenant})[0])

    def remove(self, connection: Connection, tenant: str, agent: str) -> bool:
        """Delete the agent with an id; false when there was none."""
        return connection.execute(delete(agents).where(agents.c.tenant == tenant, agents.c.id == agent)).rowcount > 0

    def count_task(self, connection: Connection, tenant: str, agent: str, done: bool, seconds: float, at: str) -> None:
        """Add one finished task to the figures of the agent with an id; nothing when it was removed."""
        counter = agents.c.tasks_completed if done else agents.c.tasks_failed
        values = {counter: counter + 1, agents.c.seconds: agents.c.seconds + seconds, agents.c.updated_at: at}
        connection.execute(update(agents).where(agents.c.tenant == tenant, agents.c.id == agent).values(values))

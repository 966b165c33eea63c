"""SQL of recorded agents: plain functions of a connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from nextgeneration.agents.tables import agents


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

    def remove(self, connection: Connection, tenant: str, name: str) -> bool:
        """Delete an agent; false when there was none."""
        return connection.execute(delete(agents).where(agents.c.tenant == tenant, agents.c.name == name)).rowcount > 0

    def count_task(self, connection: Connection, tenant: str, name: str, done: bool, seconds: float, at: str) -> None:
        """Add one finished task to an agent's figures; nothing when no such agent is recorded."""
        counter = agents.c.tasks_completed if done else agents.c.tasks_failed
        values = {counter: counter + 1, agents.c.seconds: agents.c.seconds + seconds, agents.c.updated_at: at}
        connection.execute(update(agents).where(agents.c.tenant == tenant, agents.c.name == name).values(values))

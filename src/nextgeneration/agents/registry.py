"""The live agents of a factory: held weakly, counted exactly, never more than allowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from weakref import ReferenceType, WeakValueDictionary, ref

from nextgeneration.agents.base import BaseAgent
from nextgeneration.agents.errors import AgentLimitReached


class AgentRegistry:
    """The agents a factory made that are still alive.

    An agent leaves when nobody else holds it. Names are labels: two live agents may share one, both
    count, and the newer answers to the name.

    Args:
        limit: how many may live at once, asked at every addition.
    """

    __slots__ = ("_forget", "_limit", "_lock", "_references")

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._references: dict[ReferenceType[BaseAgent], None] = {}
        # Called by the interpreter when an agent dies: built in, so that it needs no lock and cannot
        # be caught halfway. A reference keeps the hash and identity of its agent.
        self._forget = self._references.pop
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._references)

    @property
    def limit(self) -> int:
        """How many agents may live at once."""
        return self._limit()

    def add(self, agents: Sequence[BaseAgent]) -> None:
        """Take in all of ``agents``, or none.

        Raises:
            AgentLimitReached: they would be more than ``limit``.
        """
        with self._lock:
            active, limit = len(self._references), self._limit()
            if active + len(agents) > limit:
                raise AgentLimitReached(active=active, limit=limit)
            for agent in agents:
                self._references[ref(agent, self._forget)] = None

    def agents(self) -> list[BaseAgent]:
        """The live agents, oldest first."""
        return [agent for reference in list(self._references) if (agent := reference()) is not None]

    def by_name(self) -> WeakValueDictionary[str, BaseAgent]:
        """The live agents by name, held weakly."""
        return WeakValueDictionary({agent.name: agent for agent in self.agents()})

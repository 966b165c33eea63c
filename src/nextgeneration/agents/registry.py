"""The live agents of a factory: held weakly, counted exactly, never more than allowed with those that are recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Lock
from weakref import ReferenceType, WeakValueDictionary, ref

from nextgeneration.agents.base import BaseAgent
from nextgeneration.agents.errors import AgentLimitReached


class AgentRegistry:
    """The agents a factory made that are still alive.

    An agent leaves when nobody else holds it. Names are labels: two live agents may share one, both
    count, and the newer answers to the name. A recorded agent counts whether it is alive or not, and once.

    Args:
        limit: how many agents there may be at once, asked at every addition.

    Attributes:
        recorded: how many agents are recorded, as last read; ``0`` where nobody reads records.
    """

    __slots__ = ("_forget", "_limit", "_lock", "_references", "_standing", "recorded")

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self.recorded = 0
        self._references: dict[ReferenceType[BaseAgent], None] = {}
        # Called by the interpreter when an agent dies: built in, so that it needs no lock and cannot
        # be caught halfway. A reference keeps the hash and identity of its agent.
        self._forget = self._references.pop
        self._lock = Lock()
        self._standing: WeakValueDictionary[str, BaseAgent] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._references)

    @property
    def limit(self) -> int:
        """How many agents there may be at once."""
        return self._limit()

    @property
    def unrecorded(self) -> int:
        """How many live agents are not counted as recorded ones."""
        return len(self._references) - len(self._standing)

    def beside(self, agent: BaseAgent) -> int:
        """How many live agents other than this one are not counted as recorded ones."""
        counted = ref(agent) in self._references and self._standing.get(agent.record) is not agent
        return self.unrecorded - counted

    def add(self, agents: Sequence[BaseAgent]) -> None:
        """Take in all of ``agents``, or none.

        Raises:
            AgentLimitReached: they would be more than ``limit``.
        """
        with self._lock:
            references = self._references
            active, wanted, limit = len(references), len(agents), self._limit()
            standing: dict[str, BaseAgent] = {}
            for agent in agents:
                if (record := agent.record) and record not in self._standing:
                    standing[record] = agent
            if standing or self.recorded or self._standing:
                stood = len(self._standing)
                absent = self.recorded - stood
                active += max(absent, 0)
                wanted -= min(len(standing), max(absent, 0))
            if wanted and active + wanted > limit:
                raise AgentLimitReached(active=active, limit=limit)
            for agent in agents:
                references[ref(agent, self._forget)] = None
            if standing:
                self._standing.update(standing)

    def stand(self, agent: BaseAgent) -> None:
        """Count a live agent as the recorded one it has become."""
        with self._lock:
            if ref(agent) in self._references:
                self._standing.setdefault(agent.record, agent)

    def left(self, record: str) -> None:
        """Count who stands for a record as any other live agent: it was removed."""
        with self._lock:
            self._standing.pop(record, None)

    def agents(self) -> list[BaseAgent]:
        """The live agents, oldest first."""
        return [agent for reference in list(self._references) if (agent := reference()) is not None]

    def by_name(self) -> WeakValueDictionary[str, BaseAgent]:
        """The live agents by name, held weakly."""
        return WeakValueDictionary({agent.name: agent for agent in self.agents()})

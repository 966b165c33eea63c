"""``AgentFactory``: where every agent comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakValueDictionary

from nextgeneration.agents.base import BaseAgent
from nextgeneration.agents.manager import CREATED, TemplateManager, shared_manager
from nextgeneration.agents.registry import AgentRegistry
from nextgeneration.agents.template import TemplateAgent
from nextgeneration.observability.metrics import Family


class AgentFactory:
    """Makes agents from templates, counts them, and never has more than allowed.

    While services are open, recorded agents count too, each once, and an agent that is made under the name of a
    recorded one of the same template goes on from its figures.

    Args:
        manager: where templates come from; by default the process's own ``template_manager``.
        max_agents: a limit of this factory's own, over the agents it makes. Without it the factory
            shares the manager's count and the limit of its ``config.max_agents``.
    """

    def __init__(self, manager: TemplateManager | None = None, max_agents: int | None = None) -> None:
        self._manager = manager
        self._max_agents = max_agents
        self._own = None if max_agents is None else AgentRegistry(lambda: self.max_agents)

    @property
    def manager(self) -> TemplateManager:
        """Where templates come from."""
        if self._manager is None:
            self._manager = shared_manager()
        return self._manager

    @property
    def registry(self) -> AgentRegistry:
        """The live agents that count against ``max_agents``."""
        return self.manager.registry if self._own is None else self._own

    @property
    def max_agents(self) -> int:
        """How many agents there may be at once. Assigned, it changes the limit this factory counts against."""
        return self.manager.config.max_agents if self._max_agents is None else self._max_agents

    @max_agents.setter
    def max_agents(self, value: int) -> None:
        if self._own is None:
            self.manager.config.max_agents = value
        else:
            self._max_agents = value

    @property
    def registered_agents(self) -> WeakValueDictionary[str, BaseAgent]:
        """The live agents by name, held weakly; of two with one name, the newer."""
        return self.registry.by_name()

    async def create_agent(
        self, template_name: str, suffix: str | None = None, config: Mapping[str, Any] | None = None
    ) -> TemplateAgent:
        """Make an agent from a template; one that must be read from disk is read in a thread.

        Args:
            template_name: the template.
            suffix: told apart by it from others of the same template: ``documentaliste_<suffix>``.
            config: merged deeply into the template's ``default_config``.

        Raises:
            TemplateUnknown, TemplateInvalid: there is no such template, or it cannot be used.
            AgentSpecRefused: ``suffix`` or ``config`` is not usable.
            AgentLimitReached: as many agents are alive or recorded as may be.
        """
        manager = self.manager
        if not manager.warm(template_name):
            await manager.warm_up(template_name)
        return manager.create_agent(template_name, suffix, config, registry=self._own)

    def bulk_create_agents(self, specs: Iterable[Mapping[str, Any]]) -> dict[str, TemplateAgent]:
        """Make one agent for each spec (``template_name``, ``suffix``, ``config``), all or none, by name.

        Raises:
            AgentNamesEqual: two of them would have one name.
            TemplateUnknown, TemplateInvalid, AgentSpecRefused, AgentLimitReached: as for one agent.
        """
        return self.manager.bulk_create_agents(specs, registry=self._own)

    bulk_create = bulk_create_agents

    def get_factory_stats(self) -> dict[str, Any]:
        """Agents created, failed, alive and allowed; creations by template; the templates' own figures."""
        manager = self.manager
        creations = manager.creations.values()
        created = {template: count for (template, outcome), count in creations.items() if outcome == CREATED}
        return {
            "agents_created": sum(created.values()),
            "creations_failed": sum(creations.values()) - sum(created.values()),
            "active_agents": len(self.registry),
            "max_agents": self.max_agents,
            "by_template": created,
            "creation": manager.creation_time.as_dict(),
            "templates": manager.get_metrics(),
        }

    def families(self) -> list[Family]:
        """The same figures as Prometheus shows them."""
        return self.manager.families()


_factory = AgentFactory()


async def create_agent(
    template_name: str, suffix: str | None = None, config: Mapping[str, Any] | None = None
) -> TemplateAgent:
    """:meth:`AgentFactory.create_agent` of the process's own factory."""
    return await _factory.create_agent(template_name, suffix, config)


def bulk_create_agents(specs: Iterable[Mapping[str, Any]]) -> dict[str, TemplateAgent]:
    """:meth:`AgentFactory.bulk_create_agents` of the process's own factory."""
    return _factory.bulk_create_agents(specs)


def get_factory_stats() -> dict[str, Any]:
    """:meth:`AgentFactory.get_factory_stats` of the process's own factory."""
    return _factory.get_factory_stats()

"""NextGeneration: a self-hosted agent factory and orchestrator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nextgeneration.kernel.lazy import lazy

if TYPE_CHECKING:
    from nextgeneration.agents import AgentFactory as AgentFactory
    from nextgeneration.agents import AgentMetadata as AgentMetadata
    from nextgeneration.agents import AgentStatus as AgentStatus
    from nextgeneration.agents import AgentTemplate as AgentTemplate
    from nextgeneration.agents import BaseAgent as BaseAgent
    from nextgeneration.agents import bulk_create_agents as bulk_create_agents
    from nextgeneration.agents import create_agent as create_agent
    from nextgeneration.agents import get_factory_stats as get_factory_stats
    from nextgeneration.agents import template_manager as template_manager

__version__ = "0.1.0"

__getattr__, __dir__ = lazy(
    __name__,
    dict.fromkeys(
        (
            "AgentFactory",
            "AgentMetadata",
            "AgentStatus",
            "AgentTemplate",
            "BaseAgent",
            "bulk_create_agents",
            "create_agent",
            "get_factory_stats",
            "template_manager",
        ),
        "nextgeneration.agents",
    ),
)

"""Agents: what they are, how they are made, who runs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nextgeneration.kernel.lazy import lazy

if TYPE_CHECKING:
    from nextgeneration.agents.base import AgentMetadata as AgentMetadata
    from nextgeneration.agents.base import AgentStatus as AgentStatus
    from nextgeneration.agents.base import BaseAgent as BaseAgent
    from nextgeneration.agents.factory import AgentFactory as AgentFactory
    from nextgeneration.agents.factory import bulk_create_agents as bulk_create_agents
    from nextgeneration.agents.factory import create_agent as create_agent
    from nextgeneration.agents.factory import get_factory_stats as get_factory_stats
    from nextgeneration.agents.manager import TemplateManager as TemplateManager
    from nextgeneration.agents.manager import template_manager as template_manager
    from nextgeneration.agents.template import AgentTemplate as AgentTemplate

__getattr__, __dir__ = lazy(
    __name__,
    {
        "AgentFactory": "nextgeneration.agents.factory",
        "AgentMetadata": "nextgeneration.agents.base",
        "AgentStatus": "nextgeneration.agents.base",
        "AgentTemplate": "nextgeneration.agents.template",
        "BaseAgent": "nextgeneration.agents.base",
        "TemplateManager": "nextgeneration.agents.manager",
        "bulk_create_agents": "nextgeneration.agents.factory",
        "create_agent": "nextgeneration.agents.factory",
        "get_factory_stats": "nextgeneration.agents.factory",
        "template_manager": "nextgeneration.agents.manager",
    },
)

"""Re-exports: see ``nextgeneration.agents``."""

from nextgeneration.agents.factory import AgentFactory, bulk_create_agents, create_agent, get_factory_stats

__all__ = ["AgentFactory", "bulk_create_agents", "create_agent", "get_factory_stats"]

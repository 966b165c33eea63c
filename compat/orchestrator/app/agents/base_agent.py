"""Re-exports: see ``nextgeneration.agents``."""

from nextgeneration.agents.base import AgentMetadata, AgentStatus, BaseAgent

__all__ = ["AgentMetadata", "AgentStatus", "BaseAgent"]

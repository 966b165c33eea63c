"""Re-exports: see ``nextgeneration.agents``."""

from nextgeneration.agents.template import AgentTemplate

__all__ = ["AgentTemplate"]

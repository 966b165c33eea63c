"""Re-exports: see ``nextgeneration.settings``."""

from nextgeneration.settings.agents import AgentFactoryConfig, settings

__all__ = ["AgentFactoryConfig", "settings"]

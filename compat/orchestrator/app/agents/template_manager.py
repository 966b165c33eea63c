"""Re-exports: see ``nextgeneration.agents``."""

from nextgeneration.agents.manager import TemplateManager, template_manager

__all__ = ["TemplateManager", "template_manager"]

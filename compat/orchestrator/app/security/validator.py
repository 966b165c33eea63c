"""Re-exports: see ``nextgeneration.security``."""

from nextgeneration.security import TemplateSecurityValidator, security_validator

__all__ = ["TemplateSecurityValidator", "security_validator"]

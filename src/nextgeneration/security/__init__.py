"""Security: what a template may never be, and what a call may do unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nextgeneration.kernel.lazy import lazy

if TYPE_CHECKING:
    from nextgeneration.security.validator import TemplateSecurityValidator as TemplateSecurityValidator
    from nextgeneration.security.validator import security_validator as security_validator

__getattr__, __dir__ = lazy(
    __name__,
    {
        "TemplateSecurityValidator": "nextgeneration.security.validator",
        "security_validator": "nextgeneration.security.validator",
    },
)

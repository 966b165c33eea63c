"""Settings: one group a file, each read from ``NG_`` environment variables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nextgeneration.kernel.lazy import lazy

if TYPE_CHECKING:
    from nextgeneration.settings.agents import AgentFactoryConfig as AgentFactoryConfig
    from nextgeneration.settings.agents import settings as settings

__getattr__, __dir__ = lazy(
    __name__,
    {"AgentFactoryConfig": "nextgeneration.settings.agents", "settings": "nextgeneration.settings.agents"},
)

"""Settings of templates and the agent factory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, field_validator
from pydantic_settings import SettingsConfigDict

from nextgeneration.settings.group import SettingsGroup

TTL_SECONDS = {"standard": 300.0, "development": 60.0, "production": 600.0}


class AgentFactoryConfig(SettingsGroup):
    """How templates are found and cached, and how many agents may live.

    Fields may be assigned while the program runs: values are checked, and whoever called
    :meth:`subscribe` is told.
    """

    model_config = SettingsConfigDict(validate_assignment=True)

    templates_dir: Path = Field(
        default=Path(".nextgen/templates"),
        description="folder of your own templates; templates missing there are looked for in `NG_HOME/templates`, "
        "then among the built-in ones",
    )
    environment: Literal["standard", "development", "production"] = Field(
        default="standard",
        description="decides how long templates are cached when `NG_CACHE_TTL_SECONDS` does not: 300 s, in development "
        "60 s, in production 600 s",
    )
    cache_ttl_seconds: float | None = Field(
        default=None,
        gt=0,
        description="seconds after which a cached template is checked again; empty: by `NG_ENVIRONMENT`",
    )
    cache_size: int = Field(
        default=1000, gt=0, description="templates kept in memory; the least recently used leave first"
    )
    preload_templates: list[str] = Field(
        default=["documentaliste", "genie_logiciel", "hardware"], description="templates loaded at the start, as JSON"
    )
    enable_hot_reload: bool = Field(default=True, description="watch the template folders and reload what changes")
    max_agents: int = Field(default=10_000, gt=0, description="agents that may live at once")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        default="INFO", description="the least severe level that is logged"
    )

    _subscribers: list[Callable[[str], None]] = PrivateAttr(default_factory=list)

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @property
    def ttl_seconds(self) -> float:
        """The time to live that applies: ``cache_ttl_seconds``, else the environment's."""
        return TTL_SECONDS[self.environment] if self.cache_ttl_seconds is None else self.cache_ttl_seconds

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """Call ``changed`` with a field's name after that field was assigned."""
        self._subscribers.append(changed)

    def reload(self) -> None:
        """Read the environment again; whoever holds this object sees, and every subscriber hears, what changed."""
        fresh = type(self)()
        for name in type(self).model_fields:
            if getattr(self, name) != getattr(fresh, name):
                setattr(self, name, getattr(fresh, name))

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in type(self).model_fields:
            for changed in self._subscribers:
                changed(name)


settings = AgentFactoryConfig()
"""The process's own settings, read from the environment."""

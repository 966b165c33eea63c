"""The process's own template library: built on first use from its settings, and only once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from threading import Lock

from nextgeneration.settings.agents import AgentFactoryConfig, settings
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.templates.trust import Trust

_lock = Lock()


def folders_for(config: AgentFactoryConfig) -> tuple[Path, Path]:
    """Where ``config`` and the environment say that templates are, before the built-in ones."""
    return config.templates_dir, StorageSettings().home / "templates"


def library_for(config: AgentFactoryConfig) -> TemplateLibrary:
    """A library over the folders of ``config``, with nothing loaded yet."""
    folders, home = folders_for(config), StorageSettings().home
    return TemplateLibrary(
        *folders,
        trust=Trust(home / "trusted-templates.json", home / "templates"),
        ttl_seconds=config.ttl_seconds,
        cache_size=config.cache_size,
        hot_reload=config.enable_hot_reload,
    )


@cache
def _library() -> TemplateLibrary:
    return library_for(settings)


def shared_library() -> TemplateLibrary:
    """The library behind ``template_manager`` and ``AgentTemplate.from_name``."""
    with _lock:
        return _library()

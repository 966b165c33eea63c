"""The process's own template manager for tests that need it as a new process would have it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nextgeneration.agents.manager import TemplateManager, shared_manager
from nextgeneration.agents.shared import folders_for


@contextmanager
def new_process() -> Iterator[TemplateManager]:
    """``template_manager`` with the settings of the environment as it is now, and no template read yet.

    It is the same object as ever, since whoever imported it holds it. Its watch ends with the block.
    """
    manager = shared_manager()
    manager.config.reload()
    manager.library.move(*folders_for(manager.config))
    if manager.config.enable_hot_reload:
        manager.library.start_watching()
    try:
        yield manager
    finally:
        manager.config.reload()
        manager.close()

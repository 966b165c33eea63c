"""Whose templates the process's own manager shows: one workspace's at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from nextgeneration.agents.manager import TemplateManager, shared_manager
from nextgeneration.services.parts import own_templates
from nextgeneration.settings.agents import AgentFactoryConfig

DEFAULT: Path = AgentFactoryConfig.model_fields["templates_dir"].default


class _Lent:
    """The workspace that has the process's manager, and how many blocks use it there."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.workspace: Path | None = None
        self.users = 0

    def take(self, workspace: Path) -> bool:
        """Have it look into ``workspace``; false when another one has it."""
        with self.lock:
            if self.users and self.workspace != workspace:
                return False
            if not self.users:
                self.workspace = workspace
                manager, folder = shared_manager(), workspace / DEFAULT
                if manager.library.folders[0] != folder:
                    manager.config.templates_dir = folder
            self.users += 1
            return True

    def give_back(self, workspace: Path) -> None:
        """Let it look where a new process would, once nobody needs it here, unless it was moved meanwhile."""
        with self.lock:
            self.users -= 1
            config = shared_manager().config
            if not self.users and config.templates_dir == workspace / DEFAULT:
                config.templates_dir = DEFAULT


_lent = _Lent()


@contextmanager
def templates_of(workspace: Path) -> Iterator[TemplateManager]:
    """The process's own manager, looking into ``workspace`` until the block ends.

    It stays where the settings or the program have put it, if they name a folder. While it shows another
    workspace's templates, this one gets a manager of its own.
    """
    manager = shared_manager()
    named = not _lent.users and manager.config.templates_dir != DEFAULT
    if named:
        yield manager
    elif _lent.take(workspace):
        try:
            yield manager
        finally:
            _lent.give_back(workspace)
    else:
        with own_templates(workspace) as own:
            yield own

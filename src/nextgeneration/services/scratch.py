"""Each mission's private folder: made when a tool first asks for it, gone when the mission has ended."""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from nextgeneration.services.errors import ScratchUnsafe


class ScratchFolders:
    """The private folders of all missions of one home.

    Args:
        root: the folder they are made in.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def of(self, mission: str) -> Callable[[], Path]:
        """Makes the folder of ``mission`` (0700) if need be, and names it."""
        return functools.partial(self.make, mission)

    def make(self, mission: str) -> Path:
        """The folder of ``mission``.

        Raises:
            ScratchUnsafe: something else stands there, or it is another user's.
        """
        folder = self._root / mission
        for path in (self._root, folder):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            state = path.lstat()
            if not stat.S_ISDIR(state.st_mode) or (os.name == "posix" and state.st_uid != os.geteuid()):
                raise ScratchUnsafe(path=str(path))
            if os.name == "posix" and stat.S_IMODE(state.st_mode) & 0o077:
                path.chmod(0o700)
        return folder

    async def drop(self, mission: str) -> None:
        """Remove the folder of a mission that has ended, caches and all."""
        folder = self._root / mission
        if folder.is_dir() and not folder.is_symlink():
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

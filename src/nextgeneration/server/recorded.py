"""The records of this installation, opened once for all requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nextgeneration.services.records import Records


def _open() -> AbstractContextManager[Records]:
    from nextgeneration.services.records import open_records

    return open_records()


class Recorded:
    """Opened when a serving process starts, or by the first request where nobody starts it; closed when it ends."""

    def __init__(self, opening: Callable[[], AbstractContextManager[Records]] = _open) -> None:
        self._opening = opening
        self._lock = Lock()
        self._open = ExitStack()
        self._records: Records | None = None

    async def records(self) -> Records:
        """The records.

        Raises:
            StorageError: they cannot be opened.
        """
        opened = self._records
        return opened if opened is not None else await asyncio.to_thread(self._opened)

    def _opened(self) -> Records:
        with self._lock:
            if self._records is None:
                self._records = self._open.enter_context(self._opening())
            opened: Records = self._records
            return opened

    def close(self) -> None:
        """Close them; whoever asks next opens them again."""
        with self._lock:
            self._records = None
            self._open.close()

"""The records of this installation, opened once for all requests."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nextgeneration.agents.factory import AgentFactory
    from nextgeneration.services.records import Records


class Recorded:
    """Opened when a serving process starts, or by the first request where nobody starts it; closed when it ends.

    Args:
        factory: whose agents go on from the figures of recorded ones, and count against the same limit.
    """

    def __init__(self, factory: AgentFactory) -> None:
        self._factory = factory
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
        from nextgeneration.services.records import open_records

        with self._lock:
            if self._records is None:
                records = self._open.enter_context(open_records(self._factory.registry))
                self._open.enter_context(self._factory.manager.recorded_in(records.agents))
                self._records = records
            opened: Records = self._records
            return opened

    def close(self) -> None:
        """Close them; whoever asks next opens them again."""
        with self._lock:
            self._records = None
            self._open.close()

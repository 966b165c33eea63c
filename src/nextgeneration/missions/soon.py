"""One timer for all claims of a process that have something which should be on disk soon."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

SOON_SECONDS = 0.002
"""How long what should be on disk soon waits for a transaction to go with."""


class Soon:
    """Calls who asked, once, no later than :data:`SOON_SECONDS` after they did.

    Nearly always a transaction has come by then, so that asking must cost next to nothing.
    """

    def __init__(self) -> None:
        self._waiting: dict[asyncio.AbstractEventLoop, dict[Callable[[], None], None]] = {}

    def add(self, call: Callable[[], None]) -> None:
        """Have ``call`` called soon, in the running loop."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting.get(loop)
        if waiting is None:
            waiting = self._waiting[loop] = {}
            loop.call_later(SOON_SECONDS, self._ring, loop)
        waiting[call] = None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        for call in self._waiting.pop(loop):
            call()

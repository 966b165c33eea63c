"""One timer of the loop for all who want to be called a little later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

SOON_SECONDS = 0.002
"""How long what should be on disk soon waits for a transaction to go with."""


class Soon:
    """Calls who asked, once, no later than ``seconds`` after they did, in the loop in which they did.

    Nearly always what they wait for has come by then, so that asking must cost next to nothing.
    """

    def __init__(self, seconds: float = SOON_SECONDS) -> None:
        self._seconds = seconds
        self._waiting: dict[asyncio.AbstractEventLoop, dict[Callable[[], None], None]] = {}

    def add(self, call: Callable[[], None]) -> None:
        """Have ``call`` called soon."""
        loop = asyncio.get_running_loop()
        waiting = self._waiting.get(loop)
        if waiting is None:
            waiting = self._waiting[loop] = {}
            loop.call_later(self._seconds, self._ring, loop)
        waiting[call] = None

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        for call in self._waiting.pop(loop):
            call()

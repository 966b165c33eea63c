"""Looking, from time to time, how the missions of a process stand: one read for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from nextgeneration.missions.soon import Soon
from nextgeneration.missions.store import MissionStore
from nextgeneration.storage.database import Connection, Storage

Waiting = dict[asyncio.Future[Any], str]
"""Who waits for the next look, and at which mission: one that was taken over may have an older claim yet."""


class Rounds:
    """Reads at each interval how the missions stand whose claims wait for it.

    Args:
        storage: where missions are.
        store: their SQL.
        seconds: the interval.
    """

    def __init__(self, storage: Storage, store: MissionStore, seconds: float) -> None:
        self._storage = storage
        self._store = store
        self._soon = Soon(seconds)
        self._waiting: dict[asyncio.AbstractEventLoop, Waiting] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def next(self, mission: str) -> Any:
        """``attempt, status, cancelled_by, tool_calls, tool_limit`` at the next look; ``None``: it is not there.

        Raises:
            StorageError: it could not be read.
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.setdefault(loop, {})[future] = mission
        self._soon.add(self._look)
        return await future

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        waiting = {future: mission for future, mission in self._waiting.pop(loop).items() if not future.done()}
        if waiting:
            task = loop.create_task(self._read(waiting), name="look how missions stand")
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    async def _read(self, waiting: Waiting) -> None:
        def op(connection: Connection) -> dict[str, Sequence[Any]]:
            return self._store.standings(connection, list(set(waiting.values())))

        try:
            found = await self._storage.read(op)
        except BaseException as error:
            for future in waiting:
                if not future.done():
                    future.cancel() if isinstance(error, asyncio.CancelledError) else future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for future, mission in waiting.items():
            if not future.done():
                future.set_result(found.get(mission))

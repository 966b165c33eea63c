"""What a process that works on missions does about those of processes that died meanwhile.

A dead mission's calls still hold credits, and another mission may wait for exactly these. Nobody needs to finish the
dead one for that: taking it and giving it back closes its holds, and leaves it to whoever resumes it.
"""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType

from nextgeneration.kernel.errors import NGError
from nextgeneration.missions.schema import MissionStatus
from nextgeneration.missions.service import Missions

log = logging.getLogger(__name__)

Sighting = tuple[str, int, str | None]
"""A mission, its attempt and who held it."""


class DeadWatch:
    """Looks for dead missions at intervals, as long as anybody is inside.

    Args:
        seconds: the interval. A dead mission is taken at the second look that finds it as it was: a worker that was
            only asleep, as all are after a laptop was, has renewed its lease by then.
    """

    def __init__(self, missions: Missions, seconds: float) -> None:
        self._missions = missions
        self._seconds = seconds
        self._inside = 0
        self._seen: frozenset[Sighting] = frozenset()
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._inside += 1
        if self._inside == 1:
            self._wait()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inside -= 1
        if self._inside:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._seen = frozenset()
        if self._looking is not None:
            # It holds a lease for as long as one transaction: that is waited for.
            await asyncio.gather(self._looking, return_exceptions=True)

    def _wait(self) -> None:
        # A timer, not a task: most missions end long before it rings.
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._ring)

    def _ring(self) -> None:
        self._looking = asyncio.create_task(self._looked(), name="look for dead missions")

    async def _looked(self) -> None:
        try:
            await self.look()
        except NGError as error:
            log.warning("dead missions could not be looked for: %s (%s)", error, error.code)
        finally:
            self._looking = None
            if self._inside:
                self._wait()

    async def look(self) -> list[str]:
        """Take and give back every mission whose worker was dead at the last look too; their ids."""
        lines = [line for line in await self._missions.orphans() if line.status is MissionStatus.RUNNING]
        before, self._seen = self._seen, frozenset((line.id, line.attempt, line.holder) for line in lines)
        given_back = []
        for line in lines:
            if (line.id, line.attempt, line.holder) not in before:
                continue
            try:
                claim = await self._missions.claim(line.id)
                await claim.release()
            except NGError as error:
                log.info("mission %s is left alone: %s (%s)", line.id, error, error.code)
                continue
            log.info("mission %s was left behind by %s; what it held is closed", line.id, line.holder)
            given_back.append(line.id)
        return given_back

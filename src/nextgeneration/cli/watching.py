"""Reading a mission's journal as it grows, in this process or another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nextgeneration.cli.live import Progress
from nextgeneration.cli.voice import Voice
from nextgeneration.missions.schema import MissionStatus
from nextgeneration.missions.service import Missions

POLL_SECONDS = 0.1

UNDER_WAY = {MissionStatus.QUEUED, MissionStatus.RUNNING}


class Pump:
    """Writes a mission's events to stdout as JSON lines: each once, in order, from the first."""

    def __init__(self, missions: Missions, mission_id: str, voice: Voice) -> None:
        self._missions = missions
        self._mission = mission_id
        self._voice = voice

    async def flow(self) -> None:
        """Write what came since the last time."""
        for event in await self._missions.journal(self._mission, after=self._voice.heard.get(self._mission, 0)):
            self._voice.heard[self._mission] = event.seq
            self._voice.document(event.as_dict())

    async def run(self) -> None:
        """Write what comes until cancelled."""
        while True:
            await self.flow()
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def pumped(missions: Missions, mission_id: str, voice: Voice) -> AsyncIterator[None]:
    """Write the journal of a mission out while the body works on it, and what is left when it ends."""
    pump = Pump(missions, mission_id, voice)
    task = asyncio.create_task(pump.run(), name=f"journal of {mission_id}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await pump.flow()


async def follow_journal(missions: Missions, mission_id: str, voice: Voice, progress: Progress) -> bool:
    """Show what another process does with a mission, until it lets go of it.

    Returns:
        Whether the mission still has work to do that nobody does: its process is gone.
    """
    pump = Pump(missions, mission_id, voice)
    seen = 0
    while True:
        for event in await missions.journal(mission_id, after=seen):
            seen = event.seq
            progress.hear(event)
        if voice.jsonl:
            await pump.flow()
        mission = await missions.get(mission_id)
        if mission.seq <= seen and mission.status not in UNDER_WAY:
            return False
        if mission.seq <= seen and any(line.id == mission_id for line in await missions.orphans()):
            return True
        if voice.deaf:
            return False
        await asyncio.sleep(POLL_SECONDS)

"""Missions of dead processes are given back by whoever works, without anybody's help, and no living one is robbed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from nextgeneration.missions.errors import LeaseLost
from nextgeneration.missions.schema import MissionRequest, MissionStatus
from nextgeneration.missions.service import Missions
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.storage.database import Storage
from nextgeneration.storage.errors import StorageBusy
from nextgeneration.testing.clock import ManualClock
from nextgeneration.workers.dead import DeadWatch
from nextgeneration.workers.worker import Worker

LEASE = 30.0


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def missions(clock: ManualClock) -> Iterator[Missions]:
    storage = Storage.open("sqlite://")
    yield Missions(storage, MissionSettings(lease_seconds=LEASE), clock=clock)
    storage.close()


async def claimed(missions: Missions, tmp_path: Any) -> Any:
    mission = await missions.accept(MissionRequest(goal="g", workspace=str(tmp_path)))
    return await missions.claim(mission.id)


async def test_a_dead_mission_is_given_back_at_the_second_look(missions, clock, tmp_path):
    claim = await claimed(missions, tmp_path)
    watch = DeadWatch(missions, 10.0)
    assert await watch.look() == []
    assert await watch.look() == [], "its lease is not over"
    clock.advance(LEASE + 1)
    assert await watch.look() == []
    assert await watch.look() == [claim.id]
    assert (await missions.get(claim.id)).status is MissionStatus.QUEUED
    assert [line.id for line in await missions.orphans()] == [claim.id], "whoever resumes it finds it"
    assert await watch.look() == await watch.look() == []
    with pytest.raises(LeaseLost):
        await claim.event("late")


async def test_a_worker_that_was_only_asleep_keeps_its_mission(missions, clock, tmp_path):
    claim = await claimed(missions, tmp_path)
    watch = DeadWatch(missions, 10.0)
    for _ in range(3):
        clock.advance(LEASE + 1)
        assert await watch.look() == []
        await claim.renew()
        assert await watch.look() == []
    await claim.event("awake")


async def test_it_looks_while_the_worker_works_and_no_longer(missions, clock, tmp_path):
    dead = await claimed(missions, tmp_path)
    clock.advance(LEASE + 1)
    living = await missions.accept(MissionRequest(goal="h", workspace=str(tmp_path)))
    given_back = asyncio.Event()
    look, looks = missions.orphans, []

    async def orphans() -> Any:
        looks.append(1)
        if len(looks) == 1:
            raise StorageBusy(seconds=1)  # one look that fails ends nothing
        if (await missions.get(dead.id)).status is MissionStatus.QUEUED:
            given_back.set()
        return await look()

    missions.orphans = orphans

    class Supervisor:
        async def lead(self, claim: Any) -> Any:
            async with asyncio.timeout(20):
                await given_back.wait()

    await Worker(missions, Supervisor(), recover_seconds=0.001).run(living.id)
    count = len(looks)
    assert count >= 4
    await asyncio.sleep(0.02)
    assert len(looks) == count

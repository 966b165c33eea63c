"""Two workers and one mission: who lost the lease changes nothing any more, neither here nor outside."""

import asyncio
import os
import signal
import time

import psutil
import pytest
from tests.integration.faults_driver import KINDS, template
from tests.integration.faults_driver_world import heard

from nextgeneration.missions.service import Missions
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage.database import Storage

LEASE = 1.0
LOST = {"NG-MISSION-005", "NG-MISSION-006", "NG-MISSION-007"}
"""Held by another, ended, lost: what the first worker may hear."""


def stopped(pid):
    """Wait until a process has been stopped."""
    deadline = time.monotonic() + 20
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def overtaken(lives, root, **strike):
    """A worker is stopped past its lease, a second one finishes the mission, then the first goes on.

    Returns:
        The process id of the first, and what it said when it went on.
    """
    first = lives.start(root, accept=[["m", "trial"]], lease=LEASE, **strike)
    mission = lives.hear(first, "accepted")
    stopped(first)
    time.sleep(LEASE + 0.2)
    lives.whole(root, all=True, lease=LEASE)
    os.kill(first, signal.SIGCONT)
    code, said = lives.end(first)
    assert code == 0, said
    return mission, first, said


async def journal(root, mission):
    storage = Storage.open(StorageSettings(home=root / "home").url)
    try:
        missions = Missions(storage)
        assert await missions.integrity() == []
        return await missions.get(mission), await missions.journal(mission)
    finally:
        storage.close()


def check(root, world, mission, first, said):
    """The second worker's attempt is the one that counts, and the first did nothing after it had gone on."""
    assert set(heard(said, "error")) <= LOST
    assert heard(said, "error"), "the first worker is told"
    record, events = asyncio.run(journal(root, mission))
    assert record.status == "done"
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    claims = [event.data["attempt"] for event in events if event.type == "mission.claimed"]
    assert claims == sorted(claims)
    assert events[-1].type == "mission.ended"
    once = {key: n for key, n in world.times().items() if world.kinds()[key] in {"probed", "blind"}}
    assert all(n == 1 for n in once.values()), once


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_stopped_during_its_call_is_fenced_when_it_goes_on(tmp_path, world, lives, kind):
    """F7: its outcome is refused, and it makes no further call."""
    template(tmp_path / "templates", "trial", calls=[kind, kind], actions=1, kind=kind, allow=["world.*"])
    strikes = iter([signal.SIGSTOP])
    world.strike = lambda asked: next(strikes, None) if asked.kind == kind else None
    mission, first, said = overtaken(lives, tmp_path)
    assert [asked.pid for asked in world.log].count(first) == 1, "the first worker made only the call it was stopped in"
    check(tmp_path, world, mission, first, said)


@pytest.mark.slow
@pytest.mark.parametrize(
    "boundary", ["mission.claimed", "plan.saving", "effect.judged", "effect.intent", "task.ending"]
)
def test_a_worker_stopped_between_two_steps_is_fenced_when_it_goes_on(tmp_path, world, lives, boundary):
    template(tmp_path / "templates", "trial", calls=["blind"], allow=["world.*"])
    mission, first, said = overtaken(lives, tmp_path, strike=boundary, sign=signal.SIGSTOP)
    check(tmp_path, world, mission, first, said)

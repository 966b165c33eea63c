"""Several processes on one database file: each mission is worked on by one of them, and a stopped one is fenced."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter

import pytest

from nextgeneration.missions.schema import MissionRequest
from nextgeneration.missions.service import Missions
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.storage.database import Storage

WORKER = """
    import asyncio, os, sys, time
    from pathlib import Path
    from nextgeneration.kernel.risk import EffectRule, RiskLabel
    from nextgeneration.missions.effects import Policy
    from nextgeneration.missions.errors import LeaseLost, MissionEnded, MissionHeld
    from nextgeneration.missions.service import Missions
    from nextgeneration.settings.missions import MissionSettings
    from nextgeneration.storage.database import Storage
    from nextgeneration.testing.tools import FakeTool

    root, lease, pause = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])

    async def act(_args, context):
        with (root / "witness").open("a") as file:
            file.write(f"{os.getpid()} {context.key}\\n")
            file.flush()
        if pause:
            print("acting", flush=True)
            await asyncio.sleep(pause)

    async def main():
        storage = Storage.open(f"sqlite:///{root}/home/nextgen.db")
        missions = Missions(storage, MissionSettings(lease_seconds=lease))
        tools = {"act": FakeTool("act", act, effect=EffectRule.ONCE, risk=RiskLabel.WRITE)}
        while found := await missions.orphans():
            for line in found:
                try:
                    claim = await missions.claim(line.id)
                    task = claim.door(tools, Policy(standing=("act",)), root).task("t1", "a")
                    await asyncio.gather(*(task.call("act", {"n": n}) for n in range(3)))
                    await task.call("act", {"n": 9})
                    await claim.end("done", {})
                except (MissionHeld, MissionEnded, LeaseLost) as error:
                    print(type(error).__name__, flush=True)
        storage.close()

    asyncio.run(main())
"""


@pytest.fixture
def missions(tmp_path):
    storage = Storage.open(f"sqlite:///{tmp_path}/home/nextgen.db")
    yield Missions(storage, MissionSettings(lease_seconds=1))
    storage.close()


def start(tmp_path, lease=30.0, pause=0.0):
    argv = [sys.executable, "-c", textwrap.dedent(WORKER), str(tmp_path), str(lease), str(pause)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def accept(missions, count):
    return [(await missions.accept(MissionRequest(goal=f"g{n}", workspace="/srv/roof"))).id for n in range(count)]


async def test_processes_share_the_missions_of_one_file(missions, tmp_path):
    ids = await accept(missions, 24)
    workers = [start(tmp_path) for _ in range(3)]
    for worker in workers:
        _, errors = await asyncio.to_thread(worker.communicate, timeout=100)
        assert worker.returncode == 0, errors
    lines = [line.split() for line in (tmp_path / "witness").read_text().splitlines()]
    assert Counter(key for _, key in lines) == Counter(
        f"{mission}/t1/{position}/act" for mission in ids for position in range(1, 5)
    )
    assert {line.status for line in await missions.list()} == {"done"}
    for mission in ids:
        numbers = [event.seq for event in await missions.journal(mission)]
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.slow
async def test_a_stopped_process_that_wakes_up_is_fenced(missions, tmp_path):
    """F7: SIGSTOP past the lease, another takes over, SIGCONT: the first one's outcomes and calls are refused."""
    (mission,) = await accept(missions, 1)
    worker = start(tmp_path, lease=1.0, pause=0.5)
    assert worker.stdout is not None
    assert (await asyncio.to_thread(worker.stdout.readline)).strip() == "acting"
    os.kill(worker.pid, signal.SIGSTOP)
    await asyncio.sleep(1.5)
    claim = await missions.claim(mission)
    assert claim.attempt == 2
    os.kill(worker.pid, signal.SIGCONT)
    output, errors = await asyncio.to_thread(worker.communicate, timeout=60)
    assert worker.returncode == 0, errors
    assert "LeaseLost" in output
    assert {effect.status for effect in await missions.effects(mission)} == {"intent"}
    assert not any(line.endswith("/4/act") for line in (tmp_path / "witness").read_text().splitlines())
    await claim.end("done", {})


async def test_a_killed_process_is_known_dead_at_once(missions, tmp_path):
    (mission,) = await accept(missions, 1)
    worker = start(tmp_path, lease=3600.0, pause=60.0)
    assert worker.stdout is not None
    await asyncio.to_thread(worker.stdout.readline)
    assert await missions.orphans() == []
    worker.kill()
    worker.wait()
    started = time.monotonic()
    assert [line.id for line in await missions.orphans()] == [mission]
    claim = await missions.claim(mission)
    assert time.monotonic() - started < 5
    assert [effect.status for effect in claim.effects.values()] == ["intent"] * 3
    worker.communicate()

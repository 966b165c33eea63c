"""SIGKILL at random instants: no mission lost, no effect missing, none silently repeated, no gap in a journal.

The witness stands outside: a file that the tools append to, with the idempotency key of each call.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from nextgeneration.missions.service import Missions
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage.database import Storage

DRIVER = Path(__file__).with_name("kill_driver.py")
EFFECTS = 8
"""Outside effects of one mission: four agents, one of each kind."""


def start(root, missions):
    argv = [sys.executable, str(DRIVER), str(root), str(missions)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})


def kill_until_done(root, missions, kills, seed):
    """Kill the driver ``kills`` times 0-250 ms after first progress, then let it finish; how often it was killed."""
    rng = random.Random(seed)
    killed = 0
    while True:
        process = start(root, missions)
        try:
            line = process.stdout.readline()
            if killed < kills and line:
                time.sleep(rng.random() * 0.25)
                if process.poll() is None:
                    process.send_signal(signal.SIGKILL)
                    killed += 1
                process.communicate()
                if killed < kills or process.returncode == -signal.SIGKILL:
                    continue
                return killed
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors[-3000:]
            return killed
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


async def statuses(root):
    storage = Storage.open(StorageSettings(home=root / "home").url)
    try:
        missions = Missions(storage)
        found = {}
        for line in await missions.list(limit=None):
            seqs = [event.seq for event in await missions.journal(line.id)]
            assert seqs == list(range(1, len(seqs) + 1)), f"a gap in the journal of {line.id}"
            found[line.id] = line.status.value
        assert await missions.integrity() == []
        return found
    finally:
        storage.close()


def judge(root, missions):
    found = asyncio.run(statuses(root))
    assert len(found) == missions, "every accepted mission is there, none twice"
    assert set(found.values()) == {"done"}
    calls = Counter(tuple(line.split()) for line in (root / "witness").read_text().splitlines())
    once = {key: n for (kind, key), n in calls.items() if kind == "once"}
    keyed = {key: n for (kind, key), n in calls.items() if kind == "keyed"}
    assert len(once) + len(keyed) == missions * EFFECTS, "no effect is missing"
    assert all(n == 1 for n in once.values()), "an effect that must happen once happened once"
    return sum(keyed.values()) - len(keyed)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_at_random_instants_nothing_is_lost_and_nothing_silently_repeated(tmp_path):
    kill_until_done(tmp_path, missions=3, kills=12, seed=1)
    judge(tmp_path, 3)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_kills_over_120_missions(tmp_path):
    killed = 0
    for round_ in range(40):
        root = tmp_path / str(round_)
        root.mkdir()
        killed += kill_until_done(root, missions=3, kills=5, seed=round_)
        judge(root, 3)
    assert killed >= 180, "the driver must still be running when it is killed"

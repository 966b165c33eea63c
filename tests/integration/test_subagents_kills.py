"""SIGKILL at every boundary while agents call agents: no recorded effect of any of them is repeated, none is lost."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from nextgeneration.missions.service import Missions
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.storage.database import Storage

DRIVER = Path(__file__).with_name("subagents_driver.py")
CALLS = {
    *(f"{task}/{call}" for task in ("t1", "t1/4", "t1/4/4") for call in ("2/t.pure", "3/t.keyed")),
    *("t1/5/t.once", "t1/4/5/t.once", "t1/4/4/4/t.once"),
}
"""What the three agents do; the lowest calls nobody, so its last call is its fourth."""


async def books(folder):
    """The mission's own records, after everything."""
    storage = Storage.open(StorageSettings(home=folder / "home").url)
    try:
        missions = Missions(storage)
        (line,) = await missions.list()
        journal = await missions.journal(line.id)
        recorded = {f"{e.task}/{e.position}/{e.name}": e.status for e in await missions.effects(line.id)}
        return line.status, [event.seq for event in journal], await missions.integrity(), recorded
    finally:
        storage.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_kill_at_any_boundary_of_agents_below_agents_loses_and_repeats_nothing(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    done = subprocess.run([sys.executable, str(DRIVER), str(root)], capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    scenarios = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(scenario["codes"][0] == -9 for scenario in scenarios) > 30
    for scenario in scenarios:
        cut, counts = scenario["cut"], Counter(key.partition("/")[2] for key in scenario["keys"])
        assert scenario["codes"][-1] == 0, cut
        assert set(counts) == CALLS, cut
        assert all(times == 1 for key, times in counts.items() if key.endswith("t.once")), cut
        assert sum(counts.values()) <= len(CALLS) + 1, f"{cut}: at most the call that was cut is made again"
        status, numbers, damages, recorded = asyncio.run(books(Path(scenario["folder"])))
        assert (status, damages) == ("done", []), cut
        assert numbers == list(range(1, len(numbers) + 1)), cut
        assert set(recorded.values()) == {"done"}, cut
        assert {"t1/4/agent.run", "t1/4/4/agent.run"} <= set(recorded), cut

"""What thinking itself costs, in calls of Python functions: a count that no other load on the machine changes."""

import asyncio
import cProfile
import pstats

from benchmarks.peers.measuring import loaded
from benchmarks.thinking import agent, one_run, weather_model

from nextgeneration.storage.database import Storage
from nextgeneration.testing.thinking import InstantWorld

MAX_CALLS = 190
"""Of a two-turn run with one tool call; the fastest rival needs about 1,500."""

MAX_DURABLE_CALLS = 4_500
"""Of the same as a task of a mission, with its record, its journal, two holds, their settlements and its report."""


def calls_of(turns):
    async def measure():
        for _ in range(3):
            await one_run(turns)
        profile = cProfile.Profile()
        profile.enable()
        await one_run(turns)
        profile.disable()
        return pstats.Stats(profile).total_calls

    return asyncio.run(measure())


def test_a_two_turn_run_with_one_tool_call_stays_cheap():
    assert calls_of(2) <= MAX_CALLS


def test_a_later_turn_costs_no_more_than_the_first():
    first = calls_of(2) - calls_of(1)
    later = (calls_of(22) - calls_of(2)) / 20
    assert later <= first * 1.05


def test_the_run_that_is_counted_is_a_real_one():
    world = InstantWorld(weather_model(2), agent()[1])
    report = asyncio.run(one_run(2, world))
    assert report.analysis == "final: always sunny in nyc"
    assert [kind for kind, _ in world.taken] == ["think", "weather.get", "think"]


def test_the_same_run_kept_durable_stays_cheap(tmp_path):
    """In memory, so that the transactions are made and counted in the same thread."""

    async def measure():
        async with loaded("ours").durable(tmp_path, 1, 0.0, Storage.open("sqlite://")) as run:
            for number in range(3):
                await run(0, number, [])
            profile = cProfile.Profile()
            profile.enable()
            await run(0, 3, ended := [])
            profile.disable()
            assert len(ended) == 3, "a call of the model, one of the tool, one of the model"
            return pstats.Stats(profile).total_calls

    assert asyncio.run(measure()) <= MAX_DURABLE_CALLS

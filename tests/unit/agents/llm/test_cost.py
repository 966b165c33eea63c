"""What thinking itself costs, in calls of Python functions: a count that no other load on the machine changes."""

import asyncio
import cProfile
import pstats

from benchmarks.thinking import agent, one_run, weather_model

from nextgeneration.testing.thinking import InstantWorld

MAX_CALLS = 550
"""Of a two-turn run with one tool call; the fastest rival needs about 1,500."""


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

"""What the model and the tool say, the same to every side. Only the standard library."""

from __future__ import annotations

INSTRUCTIONS = "You are a careful weather assistant. Use the tool, then answer in one sentence."
QUESTION = "what is the weather in nyc?"
CITY = "nyc"
ARGUMENTS = '{"city": "nyc"}'

turns = [0]
"""Model turns served, so that no side is fast by doing less."""


def called(tool_results: int) -> bool:
    """Whether the model asks for the tool now: once, and then it answers."""
    turns[0] += 1
    return tool_results == 0


async def get_weather(city: str) -> str:
    """Get the weather of a city.

    Args:
        city: the name of the city
    """
    return "always sunny in " + city

"""Providers on loopback: the far end of five wire formats, scripted by a test. Needs no provider's library."""

from __future__ import annotations

from nextgeneration.testing.wire.pictures import PIXEL
from nextgeneration.testing.wire.script import (
    BadArguments,
    Call,
    Calls,
    Does,
    Drip,
    Endless,
    Fails,
    Overflows,
    RateLimited,
    Recorded,
    Refuses,
    Resets,
    Say,
    Stalls,
    Step,
    Truncated,
    UnknownTool,
    Usage,
    Waits,
)
from nextgeneration.testing.wire.seen import Bill, Seen, Turn
from nextgeneration.testing.wire.server import WireServer

__all__ = [
    "PIXEL",
    "BadArguments",
    "Bill",
    "Call",
    "Calls",
    "Does",
    "Drip",
    "Endless",
    "Fails",
    "Overflows",
    "RateLimited",
    "Recorded",
    "Refuses",
    "Resets",
    "Say",
    "Seen",
    "Stalls",
    "Step",
    "Truncated",
    "Turn",
    "UnknownTool",
    "Usage",
    "Waits",
    "WireServer",
]

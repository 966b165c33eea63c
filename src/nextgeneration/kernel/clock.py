"""Time as a part that is handed in, so that tests decide it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import Protocol


class Clock(Protocol):
    """Where a part of the system reads the time."""

    def now(self) -> datetime:
        """The wall clock, in UTC, for records and expiry."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""
        ...


class SystemClock:
    """The machine's own clocks."""

    now = staticmethod(partial(datetime.now, UTC))
    monotonic = staticmethod(time.monotonic)


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and ``Z``: sorts as text in the order of time."""
    at = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    # In halves: written in one, the offset alone, which is then cut off, takes nearly as long as all the rest.
    day, hour = at.date(), at.time()
    return f"{day.isoformat()}T{hour.isoformat() if hour.microsecond else hour.isoformat('microseconds')}Z"


def from_iso(text: str) -> datetime:
    """The moment that :func:`iso` wrote."""
    return datetime.fromisoformat(text).astimezone(UTC)

"""The places where a mission can be cut in two: after each of them something is on disk, or done outside.

The door, the claim and the service call the hook they were given at each of these. Tests kill the process there.
"""

from __future__ import annotations

from collections.abc import Callable

BOUNDARIES: tuple[str, ...] = (
    "mission.accepted",
    "mission.claimed",
    "plan.saving",
    "plan.saved",
    "effect.judged",
    "effect.intent",
    "effect.called",
    "effect.outcome",
    "effect.refused",
    "record.made",
    "record.saved",
    "approval.asking",
    "approval.asked",
    "approval.decided",
    "task.ending",
    "task.ended",
    "mission.waiting",
    "mission.ending",
    "mission.ended",
)
"""In the order a mission meets them: ``…ing``, ``judged`` and ``made`` come before the write, the others after it."""

At = Callable[[str], None]
"""Called with the name of each boundary that is passed."""


def nowhere(boundary: str) -> None:
    """The hook of everyday runs: does nothing."""

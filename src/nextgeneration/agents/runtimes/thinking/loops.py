"""Noticing that a model goes in circles."""

from __future__ import annotations

from enum import Enum

MAX_SAME = 3
"""Times the same call is made. Then the model is told once, then the run ends."""


class Again(Enum):
    """What to do with a call."""

    MAKE = "make"
    TELL = "tell"
    END = "end"


class Repeats:
    """How often each call was made since the world last changed.

    A call whose arguments are the same gives the same result until something was changed: testing, mending and
    testing again is no circle.
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}

    def note(self, call: bytes) -> Again:
        """Count a call, given by what is the same for the same call."""
        times = self._seen[call] = self._seen.get(call, 0) + 1
        if times <= MAX_SAME:
            return Again.MAKE
        return Again.TELL if times == MAX_SAME + 1 else Again.END

    def changed(self, call: bytes) -> None:
        """Forget all but ``call``, which changed something."""
        self._seen = {call: self._seen.get(call, 1)}

    def forget(self) -> None:
        """Forget all: the conversation was shortened, and the model may have to look again."""
        self._seen.clear()

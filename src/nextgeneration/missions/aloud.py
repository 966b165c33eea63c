"""What a model is saying, for whoever watches its mission: shown as it arrives and not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nextgeneration.events.schema import Event
from nextgeneration.kernel.clock import iso
from nextgeneration.missions.booking import NAME, Asked
from nextgeneration.missions.entries import NOTE

if TYPE_CHECKING:
    from nextgeneration.missions.claims import Claim

PAUSE = 0.1
"""Seconds between two looks at what a model says."""


class Aloud:
    """Publishes the end of what was said so far, a few times a second.

    Attributes:
        model: who is speaking.
    """

    def __init__(self, claim: Claim, asked: Asked) -> None:
        self._claim, self._asked = claim, asked
        self._said = ""
        self._next = 0.0
        self.model = ""

    def say(self, piece: str) -> None:
        """The next piece."""
        self._said = (self._said + piece)[-NOTE:]
        clock, asked = self._claim.clock, self._asked
        now = clock.monotonic()
        if now >= self._next:
            self._next = now + PAUSE
            line = " ".join(self._said.split())
            data = {"tool": NAME, "position": asked.position, "model": self.model, "line": line}
            at = iso(clock.now())
            self._claim.shared.bus.publish(Event(self._claim.id, 0, at, "effect.progress", asked.task, data))

"""What the router asks of whoever learns from experience."""

from __future__ import annotations

from typing import Protocol


class Quality(Protocol):
    """How well models do, as far as it is known."""

    def expected(self, model: str, agent: str, purpose: str) -> float | None:
        """The expected quality of ``model`` for an agent, from 0 to 1; ``None`` when nothing is known yet.

        Args:
            model: ``provider:model``.
            agent: the template's name; empty for the supervisor.
            purpose: as in :class:`~nextgeneration.kernel.models.Wish`.
        """
        ...


class NoExperience:
    """Nothing is known: price and the providers' own ranks decide."""

    def expected(self, model: str, agent: str, purpose: str) -> float | None:
        """Nothing."""
        return None

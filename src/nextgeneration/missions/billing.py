"""What a provider says that a call used, as the books can hold it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import NamedTuple

from nextgeneration.credits.schema import MAX_AMOUNT, Hold
from nextgeneration.kernel.models import Usage
from nextgeneration.missions.access import Candidate

MOST_TOKENS = 2**40
"""No call uses more; what is said beyond it is written down as this."""

_COUNTS = tuple(field.name for field in fields(Usage) if field.name != "estimated")


class Bill(NamedTuple):
    """One call's bill, whoever wrote it.

    Attributes:
        held: its worst case.
        cost: what it costs; ``None``: nobody knows, because what the provider says is no count.
        usage: the tokens, as far as they are counts.
    """

    held: int
    cost: int | None
    usage: Usage

    @classmethod
    def of(cls, candidate: Candidate, hold: Hold, usage: Usage) -> Bill:
        """The bill for ``usage``: never negative, and never more than an account can hold."""
        sound = True
        for count in (usage.input, usage.output, usage.cached, usage.cache_written, usage.reasoning):
            if type(count) is not int or not 0 <= count <= MOST_TOKENS:
                usage, sound = _bounded(usage)
                break
        if not hold.amount:
            return cls(0, 0, usage)
        cost = min(max(candidate.cost(usage), 0), MAX_AMOUNT) if sound else None
        return cls(hold.amount, cost, usage)

    @property
    def charged(self) -> int:
        """What is charged for the call; all it could cost where that is not known."""
        return self.held if self.cost is None else self.cost

    @property
    def beyond(self) -> dict[str, int]:
        """For the journal: by how much it passes its worst case, when it does."""
        over = self.charged - self.held
        return {"overrun": over} if over > 0 else {}


def _bounded(usage: Usage) -> tuple[Usage, bool]:
    """What can stand in the books of counts that cannot, and whether they were counts at all."""
    said = {name: getattr(usage, name) for name in _COUNTS}
    sound = all(type(count) is int and count >= 0 for count in said.values())
    kept = {name: min(max(count, 0), MOST_TOKENS) if type(count) is int else 0 for name, count in said.items()}
    return replace(usage, **kept, estimated=usage.estimated or not sound), sound

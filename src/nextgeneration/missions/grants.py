"""What an approval allows: exactly the calls it showed, each once."""

from __future__ import annotations

from dataclasses import dataclass, field

from nextgeneration.missions.judging import Judged, identity
from nextgeneration.missions.schema import Approval, Edit, asked_args


@dataclass(frozen=True, slots=True)
class Granted:
    """One call of a grant, with the judgement it was approved under.

    ``digest`` is of what the task asks for, ``edit`` what a human put in place of that.
    """

    tool: str
    digest: str
    label: str
    conditions: tuple[tuple[str, str], ...]
    edit: Edit | None = field(default=None, hash=False)

    @classmethod
    def of(cls, judged: Judged) -> Granted:
        """A call as it is judged now."""
        label, conditions = judged.assessment.label.value, tuple(sorted(judged.assessment.conditions.items()))
        return cls(judged.name, judged.digest, label, conditions, judged.edit)


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to make a list of calls.

    Attributes:
        approval: the approval's id; ``None`` when no question was needed.
        by: who answered: ``human:<name>`` or ``rule:<rule>``.
        calls: in the order of the card; a call's place is what it is used up by.
        digest: the approval's digest.
    """

    approval: str | None
    by: str
    calls: tuple[Granted, ...]
    digest: str = ""

    @classmethod
    def of(cls, approval: Approval) -> Grant:
        """What an approval that was given allows."""
        calls = tuple(
            Granted(
                call["tool"],
                identity(call["tool"], asked_args(call)),
                call["label"],
                tuple(sorted(call["conditions"].items())),
                Edit.of(call),
            )
            for call in approval.card["calls"]
        )
        return cls(approval.id, approval.decided_by or "", calls, approval.digest)

    def place(self, digest: str, used: set[int]) -> int | None:
        """The first call of this digest that was not made yet; ``None`` when there is none."""
        for place, granted in enumerate(self.calls):
            if granted.digest == digest and place not in used:
                return place
        return None

"""How dangerous a call is, and what repeating it would do."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field


class EffectRule(StrEnum):
    """What may happen when a call's outcome is not known after a crash.

    ``pure`` changes nothing and ``idempotent`` may be repeated under the same key: both run again.
    ``once`` must not: the tool's probe is asked, then a human.
    """

    PURE = "pure"
    IDEMPOTENT = "idempotent"
    ONCE = "once"


class RiskLabel(StrEnum):
    """The label of a call, strictest last. ``safe`` only reads, and only inside the workspace."""

    SAFE = "safe"
    WRITE = "write"
    NETWORK = "network"
    UNKNOWN = "unknown"
    DESTRUCTIVE = "destructive"
    PRIVILEGED = "privileged"

    @property
    def rank(self) -> int:
        """Position in the order of strictness, 0 for ``safe``."""
        return _ORDER[self]

    @classmethod
    def strictest(cls, labels: Iterable[RiskLabel]) -> RiskLabel:
        """The strictest of ``labels``; ``safe`` when there are none."""
        return max(labels, key=_ORDER.__getitem__, default=cls.SAFE)


_ORDER = {label: rank for rank, label in enumerate(RiskLabel)}


class Assessment(BaseModel):
    """The judgement over one call, before it runs.

    ``conditions`` are facts the judgement rests on (``{"confinement": "bubblewrap"}``): they are
    part of what a human approves, so that a call whose conditions changed is asked again.
    """

    model_config = ConfigDict(frozen=True)

    label: RiskLabel
    reasons: tuple[str, ...] = ()
    conditions: dict[str, str] = Field(default_factory=dict)

    def raised(self, label: RiskLabel, reason: str) -> Self:
        """This assessment, at least as strict as ``label``, with one more reason."""
        return self.model_copy(
            update={"label": RiskLabel.strictest((self.label, label)), "reasons": (*self.reasons, reason)}
        )

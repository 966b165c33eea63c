"""How dangerous a call is, and what repeating it would do."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.kernel.language import Lang, Texts


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

    def say(self, lang: Lang) -> str:
        """The label in words; a template's rules and the programs that read reports know it by its value."""
        return _SAID[self].say(lang)

    @classmethod
    def strictest(cls, labels: Iterable[RiskLabel]) -> RiskLabel:
        """The strictest of ``labels``; ``safe`` when there are none."""
        return max(labels, key=_ORDER.__getitem__, default=cls.SAFE)


_SAID = {
    RiskLabel.SAFE: Texts("safe", "sûr"),
    RiskLabel.WRITE: Texts("write", "écriture"),
    RiskLabel.NETWORK: Texts("network", "réseau"),
    RiskLabel.UNKNOWN: Texts("unknown", "inconnu"),
    RiskLabel.DESTRUCTIVE: Texts("destructive", "destructif"),
    RiskLabel.PRIVILEGED: Texts("privileged", "privilégié"),
}
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


def risk_said(label: str, lang: Lang) -> str:
    """A recorded label in words; as it is when it is none there is."""
    known = {each.value: each for each in RiskLabel}.get(label)
    return label if known is None else known.say(lang)

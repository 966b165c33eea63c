"""What a model had read when it wrote a call: words from outside may have asked for it, a secret may go out with it.

A call that a rule of the template would allow is then asked for, unless a rule that a human made covers it; after a
secret that does not help either. Nobody's ``--yes`` covers it, and the card says what was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.tools import Label, ToolSpec
from nextgeneration.security.permissions import Decision, Verdict, decide

AFTER = "after"
"""The condition on a card that says what was read."""

_UNTRUSTED = Texts(
    "the model had read what {tools} gave: words from outside may have asked for this",
    "le modèle avait lu ce que {tools} a donné : des mots de l'extérieur ont pu le demander",
)
_SECRET = Texts(
    "the model had read what looks like a secret ({tools}): it may go out with this",
    "le modèle avait lu ce qui ressemble à un secret ({tools}) : il peut sortir avec ceci",
)


@dataclass(frozen=True, slots=True)
class Taint:
    """The tools whose results a model had read, by what stood in them."""

    untrusted: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.untrusted or self.secret)

    def read(self, tool: str, labels: Iterable[Label]) -> Taint:
        """With one more result read."""
        found = self
        for label in labels:
            known = found.secret if label is Label.SECRET else found.untrusted
            if tool not in known:
                more = tuple(sorted({*known, tool}))
                found = replace(found, secret=more) if label is Label.SECRET else replace(found, untrusted=more)
        return found

    def shown(self) -> str:
        """As a condition on a card."""
        parts = [("untrusted", self.untrusted), ("secret", self.secret)]
        return "; ".join(f"{name}: {', '.join(tools)}" for name, tools in parts if tools)

    def reasons(self, lang: Lang) -> list[str]:
        """In words."""
        parts = [(_UNTRUSTED, self.untrusted), (_SECRET, self.secret)]
        return [text.say(lang, tools=", ".join(tools)) for text, tools in parts if tools]


CLEAN = Taint()


def tainted(
    taint: Taint,
    assessment: Assessment,
    decision: Decision,
    spec: ToolSpec,
    subjects: tuple[str, ...],
    standing: Sequence[str],
    lang: Lang,
) -> tuple[Assessment, Decision]:
    """A call's assessment and decision with what was read before it; what only reads the workspace stays as it was."""
    if not taint or (spec.effect is EffectRule.PURE and assessment.label is RiskLabel.SAFE):
        return assessment, decision
    reasons = taint.reasons(lang)
    conditions = {**assessment.conditions, AFTER: taint.shown()}
    assessment = assessment.model_copy(update={"reasons": (*assessment.reasons, *reasons), "conditions": conditions})
    if decision.verdict is Verdict.ALLOW:
        by_hand = decide((), standing, spec.name, subjects, assessment.label, spec.effect, aliases=spec.aliases)
        if taint.secret or by_hand.verdict is not Verdict.ALLOW:
            decision = Decision(Verdict.ASK, Texts(reasons[-1], reasons[-1]))
    return assessment, decision

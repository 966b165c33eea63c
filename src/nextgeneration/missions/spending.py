"""Asking a human before a soft limit is passed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from nextgeneration.credits.schema import SoftWarning
from nextgeneration.credits.units import shown
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import Assessment, RiskLabel
from nextgeneration.kernel.show import escaped
from nextgeneration.kernel.tools import Preview, ToolContext, ToolResult, ToolSpec
from nextgeneration.missions.asking import Question
from nextgeneration.missions.judging import Judged, identity
from nextgeneration.missions.performing import context_of
from nextgeneration.security.permissions import Decision, Verdict
from nextgeneration.tools.base import Args, BaseTool

if TYPE_CHECKING:
    from nextgeneration.missions.booking import Asked
    from nextgeneration.missions.effects import Door

PASSED = 100
_WHY = Texts(
    "{limit} ({cap} credits) is used up to {share} % and more with this call.",
    "{limit} ({cap} crédits) est utilisée à {share} % et plus avec cet appel.",
)
_GO_ON = Texts("go on spending from {limit}", "continuer à dépenser sur {limit}")


class SpendArgs(Args):
    """A soft limit, its period, and from which share of it on the human was asked."""

    limit: str
    bucket: str
    cap: int
    share: int


class Nothing(BaseModel):
    """There is no result."""


class Spend(BaseTool):
    """Going on beyond a soft limit: never called, only asked about."""

    spec = ToolSpec(
        name="credits.spend",
        summary=Texts("Go on beyond a soft limit.", "Continuer au-delà d'une limite souple."),
        args=SpendArgs,
        result=Nothing,
        risk=RiskLabel.NETWORK,
        touches=frozenset({"network"}),
    )

    def preview(self, args: Any, context: ToolContext) -> Preview:
        """The limit in words."""
        limit = escaped(args.limit, newlines=False)
        body = _WHY.say(context.lang, limit=limit, cap=shown(args.cap), share=args.share)
        return Preview(title=_GO_ON.say(context.lang, limit=limit), body=body)

    async def call(self, args: Any, context: ToolContext) -> ToolResult:
        """Nothing is done."""
        return ToolResult()


SPEND = Spend()


async def asked_for(door: Door, asked: Asked, warning: SoftWarning) -> None:
    """Let a human decide, once for each limit, period and step (the warning, the whole), whether the mission goes on.

    Raises:
        Parked: the question is put.
        EffectRefused: the answer was no, or nobody can be asked.
    """
    if not warning.asks:
        return
    claim = door.claim
    share = PASSED if warning.share >= PASSED else warning.share - warning.share % 10
    key = f"{warning.limit.key}:{warning.bucket}:{'all' if share == PASSED else 'most'}"
    if key in door.agreed:
        return
    args = {"limit": warning.limit.key, "bucket": warning.bucket, "cap": warning.cap, "share": share}
    found = await door.asking.latest("credits", f"soft:{key}")
    if found is not None:
        # The share when it was asked is part of what was shown; it may be another now.
        args["share"] = next(iter(found.card.get("calls", [{}]))).get("args", {}).get("share", share)
    parsed = SpendArgs.model_validate(args)
    why = _WHY.say(claim.mission.lang, limit=warning.limit.key, cap=shown(warning.cap), share=args["share"])
    decision = Decision(Verdict.ASK, Texts(why, why))
    assessment = Assessment(label=RiskLabel.NETWORK, reasons=(why,))
    name = SPEND.spec.name
    judged = Judged(SPEND, name, args, parsed, identity(name, args), assessment, decision)
    question = Question("credits", asked.agent, "", f"soft:{key}", "call", (judged,), why)
    await door.asking.answer(question, context_of(door, ""))
    door.agreed.add(key)

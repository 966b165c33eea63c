"""Asking a human before a soft limit is passed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from nextgeneration.credits.errors import HoldRefused, OverLimit
from nextgeneration.credits.schema import Limit, SoftWarning
from nextgeneration.credits.units import shown
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import Assessment, RiskLabel
from nextgeneration.kernel.show import escaped
from nextgeneration.kernel.tools import Preview, ToolContext, ToolResult, ToolSpec
from nextgeneration.missions.asking import Question
from nextgeneration.missions.errors import EffectRefused, OverBudget
from nextgeneration.missions.judging import Judged, identity
from nextgeneration.missions.performing import context_of
from nextgeneration.missions.schema import Approval, ApprovalStatus, Mission
from nextgeneration.security.permissions import Decision, Verdict
from nextgeneration.tools.base import Args, BaseTool

if TYPE_CHECKING:
    from nextgeneration.missions.effects import Door

PASSED = 100
TASK = "credits"
"""What stands in the place of a task: the question is the mission's."""

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


def limits_of(mission: Mission, task: str, budget: int | None, above: Iterable[tuple[str, int]]) -> tuple[Limit, ...]:
    """The budgets of a mission, a task and those it works for, as limits that come with a call."""
    limits = []
    if mission.budget.credits is not None:
        limits.append(Limit("mission", mission.id, mission.budget.credits))
    if budget is not None:
        limits.append(Limit("task", f"{mission.id}/{task}", budget))
    limits += [Limit("task", f"{mission.id}/{name}", amount) for name, amount in above]
    return tuple(limits)


def over_limit(error: HoldRefused, tool: str, mission: Mission) -> OverBudget | EffectRefused:
    """What a call that nothing was held for ends with.

    A limit that leaves too little ends the task; an account that is stopped, a price nobody knows or a wait that
    was too long only means that this call cannot be made: the agent goes on without.
    """
    if not isinstance(error, OverLimit):
        return EffectRefused(tool=tool, why=error.message(mission.lang))
    # As a person would name it in a report of this very mission: task:t1, mission:mis_…, tenant:local/month.
    scope = str(error.limit).removesuffix("/total").replace(f":{mission.id}/", ":", 1)
    return OverBudget(scope=scope, limit=str(error.left), unit="credits")


def agreed_to(door: Door, warning: SoftWarning) -> bool:
    """Whether the mission may go on beyond a soft limit without a question."""
    about = f"{warning.limit.key}:{warning.bucket}"
    return (
        not warning.asks or f"{about}:all" in door.agreed or (warning.share < PASSED and f"{about}:most" in door.agreed)
    )


async def asked_for(door: Door, warning: SoftWarning) -> None:
    """Let a human decide, once for each limit, period and step (the warning, the whole), whether the mission goes on.

    The mission asks, whichever of its agents came to the limit: the others wait for the same answer.

    Raises:
        Parked: the question is put.
        EffectRefused: the answer was no, or nobody can be asked.
    """
    whole = warning.share >= PASSED
    about = f"{warning.limit.key}:{warning.bucket}"
    key = f"{about}:all" if whole else f"{about}:most"
    async with door.spending:
        if agreed_to(door, warning):
            return
        if not whole and await _wider(door, f"{about}:all", warning.cap):
            whole, key = True, f"{about}:all"
        await _answered(door, key, warning, PASSED if whole else warning.share - warning.share % 10)
        door.agreed.add(key)


async def _wider(door: Door, key: str, cap: int) -> bool:
    """Whether the question about the whole limit waits for its answer, or was answered with a yes."""
    found = await door.asking.latest(TASK, f"soft:{key}")
    if found is None or found.status is not ApprovalStatus.APPROVED:
        return found is not None and found.status is ApprovalStatus.PENDING
    return bool(_shown(found).get("cap") == cap)


def _shown(found: Approval) -> dict[str, Any]:
    """The arguments on a card."""
    calls: list[dict[str, Any]] = found.card.get("calls", [])
    return calls[0].get("args", {}) if calls else {}


async def _answered(door: Door, key: str, warning: SoftWarning, share: int) -> None:
    """Wait for a yes to going on beyond ``share`` per cent.

    Raises:
        Parked, EffectRefused: as :func:`asked_for` says.
    """
    found = await door.asking.latest(TASK, f"soft:{key}")
    if found is not None:
        # The share when it was asked is part of what was shown; it may be another now.
        share = _shown(found).get("share", share)
    limit, lang = warning.limit.key, door.claim.mission.lang
    args = {"limit": limit, "bucket": warning.bucket, "cap": warning.cap, "share": share}
    why = _WHY.say(lang, limit=limit, cap=shown(warning.cap), share=share)
    assessment = Assessment(label=RiskLabel.NETWORK, reasons=(why,))
    decision = Decision(Verdict.ASK, Texts(why, why))
    name = SPEND.spec.name
    judged = Judged(SPEND, name, args, SpendArgs.model_validate(args), identity(name, args), assessment, decision)
    question = Question(TASK, "mission", "", f"soft:{key}", "call", (judged,), why, shared=True)
    await door.asking.answer(question, context_of(door, ""))

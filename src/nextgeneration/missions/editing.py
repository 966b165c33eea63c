"""Editing a question: a human changes the arguments of a call before answering, and it is asked anew.

The call is judged again, by what it was judged by before, and shown on a new card with a digest of its own; the old
card is replaced in the same transaction. The task still asks for what it asked for: its effect is recorded under that,
with what was made instead, so that it replays like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nextgeneration.kernel.canonical import canonical
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.kernel.tools import Tool, ToolContext
from nextgeneration.missions.asking import SHOWN, bare, card_of
from nextgeneration.missions.errors import EditRefused
from nextgeneration.missions.judging import Judge, Judged, Policy, identity, said, shown
from nextgeneration.missions.schema import Approval, Edit, Mission, asked_args
from nextgeneration.security.permissions import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

_DOUBT = Texts(
    "it asks what became of a call that was begun; `nextgen approvals settle` answers it",
    "elle demande ce qu'est devenu un appel commencé ; `nextgen approvals settle` y répond",
)
_NO_CALL = Texts(
    "it asks whether to go on, there is nothing to change", "elle demande s'il faut continuer, il n'y a rien à changer"
)
_NUMBER = Texts("it has no call {number}, only 1 to {count}", "elle n'a pas d'appel {number}, seulement 1 à {count}")
_ALONE = Texts("it has one call only", "elle n'a qu'un appel")
_SAME = Texts("that is what it asks already", "c'est ce qu'elle demande déjà")


@dataclass(frozen=True, slots=True)
class World:
    """What a call is judged with outside a worker: the tools, a human's standing rules, the private folders."""

    tools: Mapping[str, Tool]
    standing: tuple[str, ...]
    scratch: Callable[[str], Callable[[], Path]]


def changed(asked: Approval, mission: Mission, number: int, args: dict[str, Any], by: str, world: World) -> Judged:
    """The call ``number`` of a question with other arguments, judged as the task's own call would be.

    Raises:
        EditRefused: it cannot be changed, or a rule denies it.
        NotCanonical: the arguments are not plain JSON.
        ToolUnknown, BadArguments, NetworkOff, …: it could not be made.
    """
    lang, calls = mission.lang, asked.card["calls"]
    if asked.kind == "in_doubt":
        raise _refused(asked, _DOUBT, lang)
    if "bounds" not in asked.card:
        raise _refused(asked, _NO_CALL, lang)
    if not 0 < number <= len(calls):
        raise _refused(asked, _ALONE if len(calls) == 1 else _NUMBER, lang, number=number, count=len(calls))
    call = calls[number - 1]
    before = asked_args(call)
    if canonical(args) == canonical(call["args"]):
        raise _refused(asked, _SAME, lang)
    edit = None if canonical(args) == canonical(before) else Edit(before, args, by)
    policy = Policy(standing=world.standing, network=mission.options.network)
    judge, after = Judge.within(asked.card["bounds"], world.tools, policy)
    tool = judge.tool(call["tool"])
    digest = identity(tool.spec.name, before)
    judged = judge.judge(tool, before, digest, _context(mission, world, policy), after, edit)
    if judged.decision.verdict is Verdict.DENY:
        raise EditRefused(approval=asked.id, why=said(judged.decision.why, lang))
    return judged


def card_with(asked: Approval, mission: Mission, number: int, judged: Judged, world: World) -> dict[str, Any]:
    """The card of a question with one of its calls as it is judged now."""
    card = bare(asked.card)
    context = _context(mission, world, Policy(network=mission.options.network))
    card["calls"] = [*card["calls"]]
    card["calls"][number - 1] = shown(judged, context, card["calls"][number - 1].get("credits", 0))
    card["label"] = RiskLabel.strictest(RiskLabel(call["label"]) for call in card["calls"]).value
    if not asked.slot.startswith("key:"):
        card["why"] = said(judged.decision.why, mission.lang)
    return card_of([card[name] for name in SHOWN])


def _context(mission: Mission, world: World, policy: Policy) -> ToolContext:
    return ToolContext(
        workspace=Path(mission.workspace),
        scratch=world.scratch(mission.id),  # type: ignore[arg-type] # made when a tool asks for it
        lang=mission.lang,
        network=policy.network,
    )


def _refused(asked: Approval, why: Texts, lang: Lang, **values: object) -> EditRefused:
    return EditRefused(approval=asked.id, why=why.say(lang, **values) if values else why.say(lang))

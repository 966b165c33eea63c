"""The calls of a model's answer: which are made, and what the model is told of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from nextgeneration.agents.errors_llm import GoingInCircles
from nextgeneration.agents.runtimes.thinking.arguments import Misfits, unknown
from nextgeneration.agents.runtimes.thinking.compiled import Compiled, Ready
from nextgeneration.agents.runtimes.thinking.conversation import MALFORMED
from nextgeneration.agents.runtimes.thinking.fencing import fenced, told, visible
from nextgeneration.agents.runtimes.thinking.loops import MAX_SAME, Again, Repeats
from nextgeneration.agents.runtimes.thinking.reporting import REPORT, Results, Shown
from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.errors import NGError, as_problem
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.models import Finish, Message, ModelAnswer, ToolCall
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.kernel.tools import Label, ToolResult
from nextgeneration.missions.errors import EffectRefused, OverBudget, Parked, ToolFailed

if TYPE_CHECKING:
    from nextgeneration.agents.runtimes.gathering import Gathered
    from nextgeneration.agents.runtimes.thinking.world import World
    from nextgeneration.missions.together import Card

log = logging.getLogger(__name__)

MAX_CALLS = 32
"""Calls of one answer."""

_NOT_NOW = Texts(
    "The report was not taken: first read the results of the calls you made beside it, then hand it in.",
    "Le rapport n'a pas été pris : lis d'abord les résultats des appels faits en même temps, puis rends-le.",
)
_AGAIN = Texts(
    "Not called again: the same call with the same arguments was made {n} times and nothing has changed since. Use "
    "what it gave, do something else, or hand in your report.",
    "Pas rappelé : le même appel, avec les mêmes arguments, a été fait {n} fois et rien n'a changé depuis. Sers-toi "
    "de ce qu'il a donné, fais autre chose, ou rends ton rapport.",
)
_ENDED = Texts("Not called: the task is ending.", "Pas appelé : la tâche se termine.")
_FAILED = Texts("{tool} failed: {message} {hint}", "{tool} a échoué : {message} {hint}")
_TOO_MANY = Texts(
    "Not called: at most {n} calls in one answer.", "Pas appelé : {n} appels au plus dans une seule réponse."
)


class Calls:
    """The calls of one run.

    Attributes:
        results: what they gave, to be cited.
        remedies: what tools proposed, by the name the model knows it by.
        circling: set when the model was told that it goes in circles, and went on.
        over: set when a call did not fit the budget.
    """

    __slots__ = (
        "_cards",
        "_gathered",
        "_lang",
        "_made",
        "_misfits",
        "_repeats",
        "_world",
        "circling",
        "over",
        "remedies",
        "results",
    )

    def __init__(self, made: Compiled, gathered: Gathered, world: World, lang: Lang) -> None:
        self._world = world
        self._made = made
        self._gathered = gathered
        self._lang = lang
        self._misfits = Misfits()
        self._repeats = Repeats()
        self._cards = 0
        self.results = Results()
        self.remedies: dict[str, Proposal] = {}
        self.circling: GoingInCircles | None = None
        self.over: OverBudget | None = None

    def forget(self) -> None:
        """The conversation was shortened: looking again is no circle."""
        self._repeats.forget()

    def heard(self, source: str) -> None:
        """Words came from ``source``, which is no call: what is called or proposed from now on says so."""
        self._world.heard(source)
        self.results.heard.add(source)

    async def make(self, answer: ModelAnswer, keys: list[bytes]) -> list[Message]:
        """Make the calls of an answer, side by side: what the model is told of each, in its order.

        Args:
            answer: with at least one call.
            keys: by what its calls are known.

        Raises:
            Parked: calls wait for a human; all of them were issued.
            NGError: with ``control``.
        """
        calls, cut = answer.calls, answer.finish is Finish.LENGTH
        verdicts = [self._verdict(call, key, cut=cut) for call, key in zip(calls, keys, strict=True)]
        if len(calls) > MAX_CALLS:
            verdicts[MAX_CALLS:] = [_TOO_MANY.say(self._lang, n=MAX_CALLS)] * (len(calls) - MAX_CALLS)
        ready = [(v, call.args or {}) for call, v in zip(calls, verdicts, strict=True) if isinstance(v, Ready)]
        card = await self._card(ready) if len(ready) > 1 else None
        # Every position is taken here, in the model's order, before anything runs.
        issued = [self._issued(verdict.name, args, card) for verdict, args in ready]
        outcomes = iter(await side_by_side(issued)) if issued else iter(())
        messages: list[Message] = []
        changed: bytes | None = None
        for call, key, verdict in zip(calls, keys, verdicts, strict=True):
            if isinstance(verdict, str):
                messages.append(Message("tool", verdict, call=call.id, failed=True))
                continue
            outcome = next(outcomes)
            messages.append(self._told(call, verdict, outcome))
            if not verdict.pure and isinstance(outcome, ToolResult):
                changed = key
        if changed is not None:
            self._repeats.changed(changed)
        return messages

    async def _card(self, ready: list[tuple[Ready, dict[str, Any]]]) -> Card | None:
        """The answer to one question for all calls of an answer that ask; ``None`` when at most one can.

        Raises:
            Parked: the question is put.
        """
        may_ask = [(each.name, args) for each, args in ready if not each.pure or each.spec.risk is not RiskLabel.SAFE]
        if len(may_ask) < 2:
            return None
        self._cards += 1
        return await self._world.together(may_ask, f"calls:{self._cards}")

    def _issued(self, tool: str, args: dict[str, Any], card: Card | None) -> Coroutine[Any, Any, ToolResult]:
        """A call, with the right that the card gives; one that the card refused is not made."""
        if card is None or not card.shows(tool, args):
            return self._world.call(tool, args)
        if card.refused is not None:
            return _refused(card.refused)
        return self._world.call(tool, args, grant=card.grant)

    def _verdict(self, call: ToolCall, key: bytes, *, cut: bool) -> Ready | str:
        """The tool to call, or what to say instead."""
        lang, name, misfits = self._lang, call.name, self._misfits
        if name == REPORT:
            return _NOT_NOW.say(lang)
        again = self._repeats.note(key or f"{name} {call.raw}".encode())
        if again is Again.TELL:
            return _AGAIN.say(lang, n=MAX_SAME)
        if again is Again.END:
            self.circling = self.circling or GoingInCircles(tool=name)
            return _ENDED.say(lang)
        ready = self._made.tools.get(name)
        if ready is None:
            return unknown(name, self._made.names, lang)
        if misfits.closed(ready.name):
            return misfits.refusal(ready.name, lang)
        if key == MALFORMED:
            return misfits.malformed(ready.name, call.raw, lang, cut=cut)
        try:
            ready.validate(call.args)
        except ValidationError as error:
            return misfits.unfit(ready.name, error, lang)
        return ready

    def _told(self, call: ToolCall, ready: Ready, outcome: ToolResult | Exception) -> Message:
        """What a call gave, as the model is told it."""
        lang, results = self._lang, self.results
        label = f"r{len(results.shown) + 1}"
        if isinstance(outcome, ToolResult):
            self._gathered.keep(outcome, ready.name, call.args or {})
            remedies: list[tuple[str, Proposal]] = []
            if outcome.proposals:
                remedies = [(f"p{len(self.remedies) + n}", one) for n, one in enumerate(outcome.proposals[:50], 1)]
                self.remedies.update(remedies)
            text = told(outcome, lang, remedies)
            if Label.SECRET in outcome.labels:  # no prompt holds a secret's value
                text = self._world.masked(text)
            results.add(Shown(label, ready.name, text, bool(outcome.labels)), call.id)
            return Message("tool", fenced(label, ready.name, text), call=call.id, images=outcome.images)
        if isinstance(outcome, OverBudget):
            self.over = self.over or outcome
        problem = as_problem(outcome, lang)
        said = _FAILED.say(lang, tool=ready.name, message=problem["message"], hint=problem["hint"])
        text = visible(said, lang, 4_000)
        if isinstance(outcome, ToolFailed):
            results.add(Shown(label, ready.name, text, marked=True), call.id)
            text = fenced(label, ready.name, text)
        return Message("tool", text, call=call.id, failed=True)


async def _refused(error: EffectRefused) -> ToolResult:
    raise error


async def side_by_side(calls: list[Any]) -> list[ToolResult | Exception]:
    """What each call gave or raised, in order: one that fails loses none of the others.

    Raises:
        Parked: calls wait for a human, all of them named.
        NGError: with ``control``: one of them ended the run.
    """
    if len(calls) == 1:  # the usual case needs no task of its own
        try:
            return [await calls[0]]
        except NGError as error:
            if error.control:
                raise
            return [error]
        except Exception as error:
            log.exception("a call failed unforeseen")
            return [error]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    kept: list[ToolResult | Exception] = []
    waiting: list[str] = []
    for outcome in outcomes:
        if isinstance(outcome, Parked):
            waiting.extend(outcome.approvals)
        elif isinstance(outcome, BaseException) and (not isinstance(outcome, Exception) or _controls(outcome)):
            raise outcome
        else:
            kept.append(outcome)
    if waiting:
        raise Parked(approvals=tuple(dict.fromkeys(waiting)))
    return kept


def _controls(error: Exception) -> bool:
    return isinstance(error, NGError) and error.control

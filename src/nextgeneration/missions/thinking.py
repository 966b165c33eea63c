"""One call of a language model, from the choice of the model to its settled outcome.

The worst case is held against every limit in the transaction that journals the intent; the outcome and what it cost
are one transaction after it. Another try, on the same model or the next, is the same effect with a hold of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nextgeneration.credits.errors import HoldRefused, OverLimit
from nextgeneration.credits.schema import Hold, HoldStatus, ReportLine
from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.kernel.models import ModelAnswer, ModelRequest, Usage, Wish
from nextgeneration.kernel.reports import Cost
from nextgeneration.kernel.show import shortened
from nextgeneration.missions.access import Candidate, Choice, ModelAccess
from nextgeneration.missions.aloud import Aloud
from nextgeneration.missions.billing import Bill
from nextgeneration.missions.booking import MAX_NAMED, NAME, Asked, Booking
from nextgeneration.missions.entries import NOTE
from nextgeneration.missions.errors import EffectRefused, ModelsFailed, OverBudget
from nextgeneration.missions.leases import Draft
from nextgeneration.missions.outcomes import refused_as, remake
from nextgeneration.missions.records import Effect
from nextgeneration.missions.spending import over_limit
from nextgeneration.models.candidates import LEAST_OUTPUT
from nextgeneration.models.errors import (
    ContextTooLong,
    ModelFailure,
    ModelTimedOut,
    ModelUnreachable,
    NoModel,
    RubbishAnswer,
)
from nextgeneration.models.estimating import likely_tokens
from nextgeneration.models.retries import delay
from nextgeneration.storage.errors import RecordDamaged
from nextgeneration.storage.sealed import plain, seal, unseal

if TYPE_CHECKING:
    from nextgeneration.missions.effects import Door

logger = logging.getLogger(__name__)

ROOMY = 4
"""A model that holds so many times the answer is never asked so much that the answer does not fit."""

Listen = Callable[[str], None]


class Thought:
    """The making of one model call.

    Args:
        ends: when the time is over, by the mission's clock that only goes forward.

    Attributes:
        tries: how often a model was asked.
    """

    def __init__(
        self,
        door: Door,
        access: ModelAccess,
        asked: Asked,
        begun: Effect | None,
        ends: float,
        listen: Listen | None = None,
    ) -> None:
        self._claim = door.claim
        self._access = access
        self._asked = asked
        self._booking = Booking(door, access, asked, begun)
        self._clock = door.claim.shared.clock
        self._ends = ends
        self._too_long = False
        watched = listen is None and door.claim.shared.bus.watched
        self._aloud = Aloud(door.claim, asked) if watched else None
        heard = self._aloud.say if self._aloud else listen
        self._heard = _Heard(heard) if heard else None
        self.tries = 0
        self._seconds = 0.0
        self._credits = 0
        self._input = 0
        self._output = 0

    def spent(self) -> dict[str, Any]:
        """What it cost, all tries together: the fields of a ``Cost`` without those that are nothing."""
        used = {
            "model_calls": self.tries,
            "seconds": self._seconds,
            "credits": self._credits,
            "input_tokens": self._input,
            "output_tokens": self._output,
        }
        return {name: amount for name, amount in used.items() if amount}

    def _charge(self, charged: int, tokens: Usage | ReportLine) -> None:
        self._credits += charged
        self._input += tokens.input
        self._output += tokens.output

    async def run(self) -> ModelAnswer:
        """Ask the models in their order until one answers.

        Raises:
            ModelsFailed: none did.
            OverBudget: what it could cost fits no limit.
            Parked: a human is asked whether to go on beyond a soft limit.
        """
        if self._booking.effect is not None:
            before = await self._booking.before()
            self.tries += before.calls
            self._charge(before.charged, before)
        try:
            choice = self._access.gateway.candidates(self._asked.wish, self._asked.request)
        except ModelFailure as error:
            raise await self._given_up(error) from None
        refused: HoldRefused | None = None
        last: ModelFailure | None = None
        if choice.skipped:
            self._booking.beside = left_out(choice.skipped, self._asked.wish, self._claim.mission.lang)
        for candidate in choice.candidates:
            try:
                return await self._with(candidate)
            except HoldRefused as error:
                refused = error
                self._booking.instead_of(candidate.name, error)
            except ModelFailure as error:
                last = error
                self._too_long = self._too_long or isinstance(error, ContextTooLong)
                if not error.other:
                    break
                self._booking.instead_of(candidate.name, error)
        if last is None and refused is not None:
            raise await self._over(refused)
        raise await self._given_up(last or self._nobody(choice), self._room(choice, last))

    def _nobody(self, choice: Choice) -> ModelFailure:
        """Why no model can be asked at all."""
        lang = self._claim.mission.lang
        skipped = "; ".join(f"{name}: {why.say(lang)}" for name, why in choice.skipped.items())
        return NoModel(detail=shortened(skipped, NOTE) or self._asked.wish.purpose)

    def _room(self, choice: Choice, last: ModelFailure | None) -> int:
        """Tokens that a model would take which this request is too long for; 0 when its length is not why none answers.

        A model that was left out for its length says how much it holds. One that refused the length holds less than
        was believed: half of what it was asked is as good a guess as any.
        """
        if last is not None and not last.other:
            return 0
        asked = {candidate.name for candidate in choice.candidates}
        length = likely_tokens(self._asked.request, 0)
        all_there = self._access.gateway.candidates(self._asked.wish).candidates
        rooms = [each.context for each in all_there if each.name not in asked and each.context < length + LEAST_OUTPUT]
        if self._too_long:
            rooms.append(length // 2)
        return max(rooms, default=0)

    # -- one model ---------------------------------------------------------------------------------------------------

    async def _with(self, candidate: Candidate) -> ModelAnswer:
        """Ask one model, again where nothing was billed.

        Raises:
            ModelFailure: it does not answer.
            HoldRefused: its worst case does not fit.
        """
        tries = 0
        while True:
            tries += 1
            request, hold = await self._held(candidate)
            answer = await self._answer(candidate, request, hold)
            if isinstance(answer, ModelAnswer):
                return await self._settled(candidate, hold, answer)
            await self._lost(candidate, hold, answer)
            # On this machine a server is there or it is not: nothing is gained by knocking again.
            gone = candidate.local and isinstance(answer, ModelUnreachable)
            pause = None if gone else delay(answer, tries, jitter=self._access.random())
            if pause is None or pause >= self._ends - self._clock.monotonic():
                raise answer
            await asyncio.sleep(pause)

    async def _held(self, candidate: Candidate) -> tuple[ModelRequest, Hold]:
        """Hold the worst case; when it can never fit, that of a shorter answer."""
        request, left = self._asked.request, max(self._ends - self._clock.monotonic(), 0.0)
        if candidate.context < ROOMY * request.max_output:
            request = _within(candidate, request)
        try:
            return request, await self._booking.reserve(candidate, request, left)
        except OverLimit as error:
            smaller = candidate.fit(request, int(error.left))
            if smaller is None:
                raise
            return smaller, await self._booking.reserve(candidate, smaller, left)

    async def _answer(self, candidate: Candidate, request: ModelRequest, hold: Hold) -> ModelAnswer | ModelFailure:
        """Ask the model under what is left of the time; its answer, or why there is none."""
        try:
            started = await self._claim.secure()
        except (NGError, asyncio.CancelledError):
            await self._booking.give_back(hold)
            raise
        if self._aloud:
            self._aloud.model = candidate.name
        left = max(self._ends - started, 0.0)
        timer = self._claim.deadlines.after(left)
        try:
            with timer:
                return await candidate.client.answer(request, self._heard.hear if self._heard else None)
        except ModelFailure as error:
            return error
        except TimeoutError as error:
            if timer.expired:
                return ModelTimedOut(model=candidate.name, seconds=round(left, 1), other=False)
            return _unforeseen(candidate, error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                return _unforeseen(candidate, error)
            if not self._claim.over:
                about = {"tool": NAME, "position": self._asked.position, "model": candidate.name}
                lost = Draft("credits.unconfirmed", about)
                self._credits += await self._booking.close(hold, None, HoldStatus.UNCONFIRMED, lost)
            raise
        except Exception as error:
            logger.exception("%s failed unforeseen", self._asked.key)
            return _unforeseen(candidate, error)
        finally:
            self.tries += 1
            self._seconds += round(self._clock.monotonic() - started, 6)
            if self._heard:
                self._heard.again()
            self._claim.shared.at("effect.called")

    # -- what became of it -------------------------------------------------------------------------------------------

    async def _settled(self, candidate: Candidate, hold: Hold, answer: ModelAnswer) -> ModelAnswer:
        bill = Bill.of(candidate, hold, answer.usage)
        charged = bill.charged
        self._charge(charged, bill.usage)
        data: dict[str, Any] = plain({**answer.as_data(), "usage": bill.usage.as_data()})
        kept = ModelAnswer.of(data)
        about = {
            "model": kept.model,
            "finish": data["finish"],
            "calls": [call.name for call in kept.calls],
            "usage": data["usage"],
            "credits": charged,
            "seconds": self._seconds,
            **bill.beyond,
        }
        outcome = seal({"answer": data, "cost": self.spent()})
        await self._booking.settle(hold, bill.cost, bill.usage, outcome, about, self._seconds)
        candidate.succeeded(self._seconds)
        return kept

    async def _lost(self, candidate: Candidate, hold: Hold, error: ModelFailure) -> None:
        """Settle a try that gave no answer to what is known of its bill."""
        status: HoldStatus = HoldStatus.UNCONFIRMED
        cost: int | None = None
        bill = Bill.of(candidate, hold, error.usage or Usage())
        if error.spent == "none":
            status = HoldStatus.RELEASED
        elif error.spent == "known" and error.usage is not None and bill.cost is not None:
            status, cost = HoldStatus.SETTLED, bill.cost
        elif bill.beyond:
            cost = bill.cost
        problem = error.problem(self._claim.mission.lang)
        about = {
            "tool": NAME,
            "position": self._asked.position,
            "model": candidate.name,
            "code": problem["code"],
            "message": shortened(problem["message"], NOTE),
            "billed": error.spent,
            **(bill.beyond if status is not HoldStatus.RELEASED else {}),
        }
        charged = await self._booking.close(hold, cost, status, Draft("effect.tried", about), bill.usage)
        self._charge(charged, bill.usage)
        candidate.failed(error)

    async def _given_up(self, error: ModelFailure, room: int = 0) -> ModelsFailed:
        """Record that no model answered, and how long a request may be that one would; what to raise."""
        problem = error.problem(self._claim.mission.lang)
        if room:
            problem["room"] = room
        await self._ended("failed", {"problem": problem}, problem)
        return models_failed(problem)

    async def _over(self, error: HoldRefused) -> OverBudget | EffectRefused:
        """Record that nothing was held for the call; what to raise."""
        mission = self._claim.mission
        refused = over_limit(error, NAME, mission)
        await self._ended("refused", {"refusal": refused_as(refused)}, error.problem(mission.lang))
        return refused

    async def _ended(self, status: str, outcome: dict[str, Any], problem: dict[str, Any]) -> None:
        await self._booking.end(status, seal({**outcome, "cost": self.spent()}), problem, self._seconds)


def left_out(skipped: Mapping[str, Texts], wish: Wish, lang: Lang) -> dict[str, Any]:
    """For the journal: why models are not asked at all, first those wished for, then what this very request needs."""
    names = sorted(skipped, key=lambda name: name in wish.prefer)[::-1]
    said = {shortened(name, NOTE): shortened(skipped[name].say(lang), NOTE) for name in names[:MAX_NAMED]}
    return {"skipped": said, **({"skipped_more": len(names) - len(said)} if len(names) > len(said) else {})}


def _within(candidate: Candidate, request: ModelRequest) -> ModelRequest:
    """The request with an answer that fits beside its prompt: some servers refuse what could become too long."""
    room = candidate.context - likely_tokens(request, 0)
    return request if room >= request.max_output else replace(request, max_output=max(room, LEAST_OUTPUT))


class _Heard:
    """Hands a text on piece by piece, and never twice: what a second try repeats is left out."""

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._shown = ""
        self._repeated = 0
        self._astray = False

    def hear(self, piece: str) -> None:
        """The next piece of this try."""
        if self._astray:
            return
        known = self._shown[self._repeated : self._repeated + len(piece)]
        if not piece.startswith(known):
            # Another answer than the one that broke off: the reader has its beginning, the report the whole of it.
            self._astray = True
            return
        self._repeated += len(piece)
        fresh = piece[len(known) :]
        if fresh:
            self._shown += fresh
            self._listen(fresh)

    def again(self) -> None:
        """Another try begins."""
        self._repeated, self._astray = 0, False


def _unforeseen(candidate: Candidate, error: BaseException) -> ModelFailure:
    return RubbishAnswer(model=candidate.name, detail=f"{type(error).__name__}: {str(error)[:200]}")


def models_failed(problem: dict[str, Any]) -> ModelsFailed:
    """What is raised when no model answered, at the call and at each replay."""
    return ModelsFailed(message=problem.get("message", ""), hint=problem.get("hint", ""), problem=problem)


def replayed_thought(effect: Effect, key: str) -> ModelAnswer:
    """The recorded answer of a model.

    Raises:
        ModelsFailed, OverBudget: that is what was recorded.
        RecordDamaged: the record is not what was written.
    """
    said = unseal(effect.outcome or "", "effects", key)
    if effect.status == "done":
        try:
            return ModelAnswer.of(said["answer"])
        except (KeyError, TypeError, ValueError) as error:
            raise RecordDamaged(table="effects", id=key, detail=str(error)) from None
    if "refusal" in said:
        raise remake(said["refusal"], key)
    raise models_failed(said["problem"])


def cost_of(effect: Effect) -> Cost:
    """What a recorded model call cost, whatever came of it, and any other effect that has a price."""
    if effect.outcome is None:
        return Cost()
    if effect.name != NAME:
        return Cost(credits=effect.toll)
    key = f"{effect.task}/{effect.position}"
    said = unseal(effect.outcome, "effects", key)
    if effect.status == "refused" and "cost" not in said:
        return Cost()  # refused before anybody was asked: the calls of its task are used up
    try:
        return Cost.model_validate(said["cost"])
    except (KeyError, ValueError) as error:
        raise RecordDamaged(table="effects", id=key, detail=str(error)) from None

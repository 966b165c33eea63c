"""Looking and asking without doing: what a call would do, and one card for a list of calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nextgeneration.kernel.tools import ToolContext
from nextgeneration.missions.asking import Question
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.errors import EffectMismatch, EffectRefused, OverBudget, Parked
from nextgeneration.missions.grants import Grant, Granted
from nextgeneration.missions.judging import Call, Judge, Judged, Offer, identity, said
from nextgeneration.missions.performing import context_of
from nextgeneration.missions.schema import ApprovalStatus, Edit
from nextgeneration.missions.tainting import Taint
from nextgeneration.security.permissions import Verdict

if TYPE_CHECKING:
    from nextgeneration.missions.effects import Door


class Consent:
    """The part of a task's door that looks at calls and puts them to a human."""

    task: str
    agent: str
    revision: str
    parked: tuple[str, ...]
    _door: Door
    _claim: Claim
    _judge: Judge
    _taint: Callable[[], Taint]
    _ready: Callable[[tuple[str, ...]], None]
    _note: Callable[[Parked | OverBudget], None]

    async def offer(self, tool: str, args: Mapping[str, Any], card: Sequence[Call] = ()) -> Offer:
        """Judge a call without making it: what an action is proposed with. Nothing is recorded.

        Args:
            tool: its name.
            args: its arguments.
            card: with what it is put to a human, itself first: what they put in its place counts.

        Raises:
            ToolUnknown, BadArguments, …: it could not be made.
        """
        edit, *_ = await self._edits(card, "key:") if card else (None,)
        judged = self._judged(Call(tool, args), edit)
        return Offer(
            tool=judged.name,
            args=judged.args,
            assessment=judged.assessment,
            preview=judged.preview(self._context()),
            verdict=judged.decision.verdict,
            why=said(judged.decision.why, self._claim.mission.lang),
            digest=judged.digest,
            edited_by="" if edit is None else edit.by,
        )

    async def authorise(self, calls: Sequence[Call], reason: str, kind: str = "action", key: str = "") -> Grant:
        """Ask once for a list of calls shown on one card.

        Args:
            calls: exactly these may then be made, each once, with ``call(…, grant=…)``.
            reason: why, in words.
            kind: the kind of question.
            key: tells several questions of one task apart.

        Raises:
            EffectRefused: a rule denies one of them, or a human said no.
            Parked: the question is put.
        """
        self._ready(self.parked)
        slot = f"key:{key}"
        asked = self._asked(calls)
        found = await self._door.asking.latest(self.task, slot)
        if found is not None and found.status is ApprovalStatus.APPROVED and self._begun(found.id):
            grant = Grant.of(found)
            if [granted.digest for granted in grant.calls] != asked:
                recorded = {"recorded": found.title, "recorded_digest": found.digest}
                raise EffectMismatch(key=f"{self.task}/{slot}", **recorded, asked=reason, asked_digest=",".join(asked))
            return grant
        edits = await self._edits(calls, slot)
        judged = tuple(self._judged(call, edit) for call, edit in zip(calls, edits, strict=True))
        for one in judged:
            if one.decision.verdict is Verdict.DENY:
                why = said(one.decision.why, self._claim.mission.lang)
                raise EffectRefused(tool=one.name, why=why)
        if not any(edits) and all(one.decision.verdict is Verdict.ALLOW for one in judged):
            return Grant(None, "rule:permissions", tuple(Granted.of(one) for one in judged))
        about = (self.task, self.agent, self.revision, slot, kind, judged, reason)
        question = Question(*about, judge=self._judge, after=self._taint())
        try:
            return Grant.of(await self._door.asking.answer(question, self._context()))
        except (Parked, OverBudget) as error:
            self._note(error)
            raise

    def _begun(self, approval: str) -> bool:
        return any(effect.approval == approval for effect in self._claim.effects.values())

    def _asked(self, calls: Sequence[Call]) -> list[str]:
        """The digests of calls, by which they are recognised again."""
        return [identity(self._judge.tool(call.tool).spec.name, call.args) for call in calls]

    async def _edits(self, calls: Sequence[Call], slot: str) -> tuple[Edit | None, ...]:
        return await self._door.asking.edits(self.task, slot, self._asked(calls))

    def _judged(self, call: Call, edit: Edit | None = None) -> Judged:
        tool, args = self._judge.tool(call.tool), dict(call.args)
        digest = identity(tool.spec.name, args)
        return self._judge.judge(tool, args, digest, self._context(), self._taint(), edit)

    def _context(self) -> ToolContext:
        return context_of(self._door, "")

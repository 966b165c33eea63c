"""Asking a human from inside a claim: find the answer, or put the question and park."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from nextgeneration.kernel.canonical import digest
from nextgeneration.kernel.clock import iso
from nextgeneration.kernel.ids import new_id
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.kernel.show import escaped, shortened
from nextgeneration.kernel.tools import ToolContext
from nextgeneration.missions import records
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.errors import ApprovalAlreadyDecided, EffectRefused, Parked
from nextgeneration.missions.judging import Judge, Judged, Policy, identity, shown
from nextgeneration.missions.leases import Draft
from nextgeneration.missions.schema import Approval, ApprovalStatus, Edit, asked_args
from nextgeneration.missions.shared import Shared
from nextgeneration.missions.tainting import AFTER, CLEAN, Taint
from nextgeneration.storage.database import Connection
from nextgeneration.storage.sealed import plain, seal

YES_RULE = "rule:--yes"

SHOWN = ("mission", "task", "agent", "revision", "kind", "calls", "label", "why")
"""What a card shows, and its digest is over: an answer is bound to that."""

_NOBODY = Texts("it asks, and nobody is there to answer", "il faut demander, et personne n'est là pour répondre")
_EXPIRED = Texts("nobody answered by {at}", "personne n'a répondu avant le {at}")
_REJECTED = Texts("{by} said no{reason}", "{by} a dit non{reason}")


@dataclass(frozen=True, slots=True)
class Question:
    """What is put to a human.

    Attributes:
        slot: its place in the task: a position, or a key.
        kind: ``call``, ``action`` or ``in_doubt``.
        calls: what one answer covers.
        why: the reason, in words.
        shared: several tasks ask it, side by side: whoever comes while one waits for its answer waits with it.
        judge: who judged them; without one nobody can edit them.
        after: what their author had read.
    """

    task: str
    agent: str
    revision: str
    slot: str
    kind: str
    calls: tuple[Judged, ...]
    why: str
    shared: bool = False
    judge: Judge | None = None
    after: Taint = CLEAN

    @property
    def label(self) -> RiskLabel:
        """The strictest label of its calls."""
        return RiskLabel.strictest(judged.assessment.label for judged in self.calls)


class Asking:
    """The questions of one claim."""

    def __init__(self, claim: Claim, policy: Policy) -> None:
        self._claim = claim
        self._shared = claim.shared
        self._policy = policy
        self._before: frozenset[tuple[str, str]] | None = None

    async def latest(self, task: str, slot: str) -> Approval | None:
        """The question that stands at a place of a task."""
        store, claim = self._shared.approvals, self._claim
        row = await self._shared.storage.read(lambda c: store.latest(c, claim.id, task, slot))
        return None if row is None else records.approval(row)

    async def edits(self, task: str, slot: str, digests: Sequence[str]) -> tuple[Edit | None, ...]:
        """What a human put in place of calls that were put to them, in their order; nothing where nobody did.

        Args:
            task: the task.
            slot: the question's place in it.
            digests: the calls that are asked for, in the order of the card: edits are of exactly these.
        """
        found = await self.latest(task, slot) if await self._was_put(task, slot) else None
        return (None,) * len(digests) if found is None else _edits(found, digests)

    def may_stand(self, task: str, slot: str) -> bool:
        """Whether a question may have been put at a place of a task, as far as that is known without looking."""
        return self._claim.attempt != 1 or (task, slot) in self._claim.asked

    async def _was_put(self, task: str, slot: str) -> bool:
        """Whether a question was ever put at a place of a task: looked up once, in attempts that follow another."""
        claim, store, tenant = self._claim, self._shared.approvals, self._shared.tenant
        if not self.may_stand(task, slot):
            return False
        if (task, slot) in claim.asked:
            return True
        if self._before is None:
            rows = await self._shared.storage.read(lambda c: store.listed(c, tenant, None, claim.id, None))
            self._before = frozenset((row.task_id, row.slot) for row in rows)
        return (task, slot) in self._before

    async def answer(self, question: Question, context: ToolContext) -> Approval:
        """The answer to ``question``: an approval that holds, or what to do about a call in doubt.

        Raises:
            EffectRefused: a human said no, nobody answered in time, or nobody can be asked.
            Parked: the question is put; the task runs again after the answer.
        """
        card = self._card(question, context)
        found = await self.latest(question.task, question.slot)
        if found is None:
            return await self._put(question, card, None)
        now = iso(self._claim.clock.now())
        if _edits(found, [judged.digest for judged in question.calls]) != tuple(j.edit for j in question.calls):
            # Edited since this run looked: it asks, when it runs again, for what was put there.
            raise self._parked(question, found.id)
        same = found.digest == sealed_by(card, found.expires_at)
        status = found.status
        if status is ApprovalStatus.PENDING and found.expires_at <= now:
            await self._expire(found, now)
            status = ApprovalStatus.EXPIRED
        if status is ApprovalStatus.PENDING:
            if not same and not question.shared:
                return await self._put(question, card, found)
            raise self._parked(question, found.id)
        self._claim.waiting.pop((question.task, question.slot), None)
        if status is ApprovalStatus.EXPIRED:
            raise self._refused(question, _EXPIRED, at=found.expires_at)
        if status is ApprovalStatus.REJECTED:
            reason = f": {found.reason}" if found.reason else ""
            raise self._refused(question, _REJECTED, by=found.decided_by, reason=reason)
        if not same or found.used_at is not None or found.expires_at <= now:
            return await self._put(question, card, found)
        return found

    def _refused(self, question: Question, why: Texts, **values: object) -> EffectRefused:
        lang = self._claim.mission.lang
        return EffectRefused(tool=question.calls[0].name, why=why.say(lang, **values))

    def _card(self, question: Question, context: ToolContext) -> dict[str, Any]:
        """What is shown and what the digest is over, but for the times."""
        about = (self._claim.id, question.task, question.agent, question.revision, question.kind)
        tolls = self._shared.tolls
        calls = [shown(judged, context, 0 if tolls is None else tolls.of(judged.tool)) for judged in question.calls]
        return card_of((*about, calls, question.label.value, question.why))

    async def _put(self, question: Question, card: dict[str, Any], instead_of: Approval | None) -> Approval:
        """Write the question; a ``--yes`` that covers it answers at once."""
        policy, claim, shared = self._policy, self._claim, self._shared
        read = any(AFTER in judged.assessment.conditions for judged in question.calls)
        edited = any(judged.edit is not None for judged in question.calls)
        auto = question.kind != "in_doubt" and not read and not edited and policy.covers(question.label)
        if not auto and not policy.attended:
            raise self._refused(question, _NOBODY)
        bounds = None if question.judge is None else question.judge.bounds(question.after)
        approval = put(card, question.slot, bounds, shared, auto=auto)
        row = row_of(approval, shared.tenant)

        def change(connection: Connection) -> None:
            gone = {"status": ApprovalStatus.REPLACED.value}
            if instead_of is not None and not shared.approvals.move(
                connection, instead_of.id, instead_of.status.value, gone
            ):
                raise ApprovalAlreadyDecided(approval=instead_of.id, status="?")
            shared.approvals.add(connection, row)

        drafts = [Draft("approval.asked", summary(approval), question.task)]
        if auto:
            drafts.append(self._decision(approval, ApprovalStatus.APPROVED, YES_RULE))
        shared.at("approval.asking")
        try:
            await claim.commit(*drafts, change=change)
        except ApprovalAlreadyDecided as error:
            # Answered or edited meanwhile: the task runs again and finds what stands there now.
            raise self._parked(question, error.approval) from None
        shared.at("approval.asked")
        claim.asked.add((question.task, question.slot))
        claim.waiting.pop((question.task, question.slot), None)
        if auto:
            return approval
        raise self._parked(question, approval.id)

    def _parked(self, question: Question, approval: str) -> Parked:
        self._claim.waiting[question.task, question.slot] = approval
        return Parked(approvals=(approval,))

    async def _expire(self, found: Approval, now: str) -> None:
        gone = {"status": ApprovalStatus.EXPIRED.value, "decided_at": now}
        store = self._shared.approvals
        await self._claim.commit(
            self._decision(found, ApprovalStatus.EXPIRED, "rule:expiry"),
            change=lambda c: _void(store.move(c, found.id, ApprovalStatus.PENDING.value, gone)),
        )

    @staticmethod
    def _decision(approval: Approval, verdict: ApprovalStatus, by: str) -> Draft:
        data = {"approval": approval.id, "verdict": verdict.value, "by": by, "digest": approval.digest}
        return Draft("approval.decided", data, approval.task_id)


def _void(_: int) -> None:
    """A change answers nothing."""


def put(card: dict[str, Any], slot: str, bounds: Any, shared: Shared, *, auto: bool = False) -> Approval:
    """A new question that shows ``card``, until the time for an answer is over.

    Args:
        card: what is shown.
        slot: its place in the task.
        bounds: by what its calls were judged; kept with the card, beside what is shown.
        shared: the clock, and how long an answer has time.
        auto: ``--yes`` answers it at once.
    """
    now = shared.clock.now()
    expires = iso(now + timedelta(days=shared.approval_days))
    approval = Approval(
        id=new_id("apr"),
        mission_id=card["mission"],
        task_id=card["task"],
        slot=slot,
        agent=card["agent"],
        kind=card["kind"],
        label=card["label"],
        title=_title(card),
        status=ApprovalStatus.APPROVED if auto else ApprovalStatus.PENDING,
        digest=sealed_by(card, expires),
        created_at=iso(now),
        expires_at=expires,
        decided_at=iso(now) if auto else None,
        decided_by=YES_RULE if auto else None,
        reason="",
    )
    about = {
        "id": approval.id,
        "digest": approval.digest,
        "created_at": approval.created_at,
        "expires_at": expires,
        "choices": list(approval.choices),
    }
    kept = {} if bounds is None else {"bounds": bounds}
    return replace(approval, card={**card, **about, **kept})


def row_of(approval: Approval, tenant: str) -> dict[str, Any]:
    """A question as its row."""
    row = {name: getattr(approval, name) for name in Approval.__slots__}
    return row | {"tenant": tenant, "status": approval.status.value, "card": seal(approval.card)}


def card_of(values: Sequence[Any]) -> dict[str, Any]:
    """What is shown, in the order of :data:`SHOWN`, as plain JSON."""
    card: dict[str, Any] = plain(dict(zip(SHOWN, values, strict=True)))
    return card


def _edits(found: Approval, digests: Sequence[str]) -> tuple[Edit | None, ...]:
    """The edits on a card of exactly these calls; none on a card that is not what its digest is over."""
    calls = found.card["calls"]
    asked = [identity(call["tool"], asked_args(call)) for call in calls]
    edits = tuple(Edit.of(call) for call in calls)
    if any(edits) and asked == list(digests) and sealed_by(bare(found.card), found.expires_at) == found.digest:
        return edits
    return (None,) * len(digests)


def bare(card: Mapping[str, Any]) -> dict[str, Any]:
    """What a card shows, without what is kept beside it."""
    return {name: card[name] for name in SHOWN}


def sealed_by(card: dict[str, Any], expires_at: str) -> str:
    """The digest an answer is bound to: everything shown, for whom, and until when."""
    return digest([card, expires_at])


def _title(card: dict[str, Any]) -> str:
    first, others = card["calls"][0], len(card["calls"]) - 1
    title = shortened(escaped(first["preview"]["title"], newlines=False), 160)
    return f"{title} (+{others})" if others else title


def summary(approval: Approval) -> dict[str, Any]:
    """The journal's word of a question."""
    return {
        "approval": approval.id,
        "agent": approval.agent,
        "kind": approval.kind,
        "label": approval.label,
        "title": approval.title,
        "tools": [call["tool"] for call in approval.card["calls"]],
        "digest": approval.digest,
        "expires_at": approval.expires_at,
    }

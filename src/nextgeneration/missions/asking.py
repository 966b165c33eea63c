"""Asking a human from inside a claim: find the answer, or put the question and park."""

from __future__ import annotations

from dataclasses import dataclass
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
from nextgeneration.missions.errors import EffectRefused, Parked
from nextgeneration.missions.judging import Judged, Policy, shown
from nextgeneration.missions.leases import Draft
from nextgeneration.missions.schema import CHOICES, Approval, ApprovalStatus
from nextgeneration.missions.tainting import AFTER
from nextgeneration.storage.database import Connection
from nextgeneration.storage.sealed import plain, seal

YES_RULE = "rule:--yes"

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
    """

    task: str
    agent: str
    revision: str
    slot: str
    kind: str
    calls: tuple[Judged, ...]
    why: str
    shared: bool = False

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

    async def latest(self, task: str, slot: str) -> Approval | None:
        """The question that stands at a place of a task."""
        store, claim = self._shared.approvals, self._claim
        row = await self._shared.storage.read(lambda c: store.latest(c, claim.id, task, slot))
        return None if row is None else records.approval(row)

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
        same = found.digest == sealed_by(card, found.expires_at)
        status = found.status
        if status is ApprovalStatus.PENDING and found.expires_at <= now:
            await self._expire(found, now)
            status = ApprovalStatus.EXPIRED
        if status is ApprovalStatus.PENDING:
            if not same and not question.shared:
                return await self._put(question, card, found)
            self._claim.waiting.add(found.id)
            raise Parked(approvals=(found.id,))
        self._claim.waiting.discard(found.id)
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
        card = {
            "mission": self._claim.id,
            "task": question.task,
            "agent": question.agent,
            "revision": question.revision,
            "kind": question.kind,
            "calls": [shown(judged, context) for judged in question.calls],
            "label": question.label.value,
            "why": question.why,
        }
        cleaned: dict[str, Any] = plain(card)
        return cleaned

    async def _put(self, question: Question, card: dict[str, Any], instead_of: Approval | None) -> Approval:
        """Write the question; a ``--yes`` that covers it answers at once."""
        policy, claim, shared = self._policy, self._claim, self._shared
        read = any(AFTER in judged.assessment.conditions for judged in question.calls)
        auto = question.kind != "in_doubt" and not read and policy.covers(question.label)
        if not auto and not policy.attended:
            raise self._refused(question, _NOBODY)
        now = claim.clock.now()
        expires = iso(now + timedelta(days=shared.approval_days))
        approval = Approval(
            id=new_id("apr"),
            mission_id=claim.id,
            task_id=question.task,
            slot=question.slot,
            agent=question.agent,
            kind=question.kind,
            label=question.label.value,
            title=_title(card),
            status=ApprovalStatus.APPROVED if auto else ApprovalStatus.PENDING,
            digest=sealed_by(card, expires),
            created_at=iso(now),
            expires_at=expires,
            decided_at=iso(now) if auto else None,
            decided_by=YES_RULE if auto else None,
            reason="",
        )
        card = {
            **card,
            "id": approval.id,
            "digest": approval.digest,
            "created_at": approval.created_at,
            "expires_at": expires,
            "choices": list(CHOICES[question.kind]),
        }
        row = {name: getattr(approval, name) for name in Approval.__slots__}
        row |= {"tenant": shared.tenant, "status": approval.status.value, "card": seal(card)}

        def change(connection: Connection) -> None:
            if instead_of is not None:
                gone = {"status": ApprovalStatus.REPLACED.value}
                shared.approvals.move(connection, instead_of.id, instead_of.status.value, gone)
            shared.approvals.add(connection, row)

        drafts = [Draft("approval.asked", _summary(approval, card), question.task)]
        if auto:
            drafts.append(self._decision(approval, ApprovalStatus.APPROVED, YES_RULE))
        shared.at("approval.asking")
        await claim.commit(*drafts, change=change)
        shared.at("approval.asked")
        if instead_of is not None:
            claim.waiting.discard(instead_of.id)
        if auto:
            return records.approval_with(approval, card)
        claim.waiting.add(approval.id)
        raise Parked(approvals=(approval.id,))

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


def sealed_by(card: dict[str, Any], expires_at: str) -> str:
    """The digest an answer is bound to: everything shown, for whom, and until when."""
    return digest([card, expires_at])


def _title(card: dict[str, Any]) -> str:
    first, others = card["calls"][0], len(card["calls"]) - 1
    title = shortened(escaped(first["preview"]["title"], newlines=False), 160)
    return f"{title} (+{others})" if others else title


def _summary(approval: Approval, card: dict[str, Any]) -> dict[str, Any]:
    return {
        "approval": approval.id,
        "agent": approval.agent,
        "kind": approval.kind,
        "label": approval.label,
        "title": approval.title,
        "tools": [call["tool"] for call in card["calls"]],
        "digest": approval.digest,
        "expires_at": approval.expires_at,
    }

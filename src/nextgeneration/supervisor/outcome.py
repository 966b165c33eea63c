"""What a mission comes to: merged findings, actions and what became of them, sentences with their sources."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from nextgeneration.kernel.actions import Action
from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.language import Lang
from nextgeneration.kernel.reports import Cost, Opinion, ReportStatus


class ActionStatus(StrEnum):
    """What became of a proposed action."""

    OFFERED = "offered"
    """Listed in the report, not put to the human."""
    PENDING = "pending"
    REJECTED = "rejected"
    APPROVED = "approved"
    """Not carried out yet, or being carried out."""
    CANCELLED = "cancelled"
    """Its mission ended before it was begun."""
    CUT_OFF = "cut_off"
    """Its mission ended while it was carried out: what it did until then is done."""
    FAILED = "failed"
    DONE = "done"
    """Carried out; nothing to verify it with, or the verification did not pass."""
    VERIFIED = "verified"


class MergedFinding(BaseModel):
    """One fact and everyone who found it.

    ``confidence`` counts each independent rule once: 1 - (1 - a)(1 - b). Two agents that ran the same
    rule agree, but add nothing to each other. ``disputed_by`` are findings that say the opposite.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    finding: Finding
    agents: tuple[str, ...]
    rules: tuple[str, ...]
    others: tuple[Finding, ...] = ()
    disputed_by: tuple[str, ...] = ()
    confidence: float = 1.0
    resolved: bool = False
    asked: bool = False
    """Whether its cause is something the goal names: an answer to the question comes before what else was seen."""

    @property
    def corroborated(self) -> bool:
        """Found by more than one agent."""
        return len(self.agents) > 1

    @property
    def rank(self) -> tuple[bool, int, float, int]:
        """Sorts what was asked for first, then the worst, surest and most corroborated."""
        return (not self.asked, -self.finding.severity.rank, -self.confidence, -len(self.agents))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all findings that are this one fact."""
        return (self.id, *(other.id for other in self.others))


class Verification(BaseModel):
    """One check run after an action: which call, whether it passed, and what it said."""

    model_config = ConfigDict(frozen=True)

    tool: str
    passed: bool
    detail: str = ""


class ActionOutcome(BaseModel):
    """An action, what became of it, who decided, and who had changed it before that."""

    model_config = ConfigDict(frozen=True)

    action: Action
    status: ActionStatus = ActionStatus.OFFERED
    label: str = ""
    preview: str = ""
    kind: str = "text"
    approval: str = ""
    decided_by: str = ""
    edited_by: str = ""
    detail: str = ""
    output: dict[str, Any] = Field(default_factory=dict)
    checks: tuple[Verification, ...] = ()


class TaskOutcome(BaseModel):
    """A task's line in the report."""

    model_config = ConfigDict(frozen=True)

    id: str
    agent: str
    template: str
    revision: str = ""
    status: ReportStatus
    why: str = ""
    analysis: str = ""
    missing: tuple[str, ...] = ()
    problems: tuple[dict[str, Any], ...] = ()
    replaces: str = ""
    opinions: tuple[Opinion, ...] = ()
    dropped: int = 0
    cost: Cost = Cost()


class Sentence(BaseModel):
    """One sentence of the answer and what it rests on: finding ids, task ids or action ids.

    ``quote`` is what a tool said, word for word and on as many lines as it took; ``text`` leads to it.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    quote: str = ""
    findings: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


class EditedCall(BaseModel):
    """A call that was made with ``made`` where its task asked for ``asked``, because a human had changed it."""

    model_config = ConfigDict(frozen=True)

    task: str
    agent: str
    tool: str
    approval: str
    by: str
    asked: dict[str, Any]
    made: dict[str, Any]


class MissionReport(BaseModel):
    """The one answer of a mission. Every client and file format is a projection of it."""

    model_config = ConfigDict(frozen=True)

    mission: str
    goal: str
    lang: Lang
    status: str
    workspace: str
    created_at: str = ""
    ended_at: str = ""
    plan: str = ""
    answer: tuple[Sentence, ...] = ()
    findings: tuple[MergedFinding, ...] = ()
    actions: tuple[ActionOutcome, ...] = ()
    tasks: tuple[TaskOutcome, ...] = ()
    missing: tuple[str, ...] = ()
    cost: Cost = Cost()
    edits: tuple[EditedCall, ...] = ()
    prose: tuple[Sentence, ...] = ()
    """The synthesis in a model's words, each sentence with what it rests on; empty without a model."""

    def worst(self) -> Severity | None:
        """The severity of the worst finding that still holds, if any."""
        open_ = [m.finding.severity for m in self.findings if not m.resolved and m.finding.holds]
        return max(open_, key=lambda s: s.rank, default=None)

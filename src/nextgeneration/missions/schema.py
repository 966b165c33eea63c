"""What a mission is: what was asked for, its record, its tasks and its approvals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from nextgeneration.kernel.language import Lang
from nextgeneration.kernel.reports import Report


class MissionStatus(StrEnum):
    """Where a mission stands."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PARKED = "parked"
    DAMAGED = "damaged"
    """Never written: what a list says of a mission whose record holds no state there is."""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens in it."""
        return self in _ENDED


_ENDED = {
    MissionStatus.DONE,
    MissionStatus.PARTIAL,
    MissionStatus.FAILED,
    MissionStatus.CANCELLED,
    MissionStatus.DAMAGED,
}


class MissionBudget(BaseModel):
    """What a mission may use; ``None``: as the settings say. ``seconds`` count while it is worked on.

    ``credits`` are micro-credits.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool_calls: int | None = None
    seconds: float | None = None
    credits: int | None = None


class MissionOptions(BaseModel):
    """How a mission is to be run.

    Attributes:
        network: a human granted the network.
        yes: a human approves in advance what is labelled at most ``write``.
        attended: somebody can be asked; otherwise what would ask is refused.
        agents: templates to use; none: the planner chooses.
        actions: most actions put to the human; none: the setting.
        user: who asked for it, whose credits it spends.
        models: language models may be asked, where there are any.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    network: bool = False
    yes: bool = False
    attended: bool = True
    agents: tuple[str, ...] | None = None
    actions: int | None = None
    user: str = ""
    models: bool = True


class MissionRequest(BaseModel):
    """What a user asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    goal: str
    workspace: str
    lang: Lang = "en"
    budget: MissionBudget = MissionBudget()
    options: MissionOptions = MissionOptions()


@dataclass(frozen=True, slots=True)
class Budget:
    """A mission's budget as it was accepted. ``credits``: micro-credits; ``None``: only other limits hold."""

    tool_calls: int
    seconds: float
    credits: int | None = None


@dataclass(frozen=True, slots=True)
class Mission:
    """A mission's record.

    Attributes:
        attempt: how often it was claimed.
        holder: who works on it, as ``host:boot:pid:start``.
        seq: number of its last journal event.
        tool_calls: calls made so far, over all attempts.
        seconds: time worked so far, as last recorded.
        cancelled_by: who asked for it to be cancelled.
        reason: why it waits, is parked or failed.
        report: the mission's report, once it has ended.
    """

    id: str
    tenant: str
    status: MissionStatus
    goal: str
    workspace: str
    lang: Lang
    budget: Budget
    options: MissionOptions
    attempt: int
    holder: str | None
    lease_until: str | None
    seq: int
    tool_calls: int
    seconds: float
    cancelled_by: str | None
    reason: str
    created_at: str
    ended_at: str | None
    plan: dict[str, Any] | None = None
    report: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class MissionLine:
    """A mission in a list: what can be said of it without reading its documents."""

    id: str
    status: MissionStatus
    goal: str
    workspace: str
    attempt: int
    holder: str | None
    reason: str
    created_at: str
    ended_at: str | None


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task of a mission's plan, and its report once it has one."""

    id: str
    agent: str
    template: str
    revision: str
    goal: str
    input: dict[str, Any] = field(default_factory=dict)
    depends: tuple[str, ...] = ()
    budget: dict[str, Any] = field(default_factory=dict)
    why: str = ""
    status: str = "planned"
    report: Report | None = None


class ApprovalStatus(StrEnum):
    """Where an approval stands.

    ``retry``, ``done`` and ``fail`` answer the question what to do about a call with an unknown outcome.
    ``replaced``: what was asked changed, another one stands for it. ``void``: its mission ended.
    """

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    RETRY = "retry"
    DONE = "done"
    FAIL = "fail"
    EXPIRED = "expired"
    REPLACED = "replaced"
    VOID = "void"


CHOICES: dict[str, tuple[str, ...]] = {
    "call": ("approved", "rejected"),
    "action": ("approved", "rejected"),
    "in_doubt": ("retry", "done", "fail"),
}
"""The answers to each kind of question."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What a human put in place of the arguments of a call: ``args`` are used where ``asked`` was asked for."""

    asked: dict[str, Any]
    args: dict[str, Any]
    by: str

    @classmethod
    def of(cls, call: Mapping[str, Any]) -> Edit | None:
        """The edit of a call as a card shows it; ``None`` when it is as the task asked for it."""
        return cls(call["asked"], call["args"], call["edited_by"]) if "asked" in call else None


def asked_args(call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments the task asked for, of a call as a card shows it."""
    args: dict[str, Any] = call.get("asked", call["args"])
    return args


@dataclass(frozen=True, slots=True)
class Approval:
    """One question put to a human, and the answer.

    ``card`` is what is shown, and what ``digest`` is over; it is empty in lists.
    """

    id: str
    mission_id: str
    task_id: str
    slot: str
    agent: str
    kind: str
    label: str
    title: str
    status: ApprovalStatus
    digest: str
    created_at: str
    expires_at: str
    decided_at: str | None
    decided_by: str | None
    reason: str
    used_at: str | None = None
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def choices(self) -> tuple[str, ...]:
        """The answers it can have."""
        return CHOICES.get(self.kind, ())

    @property
    def command(self) -> str:
        """The command that answers it."""
        if self.kind == "in_doubt":
            return f"nextgen approvals settle {self.id} {'|'.join(self.choices)}"
        return f"nextgen approvals approve {self.id}"

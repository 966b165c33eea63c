"""Rows as values. A row that does not hold what was written is named and refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from nextgeneration.events.schema import Event
from nextgeneration.kernel.canonical import digest as digest_of
from nextgeneration.kernel.language import Lang
from nextgeneration.kernel.reports import Report
from nextgeneration.kernel.risk import EffectRule
from nextgeneration.missions.errors import EffectMismatch
from nextgeneration.missions.schema import (
    Approval,
    ApprovalStatus,
    Budget,
    Edit,
    Mission,
    MissionLine,
    MissionOptions,
    MissionStatus,
    TaskRecord,
)
from nextgeneration.storage.errors import RecordDamaged
from nextgeneration.storage.sealed import unseal, unsealed

Row = Any


class Pin(NamedTuple):
    """A revision a mission keeps, whatever happens to its template."""

    name: str
    digest: str
    data: dict[str, Any]


@dataclass(slots=True)
class Effect:
    """One effect of a mission.

    Attributes:
        rule: ``pure``, ``idempotent``, ``once``, or ``record`` for what is no tool call.
        status: ``intent`` (begun, outcome unknown), ``done``, ``failed`` or ``refused``.
        args: sealed ``{"args": …, "conditions": …}``; with ``made`` and ``edited_by`` when a human changed it.
        outcome: sealed JSON; ``None`` while the outcome is unknown.
    """

    task: str
    position: int
    name: str
    digest: str
    rule: str
    label: str
    status: str
    attempt: int
    args: str
    outcome: str | None
    approval: str | None
    approval_call: int | None
    started_at: str
    ended_at: str | None
    seconds: float

    def must_be(self, name: str, digest: str, key: str) -> None:
        """Check that a task that runs again asks for what it asked for before.

        Raises:
            EffectMismatch: naming both.
        """
        if digest != self.digest:
            raise EffectMismatch(
                key=key, recorded=self.name, recorded_digest=self.digest, asked=name, asked_digest=digest
            )

    @property
    def conditions(self) -> dict[str, str]:
        """What the judgement rested on when the call was begun."""
        found = unseal(self.args, "effects", f"{self.task}/{self.position}")
        return cast("dict[str, str]", found.get("conditions") or {})

    @property
    def edit(self) -> Edit | None:
        """What a human had put in place of what the task asked for, when the call was begun."""
        found = unseal(self.args, "effects", f"{self.task}/{self.position}")
        return Edit(found["args"], found["made"], found["edited_by"]) if "made" in found else None

    @property
    def toll(self) -> int:
        """What its tries cost when its tool has a price, in micro-credits."""
        # Few tools have one: the other calls are not read for it.
        if '"credits":' not in self.args:
            return 0
        return int(unseal(self.args, "effects", f"{self.task}/{self.position}").get("credits", 0))


_STATES = frozenset({"intent", "done", "failed", "refused"})
_RULES = frozenset({*EffectRule, "record"})


def effect(row: Row) -> Effect:
    """An effect's row, in the order of the table's columns.

    Raises:
        RecordDamaged: its state or rule is none there is, or its documents are damaged.
    """
    (mission, task, position, _, name, digest, rule, label, status, attempt, args, outcome, approval, call) = row[:14]
    started, ended, seconds = row[14:17]
    key = f"{mission}/{task}/{position}"
    if status not in _STATES or rule not in _RULES or (outcome is None) != (status == "intent"):
        raise RecordDamaged(table="effects", id=key, detail=f"{rule} {status}")
    unsealed(args, "effects", key)
    if outcome is not None:
        unsealed(outcome, "effects", key)
    return Effect(
        task,
        position,
        name,
        digest,
        rule,
        label,
        status,
        attempt,
        args,
        outcome,
        approval,
        call,
        started,
        ended,
        seconds,
    )


def mission(values: Mapping[str, Any], documents: Mapping[str, str] | None = None) -> Mission:
    """A mission's row, and its documents by name.

    Raises:
        RecordDamaged: its state or language is none there is, or its documents are damaged.
    """
    key = values["id"]

    def document(name: str) -> Any:
        text = (documents or {}).get(name)
        return None if text is None else unseal(text, "documents", f"{key}/{name}")

    try:
        return Mission(
            id=key,
            tenant=values["tenant"],
            status=state(key, values["status"]),
            goal=values["goal"],
            workspace=values["workspace"],
            lang=_lang(values["lang"]),
            budget=Budget(**unseal(values["budget"], "missions", key)),
            options=MissionOptions.model_validate(unseal(values["options"], "missions", key)),
            attempt=values["attempt"],
            holder=values["holder"],
            lease_until=values["lease_until"],
            seq=values["seq"],
            tool_calls=values["tool_calls"],
            seconds=values["seconds"],
            cancelled_by=values["cancelled_by"],
            reason=values["reason"],
            created_at=values["created_at"],
            ended_at=values["ended_at"],
            plan=document("plan"),
            report=document("report"),
        )
    except (ValueError, TypeError, ValidationError) as error:
        raise RecordDamaged(table="missions", id=key, detail=str(error)) from None


def _lang(text: str) -> Lang:
    if text not in {"en", "fr"}:
        raise ValueError(text)
    return cast("Lang", text)


def line(row: Row) -> MissionLine:
    """A mission's row of a list; one of a state there is none of is listed as damaged, so that it hides no other."""
    try:
        status = state(row[0], row[1])
    except RecordDamaged:
        status = MissionStatus.DAMAGED
    return MissionLine(row[0], status, *row[2:9])


def state(mission_id: str, text: str) -> MissionStatus:
    """A mission's state.

    Raises:
        RecordDamaged: it is none that is ever written.
    """
    try:
        status = MissionStatus(text)
    except ValueError:
        status = MissionStatus.DAMAGED
    if status is MissionStatus.DAMAGED:
        raise RecordDamaged(table="missions", id=mission_id, detail=str(text))
    return status


def event(mission_id: str, row: Row) -> Event:
    """A journal row: ``seq, at, type, task_id, data``."""
    seq, at, kind, task, data = row
    return Event(mission_id, seq, at, kind, task, unseal(data, "journal", f"{mission_id}/{seq}"))


def task(mission_id: str, row: Row) -> TaskRecord:
    """A task's row: ``task_id, agent, template, revision, status, plan, report``."""
    task_id, agent, template, revision, status, plan, report = row
    key = f"{mission_id}/{task_id}"
    said = unseal(plan, "tasks", key)
    try:
        return TaskRecord(
            id=task_id,
            agent=agent,
            template=template,
            revision=revision,
            goal=said["goal"],
            input=said["input"],
            depends=tuple(said["depends"]),
            budget=said["budget"],
            why=said["why"],
            status=status,
            report=None if report is None else Report.model_validate_json(unsealed(report, "tasks", key)),
        )
    except (ValidationError, KeyError, TypeError) as error:
        raise RecordDamaged(table="tasks", id=key, detail=str(error)) from None


def pin(mission_id: str, row: Row) -> Pin:
    """A pin's row: ``name, digest, data``.

    Raises:
        RecordDamaged: the revision is gone, or is not the one that was pinned.
    """
    name, digest, data = row
    key = f"{mission_id}/{name}"
    if data is None:
        raise RecordDamaged(table="pins", id=key, detail=f"revision {digest} is missing")
    revision = unseal(data, "revisions", digest)
    found = digest_of(revision)
    if found != digest:
        raise RecordDamaged(table="revisions", id=digest, detail=f"its content is {found}")
    return Pin(name, digest, revision)


_APPROVAL = tuple(name for name in Approval.__slots__ if name not in {"status", "card"})


def approval(row: Row) -> Approval:
    """An approval's row, with its card when that was read."""
    values = row._asdict()
    key = values["id"]
    card = unseal(values["card"], "approvals", key) if "card" in values else {}
    try:
        status = ApprovalStatus(values["status"])
        return Approval(status=status, card=card, **{name: values[name] for name in _APPROVAL})
    except ValueError:
        raise RecordDamaged(table="approvals", id=key, detail=str(values["status"])) from None

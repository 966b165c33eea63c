"""The tables of missions: what was asked, what was done, what is waited for."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, Table

from nextgeneration.storage.tables import maybe, metadata, tenant, text


def _mission(*, primary_key: bool = True) -> Column[str]:
    return text("mission_id", ForeignKey("missions.id"), primary_key=primary_key)


missions = Table(
    "missions",
    metadata,
    text("id", primary_key=True),
    tenant(),
    text("status"),
    text("goal"),
    text("workspace"),
    text("lang"),
    text("budget"),
    text("options"),
    Column("attempt", Integer, nullable=False),
    maybe("holder"),
    maybe("lease_until"),
    Column("seq", Integer, nullable=False),
    Column("tool_calls", Integer, nullable=False),
    Column("tool_limit", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    maybe("cancelled_by"),
    text("reason"),
    text("created_at"),
    maybe("ended_at"),
    Index(None, "tenant", "status", "created_at"),
)

# Apart from the missions: a row that every write of a mission numbers must stay small.
documents = Table(
    "documents",
    metadata,
    _mission(),
    text("name", primary_key=True),
    tenant(),
    text("data"),
)

idempotency = Table(
    "idempotency",
    metadata,
    tenant(primary_key=True),
    text("key", primary_key=True),
    _mission(primary_key=False),
    text("digest"),
    text("at"),
)

journal = Table(
    "journal",
    metadata,
    _mission(),
    Column("seq", Integer, primary_key=True),
    tenant(),
    text("at"),
    text("type"),
    maybe("task_id"),
    text("data"),
)

tasks = Table(
    "tasks",
    metadata,
    _mission(),
    text("task_id", primary_key=True),
    tenant(),
    Column("place", Integer, nullable=False),
    text("agent"),
    text("template"),
    text("revision"),
    text("status"),
    text("plan"),
    maybe("report"),
)

effects = Table(
    "effects",
    metadata,
    _mission(),
    text("task_id", primary_key=True),
    Column("position", Integer, primary_key=True),
    tenant(),
    text("name"),
    text("digest"),
    text("rule"),
    text("label"),
    text("status"),
    Column("attempt", Integer, nullable=False),
    text("args"),
    maybe("outcome"),
    maybe("approval_id"),
    Column("approval_call", Integer),
    text("started_at"),
    maybe("ended_at"),
    Column("seconds", Float, nullable=False),
)
# Each call an approval shows is made once: that holds whatever the code above forgets.
Index(
    "uq_effects_approval_id_approval_call",
    effects.c.approval_id,
    effects.c.approval_call,
    unique=True,
    sqlite_where=effects.c.approval_id.is_not(None),
    postgresql_where=effects.c.approval_id.is_not(None),
)

approvals = Table(
    "approvals",
    metadata,
    text("id", primary_key=True),
    tenant(),
    _mission(primary_key=False),
    text("task_id"),
    text("slot"),
    text("agent"),
    text("kind"),
    text("label"),
    text("title"),
    text("status"),
    text("digest"),
    text("card"),
    text("created_at"),
    text("expires_at"),
    maybe("decided_at"),
    maybe("decided_by"),
    text("reason"),
    maybe("used_at"),
    Index(None, "mission_id", "task_id", "slot"),
    Index(None, "tenant", "status", "created_at"),
)

revisions = Table(
    "revisions",
    metadata,
    tenant(primary_key=True),
    text("digest", primary_key=True),
    text("data"),
)

pins = Table(
    "pins",
    metadata,
    _mission(),
    text("name", primary_key=True),
    tenant(),
    text("digest"),
    text("at"),
)

blackboard = Table(
    "blackboard",
    metadata,
    _mission(),
    text("key", primary_key=True),
    tenant(),
    text("value"),
    text("task_id"),
    text("at"),
)

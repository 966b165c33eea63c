"""The table of recorded agents: those made through the command line or an API."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, Table, UniqueConstraint

from nextgeneration.storage.tables import metadata, tenant, text

agents = Table(
    "agents",
    metadata,
    text("id", primary_key=True),
    tenant(),
    text("name"),
    text("template"),
    text("revision"),
    text("data"),
    text("config"),
    text("created_at"),
    text("updated_at"),
    Column("tasks_completed", Integer, nullable=False, server_default="0"),
    Column("tasks_failed", Integer, nullable=False, server_default="0"),
    Column("seconds", Float, nullable=False, server_default="0"),
    UniqueConstraint("tenant", "name"),
)

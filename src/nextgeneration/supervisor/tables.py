"""The tables of checkpoints: a cache of the graph's progress. Nothing's correctness rests on them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table

from nextgeneration.storage.tables import maybe, metadata, tenant, text

checkpoints = Table(
    "checkpoints",
    metadata,
    tenant(primary_key=True),
    text("thread_id", primary_key=True),
    text("ns", primary_key=True),
    text("checkpoint_id", primary_key=True),
    maybe("parent_id"),
    text("type"),
    Column("blob", LargeBinary, nullable=False),
    Column("crc", BigInteger, nullable=False),
    text("metadata"),
    maybe("run_id"),
    Index(None, "run_id"),
)

checkpoint_writes = Table(
    "checkpoint_writes",
    metadata,
    tenant(primary_key=True),
    text("thread_id", primary_key=True),
    text("ns", primary_key=True),
    text("checkpoint_id", primary_key=True),
    text("task_id", primary_key=True),
    Column("idx", Integer, primary_key=True),
    text("task_path"),
    text("channel"),
    text("type"),
    Column("blob", LargeBinary, nullable=False),
    Column("crc", BigInteger, nullable=False),
)

"""All SQL about checkpoints, as functions of a connection. Nothing here begins or ends a transaction."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, delete, select, tuple_
from sqlalchemy.dialects import sqlite

from nextgeneration.storage.prepared import Prepared
from nextgeneration.storage.tables import LOCAL
from nextgeneration.supervisor.errors import CheckpointRefused
from nextgeneration.supervisor.tables import checkpoint_writes, checkpoints

_C = checkpoints.c
_W = checkpoint_writes.c


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """One checkpoint. ``metadata`` is JSON text of the same serializer as ``blob``."""

    thread: str
    ns: str
    id: str
    parent: str | None
    type: str
    blob: bytes
    metadata: str
    run: str | None = None


@dataclass(frozen=True, slots=True)
class StoredWrite:
    """One value a task wrote after a checkpoint."""

    thread: str
    ns: str
    checkpoint: str
    task: str
    idx: int
    path: str
    channel: str
    type: str
    blob: bytes


Found = tuple[StoredCheckpoint, list[StoredWrite]]


def _put(table: Any, *, replace: bool) -> Prepared:
    columns = [column.name for column in table.columns]
    statement = sqlite.insert(table)
    if replace:
        changed = {name: statement.excluded[name] for name in columns if not table.c[name].primary_key}
        ready: Any = statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)
    else:
        ready = statement.on_conflict_do_nothing(index_elements=list(table.primary_key))
    return Prepared(ready, columns)


class CheckpointStore:
    """The checkpoints of one tenant. A damaged row is named and refused, never rebuilt."""

    _PUT = _put(checkpoints, replace=True)
    _WRITE = _put(checkpoint_writes, replace=False)
    _REPLACE = _put(checkpoint_writes, replace=True)

    def __init__(self, tenant: str = LOCAL) -> None:
        self._tenant = tenant

    def put(self, connection: Connection, row: StoredCheckpoint) -> None:
        """Store a checkpoint, over one with the same id."""
        self._PUT.run(connection, self._checkpoint(row))

    def put_writes(self, connection: Connection, rows: Sequence[StoredWrite], *, replace: bool) -> None:
        """Store what tasks wrote; what stands already is replaced or kept."""
        (self._REPLACE if replace else self._WRITE).many(connection, [self._written(row) for row in rows])

    def get(self, connection: Connection, thread: str, ns: str, checkpoint: str | None) -> Found | None:
        """One checkpoint, or the newest of its namespace, with the writes after it."""
        wanted = select(checkpoints).where(_C.tenant == self._tenant, _C.thread_id == thread, _C.ns == ns)
        if checkpoint is not None:
            wanted = wanted.where(_C.checkpoint_id == checkpoint)
        row = connection.execute(wanted.order_by(_C.checkpoint_id.desc()).limit(1)).first()
        return None if row is None else (_checkpoint(row), self._writes(connection, [row])[row.checkpoint_id])

    def listed(
        self, connection: Connection, thread: str | None, ns: str | None, checkpoint: str | None, before: str | None
    ) -> list[Found]:
        """Checkpoints, newest first, with the writes after each."""
        wanted = select(checkpoints).where(_C.tenant == self._tenant)
        for column, value in ((_C.thread_id, thread), (_C.ns, ns), (_C.checkpoint_id, checkpoint)):
            if value is not None:
                wanted = wanted.where(column == value)
        if before is not None:
            wanted = wanted.where(_C.checkpoint_id < before)
        rows = list(connection.execute(wanted.order_by(_C.checkpoint_id.desc())))
        return [(_checkpoint(row), self._writes(connection, [row])[row.checkpoint_id]) for row in rows]

    def delete_thread(self, connection: Connection, thread: str) -> None:
        """Forget a thread."""
        for table in (checkpoint_writes, checkpoints):
            connection.execute(delete(table).where(table.c.tenant == self._tenant, table.c.thread_id == thread))

    def delete_runs(self, connection: Connection, runs: Sequence[str]) -> None:
        """Forget the checkpoints that these runs made, and what was written after them."""
        mine = (_C.tenant == self._tenant, _C.run_id.in_(runs))
        keys = select(_C.thread_id, _C.ns, _C.checkpoint_id).where(*mine)
        after = tuple_(_W.thread_id, _W.ns, _W.checkpoint_id).in_(keys)
        connection.execute(delete(checkpoint_writes).where(_W.tenant == self._tenant, after))
        connection.execute(delete(checkpoints).where(*mine))

    def copy_thread(self, connection: Connection, source: str, target: str) -> None:
        """Copy a thread's checkpoints and writes under another id."""
        for row, writes in self.listed(connection, source, None, None, None):
            self.put(connection, replace(row, thread=target))
            if writes:
                self.put_writes(connection, [replace(write, thread=target) for write in writes], replace=True)

    def prune(self, connection: Connection, threads: Sequence[str], *, keep_latest: bool) -> None:
        """Forget all but the newest checkpoint of each namespace, or everything."""
        for thread in threads:
            newest: set[str] = set()
            for row, _ in self.listed(connection, thread, None, None, None) if keep_latest else ():
                if row.ns in newest:
                    self._forget(connection, row)
                newest.add(row.ns)
            if not keep_latest:
                self.delete_thread(connection, thread)

    def _forget(self, connection: Connection, row: StoredCheckpoint) -> None:
        for table in (checkpoint_writes, checkpoints):
            where = (table.c.thread_id == row.thread, table.c.ns == row.ns, table.c.checkpoint_id == row.id)
            connection.execute(delete(table).where(table.c.tenant == self._tenant, *where))

    def _writes(self, connection: Connection, rows: Sequence[Any]) -> dict[str, list[StoredWrite]]:
        found: dict[str, list[StoredWrite]] = {}
        for row in rows:
            where = (_W.thread_id == row.thread_id, _W.ns == row.ns, _W.checkpoint_id == row.checkpoint_id)
            ordered = select(checkpoint_writes).where(_W.tenant == self._tenant, *where)
            ordered = ordered.order_by(_W.task_path, _W.task_id, _W.idx)
            found[row.checkpoint_id] = [_write(write) for write in connection.execute(ordered)]
        return found

    def _checkpoint(self, row: StoredCheckpoint) -> dict[str, Any]:
        return {
            "tenant": self._tenant,
            "thread_id": row.thread,
            "ns": row.ns,
            "checkpoint_id": row.id,
            "parent_id": row.parent,
            "type": row.type,
            "blob": row.blob,
            "crc": _crc(row.blob, row.metadata),
            "metadata": row.metadata,
            "run_id": row.run,
        }

    def _written(self, row: StoredWrite) -> dict[str, Any]:
        return {
            "tenant": self._tenant,
            "thread_id": row.thread,
            "ns": row.ns,
            "checkpoint_id": row.checkpoint,
            "task_id": row.task,
            "idx": row.idx,
            "task_path": row.path,
            "channel": row.channel,
            "type": row.type,
            "blob": row.blob,
            "crc": _crc(row.blob, row.channel),
        }


def _crc(blob: bytes, rest: str) -> int:
    return zlib.crc32(rest.encode(), zlib.crc32(blob))


def _intact(row: Any, rest: Any) -> bool:
    """Whether a row holds what was written; SQLite keeps any type in any column."""
    return isinstance(row.blob, bytes) and isinstance(rest, str) and row.crc == _crc(row.blob, rest)


def _checkpoint(row: Any) -> StoredCheckpoint:
    if not _intact(row, row.metadata):
        raise CheckpointRefused(thread=row.thread_id, detail=f"checkpoint {row.checkpoint_id} is not what was written")
    return StoredCheckpoint(
        row.thread_id, row.ns, row.checkpoint_id, row.parent_id, row.type, row.blob, row.metadata, row.run_id
    )


def _write(row: Any) -> StoredWrite:
    if not _intact(row, row.channel):
        raise CheckpointRefused(thread=row.thread_id, detail=f"a write of {row.task_id} is not what was written")
    return StoredWrite(
        row.thread_id,
        row.ns,
        row.checkpoint_id,
        row.task_id,
        row.idx,
        row.task_path,
        row.channel,
        row.type,
        row.blob,
    )

"""LangGraph's checkpoints on our own storage, through our one writer and a serializer that runs nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
)

from nextgeneration.storage.database import Storage
from nextgeneration.supervisor.errors import CheckpointRefused
from nextgeneration.supervisor.serializer import StrictSerializer
from nextgeneration.supervisor.store import CheckpointStore, StoredCheckpoint, StoredWrite

FOUND = "__found"
"""The part of a run's configuration that says which checkpoint there is, from who has looked already."""


class CheckpointSaver(BaseCheckpointSaver[int]):
    """A saver for one storage. Checkpoints are on disk when ``aput`` returns; nothing's correctness rests on them.

    Args:
        storage: where they are kept.
        ended: lean mode, for graphs whose nodes read their own records first: names the channel that says the work
            has ended. Kept are then the checkpoints that can be gone on from, no more: not those before the first node
            has run, not what a node wrote before its super-step's checkpoint (it runs again), nothing after the end.
            A mission with nothing to decide then writes none.
    """

    def __init__(self, storage: Storage, *, ended: str | None = None) -> None:
        super().__init__(serde=StrictSerializer())
        self._storage = storage
        self._ended = ended
        self._store = CheckpointStore()

    def get_next_version(self, current: int | None, channel: None) -> int:
        """Integers, counted up: they survive JSON and sort as they should."""
        return 1 if current is None else current + 1

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint.

        Raises:
            CheckpointRefused: its state holds something that would not come back as it is.
        """
        configurable = config["configurable"]
        if self._ended is not None and (metadata["source"] == "input" or checkpoint["channel_values"].get(self._ended)):
            return _config(configurable["thread_id"], configurable.get("checkpoint_ns", ""), checkpoint["id"])
        kind, blob = self.serde.dumps_typed(checkpoint)
        described = get_checkpoint_metadata(config, metadata)
        row = StoredCheckpoint(
            thread=configurable["thread_id"],
            ns=configurable.get("checkpoint_ns", ""),
            id=checkpoint["id"],
            parent=configurable.get("checkpoint_id"),
            type=kind,
            blob=blob,
            metadata=self.serde.dumps_typed(described)[1].decode(),
            run=str(described["run_id"]) if described.get("run_id") else None,
        )
        await self._storage.write(lambda connection: self._store.put(connection, row))
        return _config(row.thread, row.ns, row.id)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a node wrote. An exception object is not stored: it could only be rebuilt by running code."""
        if self._ended is not None:
            return
        configurable = config["configurable"]
        rows = []
        for place, (channel, value) in enumerate(writes):
            try:
                kind, blob = self.serde.dumps_typed(value)
            except CheckpointRefused:
                if isinstance(value, BaseException):
                    continue
                raise
            rows.append(
                StoredWrite(
                    thread=configurable["thread_id"],
                    ns=configurable.get("checkpoint_ns", ""),
                    checkpoint=configurable["checkpoint_id"],
                    task=task_id,
                    idx=WRITES_IDX_MAP.get(channel, place),
                    path=task_path,
                    channel=channel,
                    type=kind,
                    blob=blob,
                )
            )
        if rows:
            replaces = all(channel in WRITES_IDX_MAP for channel, _ in writes)
            await self._storage.write(lambda connection: self._store.put_writes(connection, rows, replace=replaces))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint that ``config`` names, or its thread's newest.

        Raises:
            CheckpointRefused: the stored row is damaged or not ours; the thread is named.
        """
        configurable = config["configurable"]
        if FOUND in configurable:
            known: CheckpointTuple | None = configurable[FOUND]
            return known
        thread, ns, wanted = configurable["thread_id"], configurable.get("checkpoint_ns", ""), get_checkpoint_id(config)
        found = await self._storage.read(lambda c: self._store.get(c, thread, ns, wanted))
        return None if found is None else self._tuple(*found)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the base class's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Checkpoints, newest first."""
        configurable = config["configurable"] if config else {}
        thread, ns = configurable.get("thread_id"), configurable.get("checkpoint_ns")
        wanted = get_checkpoint_id(config) if config else None
        end = get_checkpoint_id(before) if before else None
        found = await self._storage.read(lambda c: self._store.listed(c, thread, ns, wanted, end))
        given = 0
        for row, writes in found:
            if limit is not None and given >= limit:
                return
            item = self._tuple(row, writes)
            if filter and any(item.metadata.get(key) != value for key, value in filter.items()):
                continue
            given += 1
            yield item

    async def adelete_thread(self, thread_id: str) -> None:
        """Forget a thread."""
        await self._storage.write(lambda connection: self._store.delete_thread(connection, str(thread_id)))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Forget the checkpoints of runs."""
        await self._storage.write(lambda connection: self._store.delete_runs(connection, [str(run) for run in run_ids]))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread under another id."""
        await self._storage.write(
            lambda connection: self._store.copy_thread(connection, str(source_thread_id), str(target_thread_id))
        )

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep only the newest checkpoint of each namespace, or nothing (``delete``)."""
        threads = [str(thread) for thread in thread_ids]
        await self._storage.write(lambda c: self._store.prune(c, threads, keep_latest=strategy == "keep_latest"))

    def _tuple(self, row: StoredCheckpoint, writes: Sequence[StoredWrite]) -> CheckpointTuple:
        try:
            checkpoint = self.serde.loads_typed((row.type, row.blob))
            metadata = self.serde.loads_typed((row.type, row.metadata.encode()))
            pending = [(w.task, w.channel, self.serde.loads_typed((w.type, w.blob))) for w in writes]
        except CheckpointRefused as error:
            raise CheckpointRefused(thread=row.thread, detail=error.detail) from None
        if not isinstance(checkpoint, dict) or not {"id", "channel_values", "channel_versions"} <= set(checkpoint):
            raise CheckpointRefused(thread=row.thread, detail="no checkpoint")
        return CheckpointTuple(
            config=_config(row.thread, row.ns, row.id),
            checkpoint=checkpoint,  # type: ignore[arg-type] # its keys were checked
            metadata=metadata,
            parent_config=_config(row.thread, row.ns, row.parent) if row.parent else None,
            pending_writes=pending,
        )


def _config(thread: str, ns: str, checkpoint: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": checkpoint}}

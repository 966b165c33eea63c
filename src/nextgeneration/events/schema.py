"""One thing that happened in a mission."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of a mission's journal, or a line of progress that is shown and not kept.

    Attributes:
        mission_id: whose journal.
        seq: its place there, counted from 1 without gaps; 0 for progress that is not kept.
        at: when, in ISO 8601 UTC.
        type: such as ``task.started``.
        task: the task it belongs to, if any.
        data: plain JSON.
    """

    mission_id: str
    seq: int
    at: str
    type: str
    task: str | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The event as plain JSON, as ``--jsonl`` writes it."""
        return {
            "mission": self.mission_id,
            "seq": self.seq,
            "at": self.at,
            "type": self.type,
            "task": self.task,
            "data": self.data,
        }

"""What a task records that is no tool call: values from elsewhere, and the mission's blackboard."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from nextgeneration.missions.recording import Recording

if TYPE_CHECKING:
    from nextgeneration.missions.claims import Claim
    from nextgeneration.missions.leases import Change

T = TypeVar("T")


class Keeping:
    """The part of a task's door that records values. Each takes a position when it is called."""

    task: str
    parked: tuple[str, ...]
    _claim: Claim
    _position: int
    _ready: Callable[[tuple[str, ...]], None]

    def record(self, name: str, fn: Callable[[], T | Awaitable[T]]) -> Coroutine[Any, Any, T]:
        """The value of ``fn``, the same at every replay: time, random numbers, what is read from elsewhere.

        ``fn`` must change nothing outside. What it returns comes back as plain JSON. An ``NGError`` it raises is
        recorded too, and raised as ``ToolFailed``.
        """

        async def make() -> T:
            value = fn()
            return await value if inspect.isawaitable(value) else value

        return self._kept(self._recording(f"record.{name}"), self.parked, make)

    def put(self, key: str, value: Any) -> Coroutine[Any, Any, None]:
        """Write on the mission's blackboard, once, however often the task runs."""

        async def make() -> None:
            return None

        recording = self._recording("blackboard.put", {"key": key, "value": value})
        return self._kept(recording, self.parked, make, recording.writing(key, value))

    def get(self, key: str) -> Coroutine[Any, Any, Any]:
        """Read from the mission's blackboard; ``None`` when nothing is there. A replay reads what this run read."""
        recording = self._recording("blackboard.get", {"key": key})
        return self._kept(recording, self.parked, lambda: recording.reading(key))

    def _recording(self, name: str, args: dict[str, Any] | None = None) -> Recording:
        self._position += 1
        return Recording(self._claim, self.task, self._position, name, args or {})

    async def _kept(
        self,
        recording: Recording,
        parked: tuple[str, ...],
        make: Callable[[], Awaitable[Any]],
        change: Change | None = None,
    ) -> Any:
        self._ready(parked)
        return await recording.answer(make, change)

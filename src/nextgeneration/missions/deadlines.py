"""Time limits of calls under way: one timer of the event loop for all those of a door, not one for each.

Calls end long before their limit: a timer made and cancelled for each costs more than the look at the clock that this
costs, and lies in the loop's heap until its time has come.
"""

from __future__ import annotations

import asyncio
from math import inf
from types import TracebackType


class Deadline:
    """A block under a time limit, as :func:`asyncio.timeout` has it: raises ``TimeoutError`` when it is over.

    Attributes:
        expired: whether it was over before the block had ended.
    """

    __slots__ = ("_cancelling", "_deadlines", "_seconds", "_task", "ends", "expired")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines = deadlines
        self._seconds = seconds
        self.expired = False

    def __enter__(self) -> Deadline:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._task, self._cancelling = task, task.cancelling()
        now = loop.time()
        self.ends = now + self._seconds
        self._deadlines.begin(self, now, loop)
        return self

    def expire(self) -> None:
        """The time is over."""
        self.expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if not self.expired:
            self._deadlines.end(self)
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            # Nobody else cancelled the task meanwhile.
            raise TimeoutError from error


class Deadlines:
    """The limits that run. Used from one event loop.

    The timer is set for the earliest of them and stays when that one has ended in time: it then looks for the next.
    """

    __slots__ = ("_rings", "_running", "_timer")

    def __init__(self) -> None:
        self._running: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._rings = inf

    def after(self, seconds: float) -> Deadline:
        """A limit of ``seconds`` for a block that begins now."""
        return Deadline(self, seconds)

    def begin(self, deadline: Deadline, now: float, loop: asyncio.AbstractEventLoop) -> None:
        """Look after a limit that begins."""
        self._running.add(deadline)
        if deadline.ends <= now:
            loop.call_soon(self._over, deadline)
        elif deadline.ends < self._rings:
            self._set(deadline.ends, loop)

    def end(self, deadline: Deadline) -> None:
        """Its block has ended in time."""
        self._running.discard(deadline)

    def _over(self, deadline: Deadline) -> None:
        if deadline in self._running:
            self._running.discard(deadline)
            deadline.expire()

    def _set(self, rings: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings = rings
        self._timer = loop.call_at(rings, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        # The loop calls within its clock's resolution, which may be a moment early.
        now = max(loop.time(), self._rings)
        self._timer, self._rings = None, inf
        for deadline in sorted(self._running, key=_ends):
            if deadline.ends > now:
                self._set(deadline.ends, loop)
                break
            self._over(deadline)


def _ends(deadline: Deadline) -> float:
    return deadline.ends

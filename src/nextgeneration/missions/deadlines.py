"""Time limits of calls under way: one timer of the event loop for all those of a claim, not one for each.

Calls end long before their limit. A timer that is set and cancelled for each costs more than all else that is noted of
a call, and stays in the heap of the loop until its time has come.
"""

from __future__ import annotations

import asyncio
from math import inf
from types import TracebackType


class Deadlines:
    """The limits that run. Used from one event loop at a time.

    The timer is set for the earliest of them and stays when that one has ended in time: when it rings it is set for
    the next.
    """

    __slots__ = ("_timer", "loop", "rings", "running")

    def __init__(self) -> None:
        self.running: set[Deadline] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.rings = inf
        self._timer: asyncio.Handle | None = None

    def after(self, seconds: float) -> Deadline:
        """A limit of ``seconds`` for a block that begins now."""
        return Deadline(self, seconds)

    def set(self, rings: float, loop: asyncio.AbstractEventLoop) -> None:
        """Set the timer."""
        if self._timer is not None:
            self._timer.cancel()
        # One that is over already comes before whatever its block does first, as with ``asyncio.timeout``, and stays
        # where it is when others come that are over as well.
        over = rings <= loop.time()
        self.rings, self.loop = -inf if over else rings, loop
        self._timer = loop.call_soon(self._ring, loop) if over else loop.call_at(rings, self._ring, loop)

    def rest(self) -> None:
        """Take the timer out of the loop when no limit runs: it would stay there as long as a call may take."""
        if self._timer is not None and not self.running:
            self._timer.cancel()
            self._timer, self.rings = None, inf

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        # The loop calls within its clock's resolution, which may be a moment early.
        now = max(loop.time(), self.rings)
        self._timer, self.rings = None, inf
        for deadline in sorted(self.running, key=_ends):
            if deadline.ends > now:
                self.set(deadline.ends, loop)
                break
            deadline.expire()


class Deadline:
    """A block under a time limit, as :func:`asyncio.timeout` has it: raises ``TimeoutError`` when it is over.

    Attributes:
        ends: when, by the clock of the event loop.
        expired: whether it was over before the block had ended.
    """

    __slots__ = ("_cancelling", "_deadlines", "_seconds", "_task", "ends", "expired")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        self._deadlines = deadlines
        self._seconds = seconds
        self.expired = False

    def __enter__(self) -> Deadline:
        loop, deadlines = asyncio.get_running_loop(), self._deadlines
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._task, self._cancelling = task, task.cancelling()
        self.ends = loop.time() + self._seconds
        deadlines.running.add(self)
        if self.ends < deadlines.rings or loop is not deadlines.loop:
            deadlines.set(self.ends, loop)
        return self

    def expire(self) -> None:
        """The time is over."""
        self._deadlines.running.discard(self)
        self.expired = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if not self.expired:
            self._deadlines.running.discard(self)
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            # Nobody else cancelled the task meanwhile.
            raise TimeoutError from error


def _ends(deadline: Deadline) -> float:
    return deadline.ends

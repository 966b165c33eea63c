"""Tasks below tasks: whose an agent's calls are when another agent called it, and what all of them used together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Literal

from nextgeneration.credits.schema import above
from nextgeneration.missions.booking import NAME as MODEL
from nextgeneration.missions.errors import OverBudget
from nextgeneration.missions.records import Effect
from nextgeneration.missions.tainting import CLEAN, Taint
from nextgeneration.security.permissions import PermissionRules

Unit = Literal["tool_calls", "model_calls"]


@dataclass(frozen=True, slots=True)
class TaskBudget:
    """What one task may use; ``None``: as much as its mission. ``credits`` are micro-credits.

    What the agents use that it calls counts too.
    """

    tool_calls: int | None = None
    seconds: float | None = None
    model_calls: int | None = None
    credits: int | None = None


UNLIMITED = TaskBudget()


class Tally:
    """How many calls each task of a mission made, with those of the tasks below it.

    It counts records, not what this run replayed so far: a crash while agents work gives none more.
    """

    def __init__(self, effects: Iterable[Effect]) -> None:
        self._used: dict[tuple[str, Unit], int] = {}
        for effect in effects:
            if effect.rule != "record" and effect.status != "refused":
                self.take(effect.task, "model_calls" if effect.name == MODEL else "tool_calls")

    def take(self, task: str, unit: Unit, count: int = 1) -> None:
        """Count a call that is about to be made; ``-1`` one that was not made after all."""
        used = self._used
        for one in (task, *above(task)):
            used[one, unit] = used.get((one, unit), 0) + count

    def used(self, task: str, unit: Unit) -> int:
        """The calls of a task and of all below it."""
        return self._used.get((task, unit), 0)


class Lineage:
    """A task's place below others.

    Attributes:
        task: its id; that of a task below ``t1``, called at its third position, is ``t1/3``.
        budget: its own.
        template: what its agent is made from.
        levels: what its template permits, root first.
        parent: the task whose agent called it.
        higher: all tasks above it, the nearest first.
        credits: the tasks above that may spend only so much.
        ends: when the time of this run of it is over, or that of those above, by the clock that only goes forward.
        read: what stood in the results that this run was given.
        depth: how many agents are above it.
    """

    def __init__(
        self,
        task: str,
        budget: TaskBudget,
        template: str,
        levels: Sequence[PermissionRules] = (),
        parent: Lineage | None = None,
        *,
        since: float = 0.0,
        read: Taint = CLEAN,
        team: bool = False,
    ) -> None:
        self.task = task
        self.read = read
        self.budget = budget
        self.template = template
        self.levels = levels
        self.parent = parent
        self.depth: int = 0 if parent is None else parent.depth + (not team)
        self.higher: tuple[Lineage, ...] = () if parent is None else (parent, *parent.higher)
        self.credits = tuple((one.task, one.budget.credits) for one in self.higher if one.budget.credits is not None)
        own = inf if budget.seconds is None else since + budget.seconds
        self.ends: float = own if parent is None else min(own, parent.ends)
        self._slots: asyncio.Semaphore | None = None

    @property
    def templates(self) -> tuple[str, ...]:
        """Whose agents stand above a task that this one calls, the highest first."""
        return tuple(dict.fromkeys(one.template for one in reversed((self, *self.higher))))

    @property
    def permissions(self) -> tuple[Sequence[PermissionRules], ...]:
        """What each of the tasks above permits: a call must be allowed by all of them."""
        return tuple(one.levels for one in self.higher)

    def take(self, tally: Tally, unit: Unit) -> OverBudget | None:
        """Count a call that is about to be made; why it may not be: this task or one above used all it may."""
        for one in (self, *self.higher):
            limit = getattr(one.budget, unit)
            if limit is not None and tally.used(one.task, unit) >= limit:
                return OverBudget(scope=one.task, limit=limit, unit=unit)
        tally.take(self.task, unit)
        return None

    def slots(self, count: int) -> asyncio.Semaphore:
        """Places for the agents that this task calls, to be taken while they work."""
        if self._slots is None:
            self._slots = asyncio.Semaphore(count)
        return self._slots

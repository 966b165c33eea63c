"""The only door to the world: judge, ask, journal the intent, call, journal the outcome.

A ``Door`` belongs to a claim, a ``TaskDoor`` to one run of one task. A task that runs again, after a crash or after a
human's answer, begins at its first line with a new ``TaskDoor``: what is recorded answers at once.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from nextgeneration.kernel.clock import Clock
from nextgeneration.kernel.reports import Cost
from nextgeneration.kernel.tools import Tool, ToolContext, ToolResult, ToolSpec
from nextgeneration.missions.asking import Asking, Question
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.entries import Request, requested
from nextgeneration.missions.errors import EffectMismatch, EffectRefused, OverBudget, Parked
from nextgeneration.missions.grants import Grant, Granted
from nextgeneration.missions.judging import Call, Judge, Judged, Offer, Policy, identity, said
from nextgeneration.missions.leases import Change
from nextgeneration.missions.outcomes import replayed
from nextgeneration.missions.performing import Performance, context_of
from nextgeneration.missions.recording import Recording
from nextgeneration.missions.records import Effect
from nextgeneration.missions.schema import ApprovalStatus
from nextgeneration.security.permissions import PermissionRules, Verdict

__all__ = ["Call", "Door", "Grant", "Offer", "Policy", "TaskBudget", "TaskDoor"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TaskBudget:
    """What one task may use; ``None``: as much as its mission."""

    tool_calls: int | None = None
    seconds: float | None = None


class Door:
    """The door of one mission.

    Args:
        claim: the lease under which everything is written.
        tools: every tool by its name and its other names.
        policy: what a human granted to the mission.
        scratch: makes and names a private folder of the mission, outside the workspace; called when a tool asks for it.
        clock: the time; the claim's when not given.
    """

    def __init__(
        self,
        claim: Claim,
        tools: Mapping[str, Tool],
        policy: Policy,
        *,
        scratch: Path | Callable[[], Path],
        clock: Clock | None = None,
    ) -> None:
        self.claim = claim
        self.tools = tools
        self.policy = policy
        self.scratch = scratch
        self.clock = clock or claim.clock
        self.workspace = Path(claim.mission.workspace)
        self.asking = Asking(claim, policy)
        self.flights: dict[tuple[str, int], asyncio.Task[Any]] = {}

    def task(
        self,
        task_id: str,
        agent: str,
        permissions: Sequence[PermissionRules] = (),
        budget: TaskBudget | None = None,
        revision: str = "",
    ) -> TaskDoor:
        """A door for one run of a task; its positions begin anew."""
        return TaskDoor(
            self, task_id, agent, Judge(self.tools, permissions, self.policy), budget or TaskBudget(), revision
        )


class TaskDoor:
    """The door of one run of one task.

    Positions are given when a call is issued, in program order, before anything runs: the same program gives the same
    positions, whatever finishes first.

    Attributes:
        parked: approvals this run waits for. Once there is one, every later call parks too: a task that caught the
            exception cannot go on as if nothing was.
    """

    def __init__(
        self, door: Door, task_id: str, agent: str, judge: Judge, budget: TaskBudget, revision: str = ""
    ) -> None:
        self._door = door
        self._claim = door.claim
        self._judge = judge
        self._budget = budget
        self._position = 0
        self._calls = 0
        self._cost = Cost()
        self._since = door.clock.monotonic()
        self._over: OverBudget | None = None
        self.task = task_id
        self.agent = agent
        self.revision = revision
        self.parked: tuple[str, ...] = ()

    @property
    def cost(self) -> Cost:
        """What this task used, replayed calls included."""
        return self._cost

    def spec(self, tool: str) -> ToolSpec:
        """What a tool declares.

        Raises:
            ToolUnknown: there is none of this name.
        """
        return self._judge.tool(tool).spec

    # -- calls -------------------------------------------------------------------------------------------------------

    def call(
        self, tool: str, args: Mapping[str, Any], *, grant: Grant | None = None
    ) -> Coroutine[Any, Any, ToolResult]:
        """Call a tool.

        The position is taken here and now; the call is made when the answer is awaited.

        Raises (when awaited):
            ToolFailed: the tool could not work; ``problem`` is its error.
            EffectRefused: a rule or a human said no. ``ApprovalStale``: what was approved has changed.
            OverBudget: the task's or the mission's budget is used up.
            Parked: a human was asked.
            EffectMismatch: the task asks for something else than it did before.
            LeaseLost, MissionCancelled, MissionStopped: this claim may do nothing more.
            StorageError: the journal could not be written.
        """
        self._position += 1
        self._calls += 1
        return self._answer(self._position, self._calls, tool, args, grant, self.parked)

    async def _answer(
        self,
        position: int,
        number: int,
        name: str,
        args: Mapping[str, Any],
        grant: Grant | None,
        parked: tuple[str, ...],
    ) -> ToolResult:
        self._ready(parked)
        await self._landed(position)
        request = requested(self._claim, self._judge, self, position, name, args, grant)
        recorded = self._claim.effects.get((self.task, position))
        if recorded is not None:
            recorded.must_be(request.name, request.digest, request.key)
            if recorded.outcome is not None:
                self._count(recorded.seconds, made=recorded.status != "refused")
                return self._replay(request, recorded)
        if self._over is not None:
            raise self._over
        limit = self._budget.tool_calls
        if limit is not None and number > limit:
            raise OverBudget(scope=self.task, limit=limit, unit="tool_calls")
        performance = Performance(self._door, self._judge, request, recorded, self._seconds_left)
        try:
            result: ToolResult = await self._sheltered(position, performance.run(), pure=request.pure)
        except Parked as parking:
            self.parked = (*self.parked, *parking.approvals)
            raise
        except OverBudget as error:
            self._over = error
            raise
        finally:
            if performance.made:
                self._count(performance.seconds, made=True)
        return result

    def _replay(self, request: Request, recorded: Effect) -> ToolResult:
        try:
            return replayed(recorded, request.key)
        except OverBudget as error:
            self._over = error
            raise

    def _ready(self, parked: tuple[str, ...]) -> None:
        self._claim.check()
        if parked:
            raise Parked(approvals=parked)

    def _count(self, seconds: float, *, made: bool) -> None:
        if made:
            self._cost = Cost(tool_calls=self._cost.tool_calls + 1, seconds=self._cost.seconds + seconds)

    def _seconds_left(self) -> float:
        """The shorter of what is left to the task and to the mission."""
        left = self._claim.remaining()
        if self._budget.seconds is not None:
            left = min(left, self._budget.seconds - (self._door.clock.monotonic() - self._since))
        return left

    async def _landed(self, position: int) -> None:
        """Wait for a call at this position that an earlier run of the task left under way."""
        flight = self._door.flights.get((self.task, position))
        if flight is not None:
            await asyncio.wait({flight})

    async def _sheltered(self, position: int, work: Coroutine[Any, Any, T], *, pure: bool) -> T:
        """Run ``work`` so that cancelling the task does not cut a call off from its outcome.

        A call that changes nothing ends at once when the task is cancelled; another one goes on to its own time limit
        and is recorded, then the task is cancelled. Only the end of the claim cuts it short.
        """
        slot = (self.task, position)
        flight = asyncio.create_task(work, name=f"{self.task}/{position}")
        self._door.flights[slot] = flight
        self._claim.flights.add(flight)
        try:
            return await asyncio.shield(flight)
        except asyncio.CancelledError:
            if not flight.done() and pure:
                flight.cancel()
            while not flight.done():
                try:
                    await asyncio.wait({flight})
                except asyncio.CancelledError:
                    continue
            if not flight.cancelled():
                flight.exception()
            self._claim.check()
            raise
        finally:
            self._claim.flights.discard(flight)
            if self._door.flights.get(slot) is flight:
                del self._door.flights[slot]

    # -- looking and asking without doing ----------------------------------------------------------------------------

    async def offer(self, tool: str, args: Mapping[str, Any]) -> Offer:
        """Judge a call without making it: what an action is proposed with. Nothing is recorded.

        Raises:
            ToolUnknown, BadArguments, …: it could not be made.
        """
        judged = self._judged(Call(tool, args))
        return Offer(
            tool=judged.name,
            args=judged.args,
            assessment=judged.assessment,
            preview=judged.preview(self._context()),
            verdict=judged.decision.verdict,
            why=said(judged.decision.why, self._claim.mission.lang),
            digest=judged.digest,
        )

    async def authorise(self, calls: Sequence[Call], reason: str, kind: str = "action", key: str = "") -> Grant:
        """Ask once for a list of calls shown on one card.

        Args:
            calls: exactly these may then be made, each once, with ``call(…, grant=…)``.
            reason: why, in words.
            kind: the kind of question.
            key: tells several questions of one task apart.

        Raises:
            EffectRefused: a rule denies one of them, or a human said no.
            Parked: the question is put.
        """
        self._ready(self.parked)
        slot = f"key:{key}"
        asked = [identity(self._judge.tool(call.tool).spec.name, call.args) for call in calls]
        found = await self._door.asking.latest(self.task, slot)
        if found is not None and found.status is ApprovalStatus.APPROVED and self._begun(found.id):
            grant = Grant.of(found)
            if [granted.digest for granted in grant.calls] != asked:
                recorded = {"recorded": found.title, "recorded_digest": found.digest}
                raise EffectMismatch(key=f"{self.task}/{slot}", **recorded, asked=reason, asked_digest=",".join(asked))
            return grant
        judged = tuple(self._judged(call) for call in calls)
        for one in judged:
            if one.decision.verdict is Verdict.DENY:
                why = said(one.decision.why, self._claim.mission.lang)
                raise EffectRefused(tool=one.name, why=why)
        if all(one.decision.verdict is Verdict.ALLOW for one in judged):
            return Grant(None, "rule:permissions", tuple(Granted.of(one) for one in judged))
        question = Question(self.task, self.agent, self.revision, slot, kind, judged, reason)
        try:
            return Grant.of(await self._door.asking.answer(question, self._context()))
        except Parked as parking:
            self.parked = (*self.parked, *parking.approvals)
            raise

    def _begun(self, approval: str) -> bool:
        return any(effect.approval == approval for effect in self._claim.effects.values())

    def _judged(self, call: Call) -> Judged:
        tool = self._judge.tool(call.tool)
        args = dict(call.args)
        return self._judge.judge(tool, args, identity(tool.spec.name, args), self._context())

    def _context(self) -> ToolContext:
        return context_of(self._door, "")

    # -- what is no tool call ----------------------------------------------------------------------------------------

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

"""The only door to the world: judge, ask, journal the intent, call, journal the outcome.

A ``Door`` belongs to a claim, a ``TaskDoor`` to one run of one task. A task that runs again, after a crash or after a
human's answer, begins at its first line with a new ``TaskDoor``: what is recorded answers at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from nextgeneration.credits.schema import Scopes
from nextgeneration.kernel.clock import Clock
from nextgeneration.kernel.models import ModelAnswer, ModelRequest, Wish
from nextgeneration.kernel.reports import Cost
from nextgeneration.kernel.tools import Tool, ToolResult
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.asking import Asking
from nextgeneration.missions.booking import NAME as MODEL
from nextgeneration.missions.booking import Asked, Booking
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.consent import Consent
from nextgeneration.missions.delegating import Branch, Delegation, cost_below, delegating
from nextgeneration.missions.entries import Entry, Request, requested
from nextgeneration.missions.errors import OverBudget, Parked
from nextgeneration.missions.flights import Flights
from nextgeneration.missions.grants import Grant
from nextgeneration.missions.judging import Call, Judge, Offer, Policy
from nextgeneration.missions.keeping import Keeping
from nextgeneration.missions.knowing import Knowing
from nextgeneration.missions.lineage import UNLIMITED, Lineage, Tally, TaskBudget
from nextgeneration.missions.outcomes import refusal, replayed
from nextgeneration.missions.performing import Performance
from nextgeneration.missions.records import Effect
from nextgeneration.missions.spending import limits_of
from nextgeneration.missions.tainting import CLEAN, Taint
from nextgeneration.missions.thinking import Listen, Thought, cost_of, models_failed, replayed_thought
from nextgeneration.missions.together import Together
from nextgeneration.missions.tolls import ACCOUNT, Toll, Tolls
from nextgeneration.models.errors import NoModel
from nextgeneration.security.permissions import PermissionRules

__all__ = ["Call", "Door", "Grant", "Offer", "Policy", "TaskBudget", "TaskDoor"]


class Door:
    """The door of one mission.

    Args:
        claim: the lease under which everything is written.
        tools: every tool by its name and its other names.
        policy: what a human granted to the mission.
        scratch: makes and names a private folder of the mission, outside the workspace; called when a tool asks for it.
        clock: the time; the claim's when not given.
        access: the way to models; without it there are none.
    """

    def __init__(
        self,
        claim: Claim,
        tools: Mapping[str, Tool],
        policy: Policy,
        *,
        scratch: Path | Callable[[], Path],
        clock: Clock | None = None,
        access: ModelAccess | None = None,
    ) -> None:
        self.claim = claim
        self.access = access
        self.agreed: set[str] = set()
        self.spending = asyncio.Lock()
        self.tools = tools
        self.policy = policy
        self.scratch = scratch
        self.clock = clock or claim.clock
        self.workspace = Path(claim.mission.workspace)
        self.asking = Asking(claim, policy)
        self.flights = Flights(claim)
        self.tally = Tally(claim.effects.values())
        self.pinning = asyncio.Lock()

    def task(
        self,
        task_id: str,
        agent: str,
        permissions: Sequence[PermissionRules] = (),
        budget: TaskBudget | None = None,
        revision: str = "",
        template: str = "",
        after: Taint = CLEAN,
        guided: bool = False,
        narrowed: Sequence[Sequence[PermissionRules]] = (),
    ) -> TaskDoor:
        """A door for one run of a task; its positions begin anew.

        Args:
            task_id: the task.
            agent: the agent's name in the mission.
            permissions: of its template, root first.
            budget: what it may use.
            revision: the digest of its template.
            template: whose account its model calls are charged to.
            after: what was read before its calls were written.
            guided: a model wrote them; otherwise what was read counts from its first question to a model on.
            narrowed: permissions of other templates that hold too, such as those of agents that it was proposed by.
        """
        since = self.clock.monotonic()
        lineage = Lineage(task_id, budget or UNLIMITED, template or agent, permissions, since=since, read=after)
        judge = Judge(self.tools, permissions, self.policy, tuple(narrowed))
        return TaskDoor(self, lineage, agent, judge, revision, guided)

    def below(self, lineage: Lineage, agent: str, revision: str, guided: bool) -> TaskDoor:
        """A door for one run of a task that another task's agent called: what those above may not, it may not."""
        judge = Judge(self.tools, lineage.levels, self.policy, lineage.permissions)
        return TaskDoor(self, lineage, agent, judge, revision, guided)


class TaskDoor(Keeping, Consent, Together, Knowing):
    """The door of one run of one task.

    Positions are given when a call is issued, in program order, before anything runs: the same program gives the same
    positions, whatever finishes first.

    Attributes:
        parked: approvals this run waits for. Once there is one, every later call parks too: a task that caught the
            exception cannot go on as if nothing was.
    """

    def __init__(
        self,
        door: Door,
        lineage: Lineage,
        agent: str,
        judge: Judge,
        revision: str = "",
        guided: bool = False,
    ) -> None:
        self._door = door
        self._claim = door.claim
        self._judge = judge
        self._budget = lineage.budget
        self._position = 0
        self._calls = 0
        self._thoughts = 0
        self._cost = Cost()
        self._over: OverBudget | None = None
        self._lineage = lineage
        self._limits = limits_of(door.claim.mission, lineage.task, lineage.budget.credits, lineage.credits)
        self.task = lineage.task
        self.agent = agent
        self.revision = revision
        self.template = lineage.template
        self._guided = guided
        self.parked: tuple[str, ...] = ()

    @property
    def cost(self) -> Cost:
        """What this task used, replayed calls included."""
        return self._cost

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
        request = requested(self._claim, self._judge, self, self._position, tool, args, grant, self._taint())
        return self._answer(request, self._calls, self.parked, self._lineage.read)

    async def _answer(self, request: Request, number: int, parked: tuple[str, ...], read: Taint) -> ToolResult:
        slot = (self.task, request.position)
        self._ready(parked)
        flights = self._door.flights
        if slot in flights.under_way:
            await flights.landed(slot)
        recorded = self._claim.effects.get(slot)
        if recorded is not None:
            recorded.must_be(request.name, request.digest, request.key)
            if recorded.outcome is not None:
                return self._replayed(request, recorded)
        if self._over is not None:
            raise self._over
        limit = self._budget.tool_calls
        if limit is not None and number > limit:
            raise OverBudget(scope=self.task, limit=limit, unit="tool_calls")
        if recorded is None and (over := self._lineage.take(self._door.tally, "tool_calls")) is not None:
            self._over = over
            await Entry(self._claim, request, None).close(*self._said(over))
            raise over
        performance = self._performance(request, recorded, read)
        try:
            if isinstance(performance, Delegation):
                result = await performance.run()
            elif request.pure:
                with flights.exposed(slot):
                    result = await performance.run()
            else:
                result = await flights.sheltered(slot, performance.run())
            return self._seen(request, result)
        except (Parked, OverBudget) as error:
            self._note(error)
            raise
        finally:
            self._cost += performance.cost
            if recorded is None and not performance.made:
                self._door.tally.take(self.task, "tool_calls", -1)

    def _performance(self, request: Request, recorded: Effect | None, read: Taint) -> Performance:
        if delegating(request.tool):
            guided = bool(self._thoughts or self._guided)
            branch = Branch(self._door, self, self._lineage, request.position, read, guided)
            return Delegation(self._door, self._judge, request, recorded, self._ends(), branch)
        toll = None if self._claim.shared.tolls is None else self._toll(request, self._claim.shared.tolls)
        return Performance(self._door, self._judge, request, recorded, self._ends(), toll)

    def _toll(self, request: Request, tolls: Tolls) -> Toll | None:
        """What the call costs; ``None``: nothing."""
        price = 0 if request.tool is None else tolls.of(request.tool)
        if not price:
            return None
        mission = self._claim.mission
        scopes = Scopes(
            tenant=mission.tenant,
            user=mission.options.user,
            agent=self.template,
            mission=mission.id,
            task=self.task,
            model=ACCOUNT.format(name=request.name),
        )
        return Toll(self._door, tolls.books, request.key, request.name, scopes, self._limits, price)

    def _replayed(self, request: Request, recorded: Effect) -> ToolResult:
        below = delegating(request.tool)
        self._cost += cost_of(recorded)
        if recorded.status != "refused":
            self._cost += Cost(tool_calls=1, seconds=0.0 if below else recorded.seconds)
        try:
            result = replayed(recorded, request.key)
        except (Parked, OverBudget) as error:
            self._note(error)
            raise
        if below:
            self._cost += cost_below(result)
        return self._seen(request, result)

    def _said(self, over: OverBudget) -> tuple[str, dict[str, Any]]:
        """As what it is recorded that a task used all it may: that depends on what others did meanwhile."""
        return refusal(over), over.problem(self._claim.mission.lang)

    def _seen(self, request: Request, result: ToolResult) -> ToolResult:
        if result.labels:
            self._lineage.read = self._lineage.read.read(request.name, result.labels)
        return result

    def _taint(self) -> Taint:
        """What the author of a call issued now had read: only a model's are asked for what they read."""
        return self._lineage.read if self._thoughts or self._guided else CLEAN

    def _note(self, error: Parked | OverBudget) -> None:
        """Remember what a call met that holds for every later one."""
        if isinstance(error, Parked):
            self.parked = (*self.parked, *error.approvals)
        else:
            self._over = error

    def _ready(self, parked: tuple[str, ...]) -> None:
        self._claim.check()
        if parked:
            raise Parked(approvals=parked)

    def _ends(self) -> float:
        """When the time is over of the task, of those above it or of the mission, whichever is first."""
        return min(self._claim.ends, self._lineage.ends)

    # -- models ------------------------------------------------------------------------------------------------------

    def models(self, wish: Wish) -> bool:
        """Whether there is a model for ``wish`` now. What an agent does because of it must be recorded."""
        access = self._door.access
        return access is not None and access.gateway.available(wish)

    def room(self, wish: Wish) -> int:
        """Tokens that the model holds which is first in line for ``wish`` now; 0: there is none. To be recorded too."""
        access = self._door.access
        if access is None or not access.gateway.available(wish):
            return 0
        return next((each.context for each in access.gateway.candidates(wish).candidates), 0)

    def think(
        self, request: ModelRequest, wish: Wish, listen: Listen | None = None
    ) -> Coroutine[Any, Any, ModelAnswer]:
        """Ask a model; which one, the router chooses by ``wish``.

        The position is taken here and now; the call is made when the answer is awaited.

        Args:
            request: what is asked.
            wish: which model is liked, and what it must be able to do.
            listen: called with each piece of text as it arrives, never twice with the same; not at a replay.

        Raises (when awaited):
            ModelsFailed: no model answered; ``problem`` is the last one's error.
            OverBudget: the task's model calls are used up, or the worst case fits no limit.
            EffectRefused: a human said no to going on beyond a soft limit.
            Parked, EffectMismatch, LeaseLost, …: as for :meth:`call`.
        """
        self._position += 1
        self._thoughts += 1
        task, position = self.task, self._position
        key = f"{self._claim.id}/{task}/{position}/{MODEL}"
        where = (task, self.agent, self.template, position, key)
        asked = Asked(*where, request.digest(), request, wish, self._limits)
        return self._thought(asked, self._thoughts, listen, self.parked)

    async def _thought(self, asked: Asked, number: int, listen: Listen | None, parked: tuple[str, ...]) -> ModelAnswer:
        self._ready(parked)
        slot = (self.task, asked.position)
        flights = self._door.flights
        if slot in flights.under_way:
            await flights.landed(slot)
        recorded = self._claim.effects.get(slot)
        if recorded is not None:
            recorded.must_be(MODEL, asked.digest, asked.key)
            if recorded.outcome is not None:
                self._cost += cost_of(recorded)
                try:
                    return replayed_thought(recorded, asked.key)
                except (Parked, OverBudget) as error:
                    self._note(error)
                    raise
        if self._over is not None:
            raise self._over
        limit, access = self._budget.model_calls, self._door.access
        if limit is not None and number > limit:
            raise OverBudget(scope=self.task, limit=limit, unit="model_calls")
        if access is None:
            raise models_failed(NoModel(detail=asked.wish.purpose).problem(self._claim.mission.lang))
        if recorded is None and (over := self._lineage.take(self._door.tally, "model_calls")) is not None:
            self._over = over
            outcome, problem = self._said(over)
            await Booking(self._door, access, asked, None).end("refused", outcome, problem, 0.0)
            raise over
        thought = Thought(self._door, access, asked, recorded, self._ends(), listen)
        try:
            with flights.exposed(slot):
                return await thought.run()
        except (Parked, OverBudget) as error:
            self._note(error)
            raise
        finally:
            self._cost += Cost(**thought.spent())
            if recorded is None and not thought.tries:
                self._door.tally.take(self.task, "model_calls", -1)

"""Missions on a database in memory, a clock that stands still, and tools that do what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.effects import Policy, TaskBudget, TaskDoor
from nextgeneration.missions.schema import MissionBudget, MissionOptions, MissionRequest
from nextgeneration.missions.service import Missions
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.storage.database import Storage
from nextgeneration.testing.clock import ManualClock
from nextgeneration.testing.tools import FakeTool


@pytest.fixture
def storage() -> Iterator[Storage]:
    storage = Storage.open("sqlite://")
    yield storage
    storage.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def missions(storage: Storage, clock: ManualClock) -> Missions:
    return Missions(storage, MissionSettings(), clock=clock)


class Bench:
    """One mission and everything to run tasks in it, attempt after attempt."""

    def __init__(self, missions: Missions, tmp_path: Path) -> None:
        self.missions = missions
        self.approvals = missions.approvals
        self.path = tmp_path
        self.tools: dict[str, FakeTool] = {}
        self.claim: Claim
        self.policy = Policy()
        self.access: ModelAccess | None = None
        self.door: Any = None

    def tool(self, name: str, answer: Callable[..., Any] = lambda _a, _c: None, **declared: Any) -> FakeTool:
        self.tools[name] = FakeTool(name, answer, **declared)
        return self.tools[name]

    def writer(self, name: str, answer: Callable[..., Any] = lambda _a, _c: None, **declared: Any) -> FakeTool:
        return self.tool(name, answer, **({"effect": EffectRule.ONCE, "risk": RiskLabel.WRITE} | declared))

    async def start(self, *, calls: int = 100, seconds: float = 900, spend: int | None = None, **options: Any) -> Bench:
        request = MissionRequest(
            goal="mend the roof",
            workspace=str(self.path),
            budget=MissionBudget(tool_calls=calls, seconds=seconds, credits=spend),
            options=MissionOptions(**options),
        )
        mission = await self.missions.accept(request)
        await self.take(mission.id)
        return self

    async def take(self, mission: str | None = None) -> Claim:
        self.claim = await self.missions.claim(mission or self.claim.id)
        self.door = self.claim.door(self.tools, self.policy, self.path, self.access)
        return self.claim

    async def crash(self, *, saved: bool = True) -> Claim:
        """The worker dies without a word, and another one takes over when the lease has run out.

        Not ``saved``: before what rides with its next transaction was written.
        """
        if saved:
            await self.saved()
        self.missions._shared.live.clear()
        self.missions._shared.holder = "elsewhere.1:boot:1:1"
        self.missions._shared.clock.advance(3600)
        return await self.take()

    async def again(self) -> Claim:
        """Give the mission back and take it again, as after an answer."""
        await self.claim.release()
        return await self.take()

    def task(self, name: str = "t1", permissions: Any = (), **budget: Any) -> TaskDoor:
        return self.door.task(name, "agent", permissions, TaskBudget(**budget))

    async def saved(self) -> None:
        """What waits for the claim's next transaction is written."""
        if not self.claim.over:
            await self.claim.flush()

    async def events(self, *types: str) -> list[Any]:
        await self.saved()
        journal = await self.missions.journal(self.claim.id)
        assert [event.seq for event in journal] == list(range(1, len(journal) + 1)), "no gap"
        return [event for event in journal if not types or event.type in types]

    async def answer(self, verdict: str = "approved", **about: Any) -> Any:
        (approval,) = await self.approvals.pending()
        return await self.approvals.decide(approval.id, verdict, "human:ada", **about)


@pytest.fixture
def bench(missions: Missions, tmp_path: Path) -> Bench:
    return Bench(missions, tmp_path)

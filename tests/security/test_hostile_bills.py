"""A provider that bills what it likes: the ledger is never below its log, and nothing stays held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nextgeneration.credits.schema import MAX_AMOUNT, HoldStatus, Limit
from nextgeneration.credits.service import Credits
from nextgeneration.kernel.clock import SystemClock
from nextgeneration.kernel.models import Message, ModelAnswer, ModelRequest, Wish
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.effects import Policy
from nextgeneration.missions.errors import EffectRefused, ModelsFailed, OverBudget
from nextgeneration.missions.schema import MissionRequest
from nextgeneration.missions.service import Missions
from nextgeneration.models.gateway import Gateway
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.models import ModelPrice, ModelProvider, ModelSettings
from nextgeneration.storage.database import Storage
from nextgeneration.testing.wire import Endless, RateLimited, Recorded, Say, Stalls, Usage, WireServer

ASK = ModelRequest((Message("user", "how many?"),), max_output=50)
INPUT, OUTPUT = 200, 1_000


@dataclass
class House:
    """One mission, its books, and a provider that is not to be trusted."""

    wire: WireServer
    claim: Claim
    missions: Missions
    credits: Credits
    access: ModelAccess
    root: Path

    async def think(self, task: str = "t1", listen: Any = None) -> Any:
        door = self.claim.door({}, Policy(), self.root, self.access)
        answer = await door.task(task, "agent").think(ASK, Wish(), listen)
        await self.claim.flush()
        return answer

    async def billed(self) -> int:
        await self.wire.settled()
        return sum(INPUT * bill.usage.input + OUTPUT * bill.usage.output for bill in self.wire.billed)

    async def sound(self) -> int:
        """What was charged, when nothing is held and the books agree with themselves."""
        line = await self.credits.cost(mission=self.claim.id)
        assert line.held == 0
        assert self.claim.holds == set()
        assert await self.credits.verify() == []
        return line.charged


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    storage = Storage.open("sqlite://")
    clock = SystemClock()
    async with WireServer(strict=False) as wire:
        settings = ModelSettings(
            discover=False,
            keyring=False,
            answer_seconds=30.0,
            providers={"far": ModelProvider(url=wire.url, models=["m"])},
            prices={"far:m": ModelPrice(input=2, output=10)},
        )
        gateway = Gateway(settings, clock=clock, environment=Environment(variables={}, home=tmp_path), home=tmp_path)
        credits_ = Credits(storage, clock=clock)
        missions = Missions(storage, clock=clock)
        mission = await missions.accept(MissionRequest(goal="count", workspace=str(tmp_path)))
        claim = await missions.claim(mission.id)
        access = ModelAccess(gateway, credits_, random=lambda: 0.0)
        yield House(wire, claim, missions, credits_, access, tmp_path)
        await gateway.close()
    storage.close()


async def test_what_is_billed_beyond_the_worst_case_is_charged_flagged_and_stops_everything_limited(house):
    await house.credits.set_limit(Limit("tenant", "local", 10**9), by="human:ada")
    house.wire.script(Say("three", usage=Usage(10, 10**6)), Say("never"))
    await house.think()
    assert await house.sound() == await house.billed() == 10 * INPUT + 10**6 * OUTPUT
    stopped = {stop.account for stop in (await house.credits.overview()).stops}
    assert {"model:far:m", "tenant:local"} <= stopped
    with pytest.raises((EffectRefused, OverBudget)):
        await house.think("t2")
    assert house.wire.left == 1, "it is not asked again until a human has looked"


@pytest.mark.parametrize("listen", [None, lambda _piece: None], ids=["whole", "streamed"])
@pytest.mark.parametrize("told", ["missing", "late"])
async def test_usage_that_is_told_late_or_never(house, told, listen):
    house.wire.script(Say("one two three", usage=told))
    await house.think(listen=listen)
    charged, billed = await house.sound(), await house.billed()
    assert charged == billed if told == "late" else charged >= billed


NUMBERS = [-5, -(10**30), 10**30, 2**63, float("nan"), float("inf"), 1.5, "12", "many", None, [1], {"a": 1}, True]


@pytest.mark.parametrize("number", NUMBERS, ids=[str(number) for number in NUMBERS])
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens", "cached_tokens"])
async def test_numbers_that_are_none_break_nothing_and_buy_nothing(house, field, number):
    usage: dict[str, Any] = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    if field == "cached_tokens":
        usage["prompt_tokens_details"] = {field: number}
    else:
        usage[field] = number
    said = {"index": 0, "message": {"role": "assistant", "content": "three"}, "finish_reason": "stop"}
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [said], "usage": usage}
    about = {"status": 200, "content_type": "application/json", "usage": {"input": 10, "output": 5}}
    house.wire.script(Recorded({**about, "response": body}))
    try:
        answer = await house.think()
    except ModelsFailed:
        answer = None
    charged = await house.sound()
    assert 0 < charged <= MAX_AMOUNT
    if answer is None:
        (hold,) = await house.credits.history()
        assert (hold.status, hold.charged) == (HoldStatus.UNCONFIRMED, hold.held), "unreadable: charged in full"
    else:
        assert isinstance(answer, ModelAnswer)
        assert answer.text == "three"


async def test_an_answer_without_end_is_ended_and_paid_for(house):
    house.wire.script(Endless(pace=0.0))
    with pytest.raises(ModelsFailed):
        await house.think(listen=lambda _piece: None)
    charged = await house.sound()
    assert charged >= await house.billed(), "what was heard beyond the longest answer is charged too"
    assert (await house.credits.overview()).stops, "and the model is stopped until a human has looked"


async def test_a_flood_of_refusals_is_answered_a_bounded_number_of_times_and_costs_nothing(house, monkeypatch):
    monkeypatch.setattr(asyncio, "sleep", _at_once(asyncio.sleep))
    house.wire.answers(lambda _seen: RateLimited())
    with pytest.raises(ModelsFailed):
        await house.think()
    assert 1 < len(house.wire.requests) <= 4
    assert await house.sound() == 0


async def test_a_provider_that_says_come_back_in_thirty_years_is_not_waited_for(house):
    house.wire.script(RateLimited(retry_after=1e9), Say("never"))
    async with asyncio.timeout(20):
        with pytest.raises(ModelsFailed):
            await house.think()
    assert len(house.wire.requests) == 1
    assert await house.sound() == 0


async def test_a_mission_cancelled_in_the_middle_of_a_call_is_charged_in_full_at_once(house):
    house.wire.script(Stalls("during", Say("one two three four")))
    call = asyncio.create_task(house.think())
    async with asyncio.timeout(30):
        while not house.wire.requests:
            await asyncio.sleep(0.01)
    await house.missions.cancel(house.claim.id, "human:ada")
    await asyncio.gather(call, return_exceptions=True)
    await house.claim.release()
    line = await house.credits.cost(mission=house.claim.id)
    assert (line.held, line.unconfirmed) == (0, line.charged)
    assert line.charged >= await house.billed()
    await house.missions.delete(house.claim.id)
    assert (await house.credits.cost(mission=house.claim.id)).charged == line.charged, "the ledger outlives the mission"
    assert await house.credits.verify() == []


async def test_a_limit_lowered_below_what_is_held_refuses_what_comes_and_lets_end_what_runs(house):
    going = asyncio.Event()

    async def slowly(_seen: Any) -> Any:
        await going.wait()
        return Say("three")

    house.wire.answers(slowly)
    await house.credits.set_limit(Limit("tenant", "local", 10**9), by="human:ada")
    call = asyncio.create_task(house.think())
    async with asyncio.timeout(30):
        while not house.wire.requests:
            await asyncio.sleep(0.01)
    await house.credits.set_limit(Limit("tenant", "local", 1), by="human:ada")
    with pytest.raises((EffectRefused, OverBudget)):
        await house.think("t2")
    going.set()
    assert (await call).text == "three"
    assert await house.sound() == await house.billed()
    assert len(house.wire.requests) == 1


def _at_once(sleep: Any) -> Any:
    return lambda seconds, *args: sleep(min(seconds, 0.001), *args)

"""Promise 3's tests bite: each core assertion holds, and fails when the mechanism behind it is taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.advanced.test_weakened import Bench, Died, Patch, bench

from nextgeneration.credits.ledger import Ledger
from nextgeneration.credits.schema import Hold, Limit, Scopes, Settled
from nextgeneration.credits.service import Credits
from nextgeneration.kernel.models import Message, ModelAnswer, ModelRequest, Usage, Wish
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.effects import Policy
from nextgeneration.missions.schema import MissionBudget, MissionRequest
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.testing.clock import ManualClock
from nextgeneration.testing.gateway import ScriptedCandidate, ScriptedGateway
from nextgeneration.testing.thinking import ScriptedModel

__all__ = ["bench"]

ASK = ModelRequest((Message("user", "how many?"),), max_output=100)
WORST, COST = 1_000, 600
AT = "2026-11-21T15:00:00.000000Z"


@dataclass
class Far:
    """A provider with a log of what it billed: 10 micro-credits a token, 60 tokens an answer."""

    dies: int = 0
    billed: list[int] = field(default_factory=list)

    async def answer(self, _request: ModelRequest) -> ModelAnswer:
        self.billed.append(COST)
        await asyncio.sleep(0.01)
        if len(self.billed) <= self.dies:
            raise Died
        return ModelAnswer("three", usage=Usage(output=60), model="far:model")

    def door(self, bench: Bench, claim: Claim, credits_: Credits) -> Any:
        model = ScriptedCandidate(ScriptedModel(self.answer, "far:model"), output=10, local=False)
        access = ModelAccess(ScriptedGateway(model), credits_)
        return claim.door({}, Policy(), bench.root, access)


async def a_call_cut_by_a_crash_is_charged_in_full(bench: Bench) -> None:
    """The process dies after the provider has billed, and before the answer was read; another one goes on."""
    clock, far = ManualClock(), Far(dies=1)
    first = bench.missions(durable=True, clock=clock, holder="one.1:boot:1:1")
    credits_ = Credits(bench.storages[-1], clock=clock)
    claim = await bench.claimed(first)
    with pytest.raises(Died):
        await far.door(bench, claim, credits_).task("t1", "agent").think(ASK, Wish())
    clock.advance(MissionSettings().lease_seconds + 1)
    second = bench.missions(durable=True, clock=clock, holder="two.2:boot:2:2")
    claim = await second.claim(claim.id)
    charged = (await credits_.cost(mission=claim.id)).charged
    assert charged >= sum(far.billed), "the ledger is never below the provider's log"
    await far.door(bench, claim, credits_).task("t1", "agent").think(ASK, Wish())
    await claim.flush()
    line = await credits_.cost(mission=claim.id)
    assert (line.charged, line.unconfirmed, line.held) == (WORST + COST, WORST, 0), (
        "in full, and exact where it was read"
    )
    assert await credits_.verify() == []


async def no_number_of_calls_at_once_passes_a_limit(bench: Bench) -> None:
    far, missions = Far(), bench.missions(durable=True)
    credits_ = Credits(bench.storages[-1])
    limit = 3 * WORST
    request = MissionRequest(goal="mend it", workspace=str(bench.workspace), budget=MissionBudget(credits=limit))
    claim = await missions.claim((await missions.accept(request)).id)
    door = far.door(bench, claim, credits_)
    calls = [door.task(f"t{n}", "agent").think(ASK, Wish()) for n in range(12)]
    await asyncio.gather(*calls, return_exceptions=True)
    assert sum(far.billed) <= limit, "no limit is passed, whatever runs in parallel"


async def a_hold_is_settled_once(bench: Bench) -> None:
    bench.missions(durable=True)
    storage = bench.storages[-1]
    credits_, ledger = Credits(storage), Ledger()
    scopes = Scopes(user="ada", mission="mis_1", model="far:model")
    await credits_.set_limit(Limit("user", "ada", 10 * WORST), by="human:ada")
    await storage.write(lambda c: ledger.hold(c, Hold("mis_1/t1/1/model/1.1", WORST, scopes, 1, AT)))
    for amount in (COST, WORST):
        writing = storage.write(lambda c, a=amount: ledger.settle(c, "mis_1/t1/1/model/1.1", a, at=AT))
        await asyncio.gather(writing, return_exceptions=True)
    assert (await credits_.cost(user="ada")).charged == COST, "the first settlement holds"
    assert await credits_.verify() == []


def the_hold_comes_after_the_call(patch: Patch) -> None:
    hold, settle = Ledger.hold, Ledger.settle
    later: dict[str, Hold] = {}

    def put_off(_self: Any, _connection: Any, wanted: Hold) -> tuple[()]:
        later[wanted.id] = wanted
        return ()

    def settled(self: Any, connection: Any, hold_id: str, *args: Any, **about: Any) -> Settled:
        if hold_id in later:
            hold(self, connection, later.pop(hold_id))
        return settle(self, connection, hold_id, *args, **about)

    patch.setattr(Ledger, "hold", put_off)
    patch.setattr(Ledger, "settle", settled)


def the_dead_are_not_charged(patch: Patch) -> None:
    patch.setattr(Ledger, "charge_dead", lambda *_args, **_about: [])


def every_settlement_counts(patch: Patch) -> None:
    """The status is not looked at."""
    settle = Ledger.settle

    def again(self: Any, connection: Any, hold_id: str, *args: Any, **about: Any) -> Settled:
        # The ledger remembers nothing after a statement of this kind.
        connection.exec_driver_sql("UPDATE credit_holds SET status = 'held' WHERE id = ?", (hold_id,))
        return settle(self, connection, hold_id, *args, **about)

    patch.setattr(Ledger, "settle", again)


Scenario = Callable[[Bench], Awaitable[None]]

WEAKENED: list[tuple[Scenario, Callable[[Patch], None], str]] = [
    (a_call_cut_by_a_crash_is_charged_in_full, the_hold_comes_after_the_call, "never below the provider's log"),
    (a_call_cut_by_a_crash_is_charged_in_full, the_dead_are_not_charged, "never below the provider's log"),
    (no_number_of_calls_at_once_passes_a_limit, the_hold_comes_after_the_call, "no limit is passed"),
    (a_hold_is_settled_once, every_settlement_counts, "the first settlement holds"),
]
NAMES = [f"{scenario.__name__}-{weaken.__name__}" for scenario, weaken, _ in WEAKENED]


@pytest.mark.parametrize("scenario", list(dict.fromkeys(scenario for scenario, *_ in WEAKENED)))
async def test_promise_3_holds(bench: Bench, scenario: Scenario) -> None:
    await scenario(bench)


@pytest.mark.parametrize(("scenario", "weaken", "said"), WEAKENED, ids=NAMES)
async def test_its_test_fails_on_a_copy_weakened_on_purpose(
    bench: Bench, monkeypatch: Patch, scenario: Scenario, weaken: Callable[[Patch], None], said: str
) -> None:
    weaken(monkeypatch)
    with pytest.raises(AssertionError, match=said):
        await scenario(bench)

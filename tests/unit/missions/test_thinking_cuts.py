"""Model calls cut off at any moment while their mission goes on: nothing stays held, nothing is forgotten."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.missions.test_thinking import ASK, COST, WISH, WORST, Gateway, Model, spent

from nextgeneration.credits.schema import MAX_AMOUNT, HoldStatus, Limit
from nextgeneration.credits.service import Credits
from nextgeneration.kernel.models import ModelAnswer, Usage
from nextgeneration.kernel.risk import RiskLabel
from nextgeneration.missions.access import ModelAccess
from nextgeneration.missions.effects import Policy
from nextgeneration.missions.errors import EffectRefused, ModelsFailed, Parked
from nextgeneration.models.errors import StreamBroken
from nextgeneration.storage.database import Storage
from nextgeneration.storage.errors import StorageBusy


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    """A database file: what is handed to its writer is under way while another process writes."""
    storage = Storage.open(f"sqlite:///{tmp_path}/.nextgen/cuts.db")
    yield storage
    storage.close()


@pytest.fixture
def think(bench, storage):
    """A mission with these models."""

    async def start(*models: Any, **about: Any) -> None:
        bench.credits = Credits(storage, clock=bench.missions._shared.clock)
        bench.access = ModelAccess(Gateway(list(models)), bench.credits, random=lambda: 0.0)
        await bench.start(**about)

    return start


@contextmanager
def held_up(storage: Storage) -> Iterator[None]:
    """Another process writes for as long as the block lasts; what is handed to our writer waits."""
    assert storage.path is not None
    other = sqlite3.connect(storage.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("COMMIT")
        other.close()


async def until(seen: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not seen():
            await asyncio.sleep(0.001)


async def cut(call: asyncio.Task[Any]) -> None:
    call.cancel()
    await asyncio.sleep(0.02)


async def ended(call: asyncio.Task[Any]) -> None:
    async with asyncio.timeout(30):
        (result,) = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(result, asyncio.CancelledError)


async def test_cut_while_its_hold_is_being_written_the_call_is_not_made_and_nothing_stays_held(bench, think, storage):
    model = Model()
    await think(model, spend=WORST + COST)
    with held_up(storage):
        call = asyncio.create_task(bench.task().think(ASK, WISH))
        await until(lambda: bench.claim.holds)
        await cut(call)
    await ended(call)
    assert (model.asked, bench.claim.holds) == ([], set())
    assert await spent(bench) == (0, 0), "it was never called, and the mission goes on"
    (hold,) = await bench.credits.history()
    assert hold.status is HoldStatus.RELEASED
    assert (await bench.task().think(ASK, WISH)).text == "three", "the task may run again in the same attempt"
    assert await spent(bench) == (COST, 0)
    assert await bench.credits.verify() == []


@pytest.mark.parametrize("output", [100, 200])
async def test_cut_while_its_outcome_is_being_written_the_answer_counts_and_is_not_asked_for_again(
    bench, think, storage, output
):
    """At once when it cost more than its worst case, else within moments."""
    going_on: list[Any] = []

    def says(_number: int, _listen: Any) -> ModelAnswer:
        going_on.append(held_up(storage))
        going_on[-1].__enter__()
        return ModelAnswer("three", usage=Usage(10, output))

    model = Model(says=says)
    await think(model)
    call = asyncio.create_task(bench.task().think(ASK, WISH))
    await until(lambda: model.asked)
    await asyncio.sleep(0.05)
    await cut(call)
    going_on[0].__exit__(None, None, None)
    if output > 100:
        await ended(call)
    else:
        assert (await call).text == "three"
    assert await spent(bench) == (6 * output, 0), "exact wherever the answer was read"
    assert bench.claim.holds == set()
    assert (await bench.task().think(ASK, WISH)).text == "three"
    assert len(model.asked) == 1, "a recorded answer is not asked for again"


async def test_cut_inside_the_call_all_is_charged_at_once_and_the_task_may_run_again(bench, think):
    async def says(number: int) -> str:
        if number == 1:
            await asyncio.sleep(3600)
        return "three"

    model = Model(says=lambda n, _l: says(n))
    await think(model)
    call = asyncio.create_task(bench.task().think(ASK, WISH))
    await until(lambda: model.asked)
    await cut(call)
    await ended(call)
    assert await spent(bench) == (WORST, 0)
    assert (await bench.task().think(ASK, WISH)).text == "three"
    assert await spent(bench) == (WORST + COST, 0)
    statuses = [hold.status for hold in reversed(await bench.credits.history())]
    assert sorted(statuses) == [HoldStatus.SETTLED, HoldStatus.UNCONFIRMED]


async def test_cut_twice_while_it_is_being_settled_it_is_settled_all_the_same(bench, think, storage):
    model = Model(says=lambda _n, _l: asyncio.sleep(3600))
    await think(model)
    call = asyncio.create_task(bench.task().think(ASK, WISH))
    await until(lambda: model.asked)
    with held_up(storage):
        for _ in range(3):
            await cut(call)
            for flight in tuple(bench.claim.flights):
                flight.cancel()
    await ended(call)
    assert await spent(bench) == (WORST, 0)
    assert bench.claim.holds == set()


async def test_a_task_goes_on_after_a_soft_limits_question_in_the_same_attempt(bench, think):
    model = Model()
    await think(model, user="ada")
    await bench.credits.set_limit(Limit("user", "ada", 1_100, soft=True), by="human:ada")
    with pytest.raises(Parked):
        await bench.task().think(ASK, WISH)
    await bench.answer()
    assert (await bench.task().think(ASK, WISH)).text == "three"
    assert await spent(bench) == (COST, 0)


async def test_agents_side_by_side_at_a_soft_limit_wait_for_one_card(bench, think):
    """Whoever asks, there is one card for a limit, period and step, never replaced, and one yes lets all go on."""
    model = Model()
    await think(model, user="ada")
    await bench.credits.set_limit(Limit("user", "ada", 3_500, soft=True), by="human:ada")

    async def all_at_once() -> list[Any]:
        agents = [("t1", "reader"), ("t2", "writer"), ("t3/1", "checker")]
        doors = [bench.door.task(task, agent, template=agent) for task, agent in agents]
        return await asyncio.gather(*(door.think(ASK, WISH) for door in doors), return_exceptions=True)

    announced: set[str] = set()
    yeses = 0
    found = await all_at_once()
    while any(isinstance(said, Parked) for said in found):
        announced |= {approval for said in found if isinstance(said, Parked) for approval in said.approvals}
        pending = [approval.id for approval in await bench.approvals.pending()]
        assert set(pending) <= announced
        assert all(said.approvals[0] in pending for said in found if isinstance(said, Parked))
        yeses += 1
        await bench.approvals.decide(pending[0], "approved", "human:ada")
        await bench.again()
        found = await all_at_once()
    assert yeses <= 2, "one for each step"
    assert [said.text for said in found] == ["three"] * 3
    assert len(await bench.approvals.list()) == yeses, "none was put in place of another"
    assert await spent(bench) == (3 * COST, 0)


async def test_a_card_at_a_soft_limit_that_waits_stays_when_the_limit_is_changed(bench, think):
    model = Model()
    await think(model, user="ada")
    limit = Limit("user", "ada", 1_100, soft=True)
    await bench.credits.set_limit(limit, by="human:ada")
    with pytest.raises(Parked) as first:
        await bench.task().think(ASK, WISH)
    await bench.credits.set_limit(Limit("user", "ada", 1_050, soft=True), by="human:ada")
    with pytest.raises(Parked) as second:
        await bench.task("t2").think(ASK, WISH)
    assert second.value.approvals == first.value.approvals
    await bench.answer()
    with pytest.raises(Parked) as third:
        await bench.task().think(ASK, WISH)
    assert third.value.approvals != first.value.approvals, "the yes was to another amount"
    await bench.answer()
    assert (await bench.task().think(ASK, WISH)).text == "three"


async def test_a_yes_to_the_whole_of_a_soft_limit_covers_its_warning(bench, think):
    await think(Model(), user="ada")
    await bench.credits.set_limit(Limit("user", "ada", 900, soft=True), by="human:ada")
    with pytest.raises(Parked):
        await bench.task().think(ASK, WISH)
    (card,) = await bench.approvals.pending()
    await bench.credits.grant("user", "ada", 200, reason="more", by="human:ada")
    with pytest.raises(Parked) as parked:
        await bench.task("t2").think(ASK, WISH)
    assert parked.value.approvals == (card.id,), "it waits for the answer that covers its own question"


async def test_cut_while_a_soft_limits_question_is_put_nothing_stays_held(bench, think, storage):
    await think(Model(), user="ada")
    await bench.credits.set_limit(Limit("user", "ada", 1_100, soft=True), by="human:ada")
    asking = bench.door.asking
    before, begun = asking.answer, asyncio.Event()

    async def slow(*args: Any) -> Any:
        begun.set()
        await asyncio.sleep(3600)
        return await before(*args)

    asking.answer = slow
    call = asyncio.create_task(bench.task().think(ASK, WISH))
    await begun.wait()
    await cut(call)
    await ended(call)
    assert await spent(bench) == (0, 0)


@pytest.mark.parametrize(("attended", "said"), [(True, Parked), (False, EffectRefused)])
async def test_no_yes_given_in_advance_passes_a_soft_limit(bench, think, attended, said):
    bench.policy = Policy(auto=RiskLabel.WRITE, attended=attended)
    model = Model()
    await think(model, user="ada")
    await bench.credits.set_limit(Limit("user", "ada", 700, soft=True), by="human:ada")
    with pytest.raises(said):
        await bench.task().think(ASK, WISH)
    assert (model.asked, await spent(bench)) == ([], (0, 0))


async def test_what_fails_between_hold_and_call_gives_the_hold_back(bench, think):
    """The lease cannot be looked at right before the call: it is not made."""
    model = Model()
    await think(model)
    secure = bench.claim.secure

    async def busy() -> None:
        bench.claim.secure = secure
        raise StorageBusy(seconds=30)

    bench.claim.secure = busy
    with pytest.raises(StorageBusy):
        await bench.task().think(ASK, WISH)
    assert (model.asked, await spent(bench)) == ([], (0, 0))
    assert (await bench.task().think(ASK, WISH)).text == "three"


ABSURD = [
    Usage(-5, -100),
    Usage(10, -1),
    Usage(10**30, 10**30),
    Usage(10, 2**63),
    Usage(float("nan"), 100),  # type: ignore[arg-type]
    Usage(10, float("inf")),  # type: ignore[arg-type]
    Usage("10", "100"),  # type: ignore[arg-type]
    Usage(10, 100, cached=-(10**9)),
    Usage(True, None),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("usage", ABSURD, ids=[f"{u.input}/{u.output}/{u.cached}" for u in ABSURD])
async def test_a_count_that_is_none_never_costs_less_than_what_was_held(bench, think, usage, local):
    said = ModelAnswer("three", usage=usage, model="far:model")
    model = Model(says=said, local=local, priced=not local, each=0 if local else 10)
    await think(model)
    answer = await bench.task().think(ASK, WISH)
    assert answer.text == "three"
    charged, held = await spent(bench)
    assert held == 0
    assert (charged == 0) if local else (WORST <= charged <= MAX_AMOUNT)
    assert bench.claim.holds == set()
    assert await bench.credits.verify() == []
    if charged > WORST:
        assert (await bench.credits.overview()).stops, "what costs more than its worst case stops the model"
    await bench.crash()
    again = await bench.task().think(ASK, WISH)
    assert (again, len(model.asked)) == (answer, 1), "the answer is recorded all the same"


async def test_more_than_the_worst_case_is_charged_flagged_and_stops_the_model(bench, think):
    await think(Model(says=ModelAnswer("three", usage=Usage(10, 1_000), model="far:model")))
    task = bench.task()
    await task.think(ASK, WISH)
    assert await spent(bench) == (6_000, 0), "what was billed is what is charged"
    (outcome,) = await bench.events("effect.outcome")
    assert outcome.data["overrun"] == 5_000
    with pytest.raises(EffectRefused):
        await task.think(ASK, WISH)
    await bench.credits.clear(None, by="human:ada")
    await bench.task("t2").think(ASK, WISH)


async def test_a_break_that_was_billed_beyond_the_worst_case_is_charged_as_billed(bench, think):
    broken = StreamBroken(model="far:model", detail="reset", usage=Usage(10, 1_000), other=False)
    await think(Model(says=broken))
    with pytest.raises(ModelsFailed):
        await bench.task().think(ASK, WISH)
    assert await spent(bench) == (6_000, 0)
    assert (await bench.credits.overview()).stops


async def test_a_model_that_claims_to_be_cancelled_is_only_a_model_that_failed(bench, think):
    await think(Model("far:first", says=lambda _n, _l: _cancelled()), Model("far:second"))
    assert (await bench.task().think(ASK, WISH)).model == "far:second"
    assert await spent(bench) == (WORST + COST, 0)


async def _cancelled() -> str:
    raise asyncio.CancelledError


async def test_what_a_task_leaves_is_gone_without_the_garbage_collector(bench, think):
    bench.tool("look")
    await think(Model())

    async def works() -> None:
        task = bench.task("t1/2/1")
        await task.think(ASK, WISH)
        await task.call("look", {})

    gc.collect()
    gc.disable()
    try:
        await asyncio.create_task(works())
        await bench.saved()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [type(one).__name__ for one in gc.garbage if type(one).__module__.startswith("nextgeneration.")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []

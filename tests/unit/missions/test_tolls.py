"""Tools with a price: held with the intent, settled with the outcome, never beyond a limit, nothing for the others."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from nextgeneration.credits.schema import HoldStatus, Limit, Scopes
from nextgeneration.credits.service import Credits
from nextgeneration.kernel.errors import InternalError
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.missions.editing import World
from nextgeneration.missions.errors import EffectRefused, OverBudget, Parked, ToolFailed
from nextgeneration.missions.tolls import Tolls
from nextgeneration.security.permissions import PermissionRules
from nextgeneration.storage.errors import StorageBusy

PRICE = 2_000_000
ALLOWED = (PermissionRules(allow=("send", "search")),)


@pytest.fixture
def priced(bench, storage):
    """A mission in which a call of ``search`` or ``send`` costs two credits."""
    shared = bench.missions._shared
    bench.credits = Credits(storage, clock=shared.clock)
    shared.tolls = Tolls(bench.credits, {"se*": Decimal(2)})
    bench.tool("search", lambda _a, _c: {"found": 1})
    bench.tool("look")
    bench.writer("send", risk=RiskLabel.NETWORK)
    return bench


async def books(bench) -> tuple[int, int]:
    """What was charged and is held, when the books agree with themselves."""
    await bench.saved()
    assert await bench.credits.verify() == []
    line = await bench.credits.cost(mission=bench.claim.id)
    assert (await bench.missions.spent(bench.claim.id)).credits == line.charged, "reports say what the books say"
    return line.charged, line.held


@pytest.mark.parametrize("tool", ["search", "send"])
async def test_a_call_is_held_before_and_charged_after_and_never_again(priced, tool):
    await priced.start(user="ada")
    task = priced.door.task("t1", "reader_2", ALLOWED, template="reader")
    first = await task.call(tool, {})
    assert await books(priced) == (PRICE, 0)
    assert (task.cost.credits, task.cost.tool_calls, task.cost.model_calls) == (PRICE, 1, 0)
    intent, outcome = await priced.events("effect.intent", "effect.outcome")
    assert (intent.data["held"], outcome.data["credits"]) == (PRICE, PRICE)
    (entry,) = await priced.credits.history()
    scopes = Scopes(user="ada", agent="reader", mission=priced.claim.id, task="t1", model=f"tool:{tool}")
    assert (entry.scopes, entry.status) == (scopes, HoldStatus.SETTLED)
    await priced.crash()
    again = priced.door.task("t1", "reader_2", ALLOWED, template="reader")
    assert await again.call(tool, {}) == first
    assert again.cost == task.cost
    assert await books(priced) == (PRICE, 0)


async def test_a_tool_without_a_price_stands_in_no_book(priced):
    await priced.start()
    task = priced.task()
    await task.call("look", {})
    assert (await books(priced), task.cost.credits) == ((0, 0), 0)
    for event in await priced.events("effect.intent", "effect.outcome"):
        assert not {"held", "credits"} & set(event.data)
    assert await priced.credits.history() == []


async def test_the_longest_pattern_that_fits_a_name_or_another_name_decides(storage):
    tolls = Tolls(Credits(storage), {"*": Decimal(1), "mcp:acme/*": Decimal(3), "MCP:acme/free": Decimal(0)})

    class Spec:
        def __init__(self, name: str, *aliases: str) -> None:
            self.name, self.aliases = name, aliases

    names = {"fs.read": 1, "mcp:acme/dear": 3, "mcp:acme/free": 0}
    assert {name: tolls.of(SimpleNamespace(spec=Spec(name))) // 1_000_000 for name in names} == names
    assert tolls.of(SimpleNamespace(spec=Spec("other", "mcp:acme/dear"))) == 3_000_000


async def test_a_call_that_failed_is_charged(priced):
    def fails(_args: Any, _context: Any) -> Any:
        raise InternalError(kind="X", detail="no")

    priced.tool("search", fails)
    await priced.start()
    task = priced.task()
    with pytest.raises(ToolFailed):
        await task.call("search", {})
    assert (await books(priced), task.cost.credits) == ((PRICE, 0), PRICE)
    (entry,) = await priced.credits.history()
    assert entry.status is HoldStatus.SETTLED
    await priced.crash()
    task = priced.task()
    with pytest.raises(ToolFailed):
        await task.call("search", {})
    assert task.cost.credits == PRICE


async def test_a_call_that_gave_no_answer_at_all_is_charged_as_unconfirmed(priced):
    def breaks(_args: Any, _context: Any) -> Any:
        raise ValueError("unforeseen")

    priced.tool("search", breaks)
    await priced.start()
    with pytest.raises(ToolFailed):
        await priced.task().call("search", {})
    assert await books(priced) == (PRICE, 0)
    (entry,) = await priced.credits.history()
    assert entry.status is HoldStatus.UNCONFIRMED


async def test_a_call_that_is_refused_costs_nothing(priced):
    await priced.start()
    with pytest.raises(EffectRefused):
        await priced.task(permissions=(PermissionRules(deny=("search",)),)).call("search", {})
    with pytest.raises(Parked):
        await priced.task("t2").call("send", {})
    await priced.answer("rejected")
    await priced.again()
    with pytest.raises(EffectRefused):
        await priced.task("t2").call("send", {})
    assert await books(priced) == (0, 0)
    assert await priced.credits.history() == []


async def test_what_no_limit_has_room_for_ends_the_task_over_budget(priced):
    await priced.start(spend=3_000_000)
    task = priced.task()
    await task.call("search", {})
    with pytest.raises(OverBudget, match="credits") as over:
        await task.call("search", {"n": 2})
    assert over.value.exit_code == 6
    with pytest.raises(OverBudget):
        await task.call("look", {})
    with pytest.raises(OverBudget):
        await priced.task("t2", credits=1_000_000).call("search", {})
    assert await books(priced) == (PRICE, 0)
    assert len(priced.tools["search"].calls) == 1
    await priced.crash()
    task = priced.task()
    await task.call("search", {})
    with pytest.raises(OverBudget, match="credits"):
        await task.call("search", {"n": 2})
    assert task.cost.credits == PRICE


async def test_a_limit_on_the_tool_itself_holds(priced):
    await priced.start()
    await priced.credits.set_limit(Limit("model", "tool:search", PRICE), by="human:ada")
    await priced.task("t1").call("search", {})
    with pytest.raises(OverBudget, match="tool:search"):
        await priced.task("t2").call("search", {})


async def test_no_number_of_calls_at_once_passes_the_missions_budget(priced):
    """Each fits alone, not all together: they wait for each other, and the last ones are refused."""

    async def slow(_args: Any, _context: Any) -> dict[str, int]:
        await asyncio.sleep(0.001)
        return {"found": 1}

    priced.tool("search", slow)
    await priced.start(spend=5 * PRICE + 1)
    tasks = [priced.task(f"t{n}") for n in range(20)]
    answers = await asyncio.gather(*(task.call("search", {}) for task in tasks), return_exceptions=True)
    assert sum(isinstance(answer, OverBudget) for answer in answers) == 15
    assert await books(priced) == (5 * PRICE, 0)
    assert priced.claim.holds == set()


async def test_a_crash_during_the_call_charges_it_and_so_does_the_next_try(priced):
    begun = asyncio.Event()

    async def dies(_args: Any, _context: Any) -> Any:
        if not begun.is_set():
            begun.set()
            await asyncio.sleep(3600)
        return {"found": 1}

    priced.tool("search", dies)
    await priced.start()
    call = asyncio.create_task(priced.task().call("search", {}))
    await begun.wait()
    priced.claim.flights.clear()
    await priced.crash()
    assert await books(priced) == (PRICE, 0)
    task = priced.task()
    await task.call("search", {})
    assert (await books(priced), task.cost.credits) == ((2 * PRICE, 0), 2 * PRICE)
    await priced.crash()
    task = priced.task()
    await task.call("search", {})
    assert (await books(priced), task.cost.credits) == ((2 * PRICE, 0), 2 * PRICE)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def test_a_call_in_doubt_was_charged_whatever_a_human_says_of_it(priced):
    begun, ended = asyncio.Event(), asyncio.Event()

    async def dies(_args: Any, _context: Any) -> Any:
        begun.set()
        await ended.wait()

    priced.writer("send", dies, risk=RiskLabel.NETWORK)
    await priced.start()
    call = asyncio.create_task(priced.task(permissions=ALLOWED).call("send", {}))
    await begun.wait()
    priced.claim.flights.clear()
    await priced.crash()
    with pytest.raises(Parked):
        await priced.task(permissions=ALLOWED).call("send", {})
    await priced.answer("done")
    await priced.again()
    task = priced.task(permissions=ALLOWED)
    await task.call("send", {})
    assert (await books(priced), task.cost.credits) == ((PRICE, 0), PRICE)
    ended.set()
    await asyncio.gather(call, return_exceptions=True)


async def under_way(priced: Any) -> asyncio.Task[Any]:
    """A call of a tool that never answers."""
    begun = asyncio.Event()

    async def hangs(_args: Any, _context: Any) -> Any:
        begun.set()
        await asyncio.sleep(3600)

    priced.tool("search", hangs)
    await priced.start()
    call = asyncio.create_task(priced.task().call("search", {}))
    await begun.wait()
    return call


async def test_a_cancelled_call_is_charged_as_unconfirmed(priced):
    call = await under_way(priced)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert await books(priced) == (PRICE, 0)
    assert [event.data["tool"] for event in await priced.events("credits.unconfirmed")] == ["search"]


async def test_a_mission_that_is_cancelled_leaves_nothing_held(priced):
    call = await under_way(priced)
    await priced.missions.cancel(priced.claim.id, "human:ada")
    await asyncio.gather(call, return_exceptions=True)
    await priced.claim.release()
    assert await books(priced) == (PRICE, 0)


async def test_what_fails_between_hold_and_call_gives_the_hold_back(priced):
    await priced.start()
    secure = priced.claim.secure

    async def busy() -> None:
        priced.claim.secure = secure
        raise StorageBusy(seconds=30)

    priced.claim.secure = busy
    with pytest.raises(StorageBusy):
        await priced.task().call("search", {})
    assert (priced.tools["search"].calls, await books(priced)) == ([], (0, 0))
    await priced.task().call("search", {})
    assert await books(priced) == (PRICE, 0)


async def test_the_price_stands_on_the_card_and_another_price_is_asked_for_anew(priced):
    await priced.start()
    asking = (PermissionRules(ask=("send", "look"), allow=("search",)),)
    for tool in ("send", "look"):
        with pytest.raises(Parked):
            await priced.door.task(tool, "agent", asking).call(tool, {})
    cards = {each.task_id: await priced.approvals.get(each.id) for each in await priced.approvals.pending()}
    assert cards["send"].card["calls"][0]["credits"] == PRICE
    assert "credits" not in cards["look"].card["calls"][0]
    edited = await priced.approvals.edit(
        cards["send"].id, {"to": "x"}, "human:ada", World(priced.tools, (), lambda _mission: lambda: priced.path)
    )
    assert edited.card["calls"][0]["credits"] == PRICE
    await priced.approvals.decide(edited.id, "approved", "human:ada")
    priced.missions._shared.tolls = Tolls(priced.credits, {"send": Decimal(3)})
    await priced.again()
    with pytest.raises(Parked):
        await priced.door.task("send", "agent", asking).call("send", {})
    (waiting,) = [each.id for each in await priced.approvals.pending() if each.task_id == "send"]
    dearer = await priced.approvals.get(waiting)
    assert dearer.card["calls"][0]["credits"] == 3_000_000
    await priced.approvals.decide(dearer.id, "approved", "human:ada")
    await priced.again()
    await priced.door.task("send", "agent", asking).call("send", {})
    assert await books(priced) == (3_000_000, 0)
    assert [args for args, _ in priced.tools["send"].calls] == [{"to": "x"}]


async def test_a_soft_limit_asks_before_a_call_is_begun_that_may_be_made_once(priced):
    """Nothing is journaled of the call before the answer: one that may be made once is not in doubt afterwards."""
    await priced.start(user="ada")
    await priced.credits.set_limit(Limit("user", "ada", PRICE, soft=True), by="human:ada")
    with pytest.raises(Parked):
        await priced.task(permissions=ALLOWED).call("send", {})
    assert await priced.events("effect.intent") == []
    assert await books(priced) == (0, 0)
    (card,) = await priced.approvals.pending()
    assert "user:ada" in card.title
    await priced.answer()
    await priced.again()
    await priced.task(permissions=ALLOWED).call("send", {})
    assert await books(priced) == (PRICE, 0)
    assert len(await priced.approvals.list()) == 1
    assert len(priced.tools["send"].calls) == 1


async def test_an_idempotent_call_with_a_price_runs_again_under_its_key_and_costs_again(priced):
    priced.writer("send", effect=EffectRule.IDEMPOTENT)
    await priced.start()
    cut = priced.missions._shared

    def at(place: str) -> None:
        if place == "effect.intent":
            raise RuntimeError("the process dies here")

    before, cut.at = cut.at, at
    with pytest.raises(RuntimeError):
        await priced.task(permissions=ALLOWED).call("send", {})
    cut.at = before
    await priced.crash(saved=False)
    assert await books(priced) == (PRICE, 0)
    await priced.task(permissions=ALLOWED).call("send", {})
    assert await books(priced) == (2 * PRICE, 0)

"""What a human does with credits: limits, grants, reports, the audit, letting stopped accounts go on."""

import asyncio

import pytest
from tests.unit.credits.conftest import ADA, AT, Books

from nextgeneration.credits.errors import (
    AccountStopped,
    AmountRefused,
    HoldTimedOut,
    HoldWaits,
    LimitUnknown,
    NothingStopped,
    OverLimit,
    ScopeRefused,
)
from nextgeneration.credits.schema import Hold, Limit, Period, Scopes
from nextgeneration.credits.units import from_credits, from_usd, shown
from nextgeneration.kernel.models import Usage
from nextgeneration.observability.metrics import exposition

BOB = Scopes("local", "bob", "auditeur", "mis_2", "t9", "openai:small")
HUMAN = "human:ada"


async def test_a_recorded_limit_holds_for_every_call_it_concerns(service, books):
    standing = await service.set_limit(Limit("user", "ada", 100, Period.DAY), by=HUMAN)
    assert (standing.spent, standing.left) == (0, 100)
    books.settle(books.hold(60), 60)
    with pytest.raises(OverLimit, match="user:ada/day"):
        books.hold(41)
    books.hold(1000, scopes=BOB)
    books.hold(100, at="2026-11-22T00:00:00.000000Z")
    assert await service.limits() == [Limit("user", "ada", 100, Period.DAY)]


async def test_a_limit_for_each_is_everyones_own(service, books):
    await service.set_limit(Limit("user", "*", 100), by=HUMAN)
    books.hold(100)
    books.hold(70, scopes=BOB)
    with pytest.raises(HoldWaits, match="user:ada/total"):
        books.hold(1)
    with pytest.raises(HoldWaits, match="user:bob/total"):
        books.hold(31, scopes=BOB)
    books.hold(1000, scopes=Scopes(mission="m"))
    overview = await service.overview()
    assert [(each.limit.key, each.held) for each in overview.standings] == [
        ("user:ada/total", 100),
        ("user:bob/total", 70),
    ]
    assert overview.limits == (Limit("user", "*", 100),)


async def test_the_strictest_of_several_limits_counts(service, books):
    for limit in (Limit("user", "*", 50), Limit("user", "ada", 100), Limit("tenant", "local", 40)):
        await service.set_limit(limit, by=HUMAN)
    with pytest.raises(OverLimit, match="tenant:local"):
        books.hold(41)
    await service.remove_limit("tenant", "local")
    with pytest.raises(OverLimit, match=r"user:ada/total leaves 0.00005"):
        books.hold(51)
    await service.remove_limit("user", "*")
    books.hold(100)


async def test_a_limit_is_replaced_and_removed(service, books):
    await service.set_limit(Limit("model", "openai:big", 10), by=HUMAN)
    await service.set_limit(Limit("model", "openai:big", 100, soft=True), by=HUMAN)
    assert await service.limits() == [Limit("model", "openai:big", 100, soft=True)]
    books.hold(200)
    assert books.warnings[0].share == 200
    await service.remove_limit("model", "openai:big")
    with pytest.raises(LimitUnknown, match="model:openai:big/total"):
        await service.remove_limit("model", "openai:big")
    books.hold(200)
    standing = await service.set_limit(Limit("model", "openai:big", 500), by=HUMAN)
    assert (standing.held, standing.left) == (400, 100), "what happened while there was no limit counts"
    assert await service.verify() == []


async def test_an_account_whose_limit_was_removed_is_not_stopped(service, books):
    await service.set_limit(Limit("user", "*", 100), by=HUMAN)
    await service.set_limit(Limit("agent", "codeur", 100), by=HUMAN)
    name = books.hold(5)
    await service.remove_limit("user", "*")
    books.settle(name, 6)
    assert [stop.account for stop in (await service.overview()).stops] == ["agent:codeur", "model:openai:big"]


@pytest.mark.parametrize(("scope", "name"), [("planet", "earth"), ("user", ""), ("", "")])
async def test_only_accounts_are_limited(service, scope, name):
    with pytest.raises(ScopeRefused):
        await service.set_limit(Limit(scope, name, 1), by=HUMAN)
    with pytest.raises(ScopeRefused):
        await service.grant(scope, name, 1, reason="", by=HUMAN)


async def test_a_grant_adds_to_the_present_period_only(service, books):
    await service.set_limit(Limit("user", "ada", 100, Period.DAY), by=HUMAN)
    books.settle(books.hold(100), 100)
    standing = await service.grant("user", "ada", 50, Period.DAY, reason="release day", by=HUMAN)
    assert (standing.cap, standing.granted, standing.left) == (150, 50, 50)
    books.hold(50)
    with pytest.raises(OverLimit):
        books.hold(101, at="2026-11-22T00:00:00.000000Z")
    (given,) = await service.grants()
    assert (given.account, given.bucket, given.amount, given.reason, given.by) == (
        "user:ada",
        "2026-11-21",
        50,
        "release day",
        HUMAN,
    )
    assert await service.verify() == []


async def test_a_grant_before_the_first_call_counts(service, books):
    await service.set_limit(Limit("user", "*", 10), by=HUMAN)
    standing = await service.grant("user", "ada", 5, reason="", by=HUMAN)
    assert standing.limit == Limit("user", "ada", 10)
    books.hold(15)
    with pytest.raises(OverLimit):
        books.hold(11, scopes=BOB)


async def test_a_missions_own_budget_can_be_added_to(service, books):
    budget = Limit("mission", "mis_1", 10)
    books.settle(books.hold(10, budget), 10)
    assert await service.grant("mission", "mis_1", 7, reason="go on", by=HUMAN) is None
    books.hold(7, budget)
    with pytest.raises(HoldWaits):
        books.hold(1, budget)


async def test_a_grant_needs_something_to_add_to(service):
    await service.set_limit(Limit("user", "*", 10), by=HUMAN)
    for args in (("user", "ada", 5, Period.DAY), ("agent", "codeur", 5), ("mission", "mis_1", 5, Period.DAY)):
        with pytest.raises(LimitUnknown):
            await service.grant(*args, reason="", by=HUMAN)
    with pytest.raises(ScopeRefused):
        await service.grant("user", "*", 5, reason="", by=HUMAN)
    for amount in (0, -1, 1.5):
        with pytest.raises(AmountRefused):
            await service.grant("user", "ada", amount, reason="", by=HUMAN)


async def test_reports_by_mission_agent_model_user_task_and_day(service, books):
    books.settle(books.hold(100), 60, usage=Usage(10, 5, 2))
    books.settle(books.hold(100, at="2026-11-20T10:00:00.000000Z"), 40, usage=Usage(1, 1))
    books.settle(books.hold(50, scopes=BOB), None, status="unconfirmed")
    books.hold(7, scopes=BOB)
    found = {by: {line.name: line for line in await service.report(by)} for by in ("mission", "agent", "model", "user")}
    assert list(found["mission"]) == ["mis_1", "mis_2"], "the dearest first"
    ada, bob = found["user"]["ada"], found["user"]["bob"]
    assert (ada.charged, ada.calls, ada.input, ada.output, ada.cached) == (100, 2, 11, 6, 2)
    assert (bob.charged, bob.unconfirmed, bob.held, bob.calls) == (50, 50, 7, 2)
    assert set(found["agent"]) == {"codeur", "auditeur"}
    assert set(found["model"]) == {"openai:big", "openai:small"}
    days = await service.report("day")
    assert [(line.name, line.charged) for line in days] == [("2026-11-20", 40), ("2026-11-21", 110)]
    assert [line.name for line in await service.report("task")] == ["mis_1/t1", "mis_2/t9"]
    assert [line.charged for line in await service.report("user", since="2026-11-21", filters={"user": "ada"})] == [60]
    assert [line.charged for line in await service.report("user", until="2026-11-21")] == [40]
    assert (await service.cost(mission="mis_1")).charged == 100
    assert (await service.cost(mission="none")).calls == 0
    with pytest.raises(ScopeRefused):
        await service.report("charged")


async def test_history_is_newest_first_and_filtered(service, books):
    early = books.hold(5, at="2026-11-20T10:00:00.000000Z")
    late, other = books.hold(6), books.hold(7, scopes=BOB)
    assert [call.id for call in await service.history()] == [other, late, early]
    assert [call.id for call in await service.history({"user": "ada"})] == [late, early]
    assert [call.id for call in await service.history(limit=1)] == [other]
    books.settle(late, 7)
    (call,) = await service.history({"status": "settled"})
    assert call.as_data() | {"settled_at": ""} == {
        "id": late, "status": "settled", "tenant": "local", "user": "ada", "agent": "codeur", "mission": "mis_1",
        "task": "t1", "model": "openai:big", "held": 6, "charged": 7, "overrun": 1, "usage": {}, "at": AT,
        "settled_at": "",
    }  # fmt: skip


async def test_the_overview_says_everything_at_once(service, books):
    await service.set_limit(Limit("tenant", "local", 1000, Period.MONTH), by=HUMAN)
    books.settle(books.hold(100, at="2026-10-30T10:00:00.000000Z"), 90)
    books.settle(books.hold(100, at="2026-11-02T10:00:00.000000Z"), 80)
    held = books.hold(9)
    books.settle(books.hold(5), 6)
    overview = await service.overview()
    assert [line.charged for line in (overview.today, overview.month, overview.total)] == [6, 86, 176]
    assert [hold.id for hold in overview.open] == [held]
    (standing,) = overview.standings
    assert (standing.bucket, standing.spent, standing.held, standing.left) == ("2026-11", 86, 9, 905)
    assert [stop.account for stop in overview.stops] == ["model:openai:big", "tenant:local"]
    assert overview.stops[0].as_data()["overrun"] == 1


async def test_a_stopped_account_goes_on_when_a_human_clears_it(service, books):
    budget = Limit("mission", "mis_1", 100)
    books.settle(books.hold(5, budget), 6)
    with pytest.raises(NothingStopped):
        await service.clear("user:ada", by=HUMAN)
    assert await service.clear("mission:mis_1", by=HUMAN, reason="seen") == 1
    with pytest.raises(AccountStopped, match="model:openai:big"):
        books.hold(1)
    assert await service.clear(None, by=HUMAN) == 1
    books.hold(94, budget)
    assert await service.clear(None, by=HUMAN) == 0
    books.settle(books.hold(5), 6)
    with pytest.raises(AccountStopped):
        books.hold(1)


async def test_a_call_outside_missions_waits_and_is_counted(service, storage):
    limit = Limit("mission", "mis_1", 100)

    def settle(name, amount):
        settled = storage.write_sync(lambda c: service.ledger.settle(c, name, amount, at=AT, usage=Usage(3, 2, 1)))
        service.settled(settled)
        return settled

    await service.hold(Hold("a", 60, ADA, 1, AT, (limit,)))
    waiting = asyncio.create_task(service.hold(Hold("b", 60, ADA, 1, AT, (limit,))))
    async with asyncio.timeout(30):
        while not service.queue.waiting():
            await asyncio.sleep(0.001)
    settle("a", 40)
    await asyncio.wait_for(waiting, 30)
    settle("b", 61)
    settle("b", 61)
    service.figures.refused(HoldTimedOut(limit="x", wanted=1, held=1, seconds=1))
    text = exposition(service.figures.families, process=False).decode()
    labels = 'agent="codeur",model="openai:big"'
    for line in (
        f"credits_spent_total{{{labels}}} 0.000101",
        f"credits_overrun_total{{{labels}}} 1e-06",
        f'credits_calls_total{{{labels},status="settled"}} 2.0',
        'credits_tokens_total{agent="codeur",kind="input",model="openai:big"} 6.0',
        'credits_tokens_total{agent="codeur",kind="cached",model="openai:big"} 2.0',
        'credits_refused_total{code="NG-CREDITS-005"} 1.0',
        "credits_wait_seconds_count 1.0",
    ):
        assert line in text


WRECKS = {
    "movement": "INSERT INTO ledger_entries VALUES (99, 'local', '{id}', 'hold', 0, 0, 5, '2026')",
    "posting without hold": "INSERT INTO ledger_entries VALUES (99, 'local', 'ghost', 'hold', 0, 0, 0, '2026')",
    "hold": "UPDATE credit_holds SET amount = amount + 1 WHERE status = 'held'",
    "charge": "UPDATE credit_holds SET charged = charged - 1 WHERE status = 'settled'",
    "balance spent": "UPDATE credit_balances SET spent = spent - 1",
    "balance held": "UPDATE credit_balances SET held = 0",
    "balance granted": "UPDATE credit_balances SET granted = 99",
}


@pytest.mark.parametrize("kind", WRECKS)
async def test_the_audit_finds_what_was_tampered_with(service, books, storage, kind):
    limit = Limit("user", "ada", 100)
    books.settle(books.hold(20, limit), 10)
    name = books.hold(20, limit)
    assert await service.verify() == []

    def wreck(connection):
        connection.exec_driver_sql("PRAGMA ignore_check_constraints=ON")
        connection.exec_driver_sql(WRECKS[kind].format(id=name))
        connection.exec_driver_sql("PRAGMA ignore_check_constraints=OFF")

    storage.write_sync(wreck)
    found = await service.verify()
    assert kind in {each.kind for each in found}
    assert all(each.found != each.expected for each in found)


@pytest.mark.parametrize(
    ("said", "micro"),
    [("5", 5_000_000), ("0.000001", 1), ("0.0000001", 1), ("1.5", 1_500_000), (2, 2_000_000), ("0", 0)],
)
def test_credits_become_integers_rounded_up(said, micro):
    assert from_credits(said) == micro


@pytest.mark.parametrize("said", ["-1", "nan", "inf", "five", "", None, True])
def test_what_is_no_amount_is_refused(said):
    with pytest.raises(AmountRefused):
        from_credits(said)


def test_prices_become_credits_rounded_up():
    from decimal import Decimal

    assert from_usd(Decimal("0.01"), Decimal("0.01")) == 1_000_000
    assert from_usd(Decimal("0.000000000001"), Decimal("0.01")) == 1
    assert from_usd(Decimal(0), Decimal("0.01")) == 0


@pytest.mark.parametrize(
    ("micro", "said"), [(0, "0"), (1, "0.000001"), (10_000_000, "10"), (1_500_000, "1.5"), (-1_500_000, "-1.5")]
)
def test_amounts_are_said_in_credits(micro, said):
    assert shown(micro) == said


async def test_a_limit_on_each_task_binds_every_task_above_the_one_that_spends(service, storage):
    """A task is spent for by the agents it calls, each in a task of its own."""
    await service.set_limit(Limit("task", "*", 100), by=HUMAN)
    books = Books(storage)
    books.hold(90, scopes=ADA._replace(task="t1/2"))
    with pytest.raises(HoldWaits):
        books.hold(20, scopes=ADA._replace(task="t1/3"))
    books.hold(20, scopes=ADA._replace(task="t2"))
    assert await service.verify() == []

"""Holding and settling: every limit is checked, nothing is settled twice, what is unknown is charged in full.

Each test runs on a file with statements on the driver, and in memory with statements through Core.
"""

import pickle

import pytest
from tests.unit.credits.conftest import ADA, AT

from nextgeneration.credits.audit import verify
from nextgeneration.credits.errors import (
    AccountStopped,
    AmountRefused,
    HoldKnown,
    HoldUnknown,
    HoldWaits,
    LimitForeign,
    OverLimit,
    PriceMissing,
)
from nextgeneration.credits.schema import MAX_AMOUNT, Hold, HoldStatus, Limit, Period, Room, Scopes
from nextgeneration.kernel.models import Usage
from nextgeneration.storage.sealed import encoded

MISSION = Limit("mission", "mis_1", 1000)
SPENT = Usage(input=70, output=30, cached=20, reasoning=5)


def agree(storage):
    return storage.read_sync(verify) == []


def test_a_settled_hold_gives_the_rest_back(books, storage):
    name = books.hold(600, MISSION)
    assert books.get(name).status is HoldStatus.HELD
    assert books.room(MISSION) == Room(left=1000, free=400)
    settled = books.settle(name, 250, usage=SPENT)
    assert (settled.status, settled.held, settled.charged, settled.overrun) == ("settled", 600, 250, 0)
    assert (settled.scopes, settled.usage, settled.attempt, settled.at) == (ADA, SPENT, 1, AT)
    assert books.room(MISSION) == Room(left=750, free=750)
    assert agree(storage)


def test_settling_twice_changes_nothing(books, storage):
    name = books.hold(600, MISSION)
    first = books.settle(name, 250, usage=SPENT)
    for amount, status in ((600, "settled"), (None, "unconfirmed"), (0, "released")):
        again = books.settle(name, amount, status=status, at="2027-01-01T00:00:00.000000Z")
        assert again.again
        assert not first.again
        assert (again.charged, again.status, again.usage, again.settled_at) == (250, "settled", SPENT, AT)
    assert books.room(MISSION).free == 750
    assert agree(storage)


def test_a_released_hold_costs_nothing(books, storage):
    name = books.hold(600, MISSION)
    settled = books.settle(name, None, status="released")
    assert (settled.status, settled.charged) == ("released", 0)
    assert books.room(MISSION) == Room(1000, 1000)
    assert agree(storage)


def test_an_id_is_held_once(books, storage):
    name = books.hold(100)
    with pytest.raises(HoldKnown, match=name):
        books.hold(100, name=name)
    books.settle(name, 5)
    with pytest.raises(HoldKnown):
        books.hold(100, name=name)
    assert agree(storage)


def test_what_was_never_held_cannot_be_settled(books):
    with pytest.raises(HoldUnknown):
        books.settle("nothing", 5)
    with pytest.raises(HoldUnknown):
        books.get("nothing")
    name = books.hold(5)
    with pytest.raises(HoldUnknown):
        books.settle(name, 5, tenant="other")


def test_over_a_limit_is_over_although_others_hold(books, storage):
    spent = books.hold(500, MISSION)
    books.settle(spent, 500)
    books.hold(300, MISSION)
    with pytest.raises(HoldWaits) as waits:
        books.hold(201, MISSION)
    assert waits.value.values == {
        "limit": "mission:mis_1/total",
        "account": "mission:mis_1",
        "held": 300,
        "spent": 500,
        "wanted": 201,
    }
    with pytest.raises(OverLimit) as over:
        books.hold(501, MISSION)
    assert over.value.values == {"limit": "mission:mis_1/total", "spent": 500, "wanted": 501, "left": 500}
    books.hold(200, MISSION)
    with pytest.raises(HoldWaits):
        books.hold(1, MISSION)
    assert agree(storage)


def test_what_was_refused_left_nothing_behind(books, storage):
    for _ in range(3):
        with pytest.raises(OverLimit):
            books.hold(1001, MISSION)
    assert books.room(MISSION) == Room(1000, 1000)
    assert storage.read_sync(lambda c: c.exec_driver_sql("SELECT count(*) FROM credit_holds").scalar()) == 0
    assert storage.read_sync(lambda c: c.exec_driver_sql("SELECT count(*) FROM ledger_entries").scalar()) == 0


def test_a_limit_that_cannot_be_met_wins_over_one_that_waits(books):
    task = Limit("task", "mis_1/t1", 400)
    books.hold(900, MISSION, scopes=ADA._replace(task="t2"))
    with pytest.raises(OverLimit, match="task:mis_1/t1"):
        books.hold(401, MISSION, task)
    with pytest.raises(HoldWaits, match="mission:mis_1"):
        books.hold(400, MISSION, task)


def test_the_limit_that_leaves_least_refuses(books):
    """Whoever asks for less after that asks for what fits every limit."""
    limits = [Limit("user", "ada", 300), Limit("agent", "codeur", 100), Limit("model", "openai:big", 200)]
    with pytest.raises(OverLimit, match="agent:codeur") as over:
        books.hold(400, *limits)
    books.hold(over.value.left, *limits)
    with pytest.raises(HoldWaits, match="agent:codeur"):
        books.hold(100, *limits)


@pytest.mark.parametrize("amount", [-1, True, 1.0, 1.5, float("nan"), 2**53 + 1, 2**63, "5", None])
def test_only_whole_credits_stand_in_the_books(books, storage, amount):
    with pytest.raises(AmountRefused):
        books.hold(amount)
    name = books.hold(5)
    if amount is not None:
        with pytest.raises(AmountRefused):
            books.settle(name, amount)
    with pytest.raises(AmountRefused):
        books.hold(1, Limit("mission", "mis_1", amount))
    assert books.get(name).status == "held"
    assert agree(storage)


def test_the_largest_amounts_stand_exactly(books, storage):
    limit = Limit("mission", "mis_1", MAX_AMOUNT)
    name = books.hold(MAX_AMOUNT, limit)
    assert books.settle(name, MAX_AMOUNT).charged == MAX_AMOUNT
    assert books.room(limit) == Room(0, 0)
    with pytest.raises(OverLimit):
        books.hold(1, limit)
    assert agree(storage)


def test_a_limit_must_concern_the_call(books):
    with pytest.raises(LimitForeign, match="mission:mis_2/total"):
        books.hold(1, Limit("mission", "mis_2", 10))


@pytest.mark.parametrize(
    ("per", "same", "later"),
    [
        (Period.HOUR, "2026-11-21T14:59:59.999999Z", "2026-11-21T15:00:00.000000Z"),
        (Period.DAY, "2026-11-21T23:59:59.999999Z", "2026-11-22T00:00:00.000000Z"),
        (Period.MONTH, "2026-11-30T23:59:59.999999Z", "2026-12-01T00:00:00.000000Z"),
    ],
)
def test_a_period_begins_anew(books, storage, per, same, later):
    limit = Limit("user", "ada", 100, per)
    books.settle(books.hold(60, limit), 60, at=later)
    with pytest.raises(OverLimit):
        books.hold(41, limit, at=same)
    books.hold(100, limit, at=later)
    books.hold(40, limit, at=same)
    assert agree(storage)


def test_a_charge_belongs_to_the_period_it_was_held_in(books):
    hourly = Limit("user", "ada", 100, Period.HOUR)
    name = books.hold(80, hourly, at="2026-11-21T14:59:59.000000Z")
    books.settle(name, 70, at="2026-11-21T15:00:03.000000Z")
    assert books.room(hourly, at="2026-11-21T14:00:00.000000Z").left == 30
    assert books.room(hourly, at="2026-11-21T15:00:00.000000Z").left == 100


@pytest.mark.parametrize("per", [Period.HOUR, Period.DAY, Period.MONTH])
def test_a_period_counts_neither_what_was_before_nor_what_came_after(books, per):
    for at in ("2026-10-21T14:30:00.000000Z", "2026-12-21T14:30:00.000000Z"):
        books.settle(books.hold(30, at=at), 30, at=at)
    books.settle(books.hold(7), 7)
    assert books.room(Limit("user", "ada", 100, per)).left == 93


def test_a_limit_that_comes_later_counts_what_is_spent_and_held(books, storage):
    books.settle(books.hold(50), 30)
    open_ = books.hold(20)
    limit = Limit("model", "openai:big", 100)
    with pytest.raises(OverLimit):
        books.hold(71, limit)
    with pytest.raises(HoldWaits):
        books.hold(51, limit)
    books.hold(50, limit)
    books.settle(open_, 0)
    books.hold(20, limit)
    assert agree(storage)


def test_a_call_counts_in_each_of_its_accounts_and_in_no_other(books):
    everywhere = [Limit(scope, name, 100) for scope, name in (account.split(":", 1) for account in ADA.accounts())]
    books.settle(books.hold(40, *everywhere), 40)
    assert [each.spent for each in books.standings(*everywhere)] == [40] * 6
    bob = Scopes("local", "bob", "auditeur", "mis_2", "t1", "openai:small")
    others = [Limit(scope, name, 100) for scope, name in (account.split(":", 1) for account in bob.accounts())]
    assert [each.spent for each in books.standings(*others, scopes=bob)] == [40, 0, 0, 0, 0, 0]


def test_what_concerns_nobody_counts_for_the_tenant_only(books, storage):
    tenant = Limit("tenant", "local", 100)
    books.settle(books.hold(40, tenant, scopes=Scopes()), 40)
    assert books.room(tenant, scopes=Scopes()).left == 60
    assert agree(storage)


def test_tenants_do_not_share(books):
    limit = Limit("user", "ada", 100)
    name = books.hold(100, limit)
    other = Scopes("other", "ada")
    books.hold(100, limit, scopes=other, name=name)
    assert books.settle(name, 60, tenant="other").scopes.tenant == "other"
    assert books.get(name).status == "held"
    assert books.room(limit).free == 0
    assert books.room(limit, scopes=other) == Room(40, 40)


def test_a_soft_limit_warns_and_refuses_nothing(books):
    soft = Limit("agent", "codeur", 100, Period.DAY, soft=True)
    books.settle(books.hold(79, soft), 79)
    assert books.warnings == ()
    books.hold(1, soft)
    (warning,) = books.warnings
    assert (warning.limit, warning.bucket, warning.share, warning.asks) == (soft, "2026-11-21", 80, True)
    assert warning.as_data()["cap"] == 100
    books.hold(500, soft)
    (warning,) = books.warnings
    assert (warning.share, warning.spent, warning.held, warning.wanted) == (580, 79, 1, 500)
    assert books.room(soft) is None
    books.hold(1, Limit("agent", "codeur", 0, soft=True))
    assert books.warnings[0].share == 100


def test_more_than_the_worst_case_is_recorded_and_stops(books, storage):
    cheap = Limit("model", "openai:big", 10_000)
    name = books.hold(100, MISSION)
    other = books.hold(100, MISSION, cheap)
    settled = books.settle(name, 130)
    assert (settled.charged, settled.overrun) == (130, 30)
    for limits in ((), (MISSION,), (cheap,)):
        with pytest.raises(AccountStopped) as stopped:
            books.hold(1, *limits)
        assert (stopped.value.hold, stopped.value.overrun) == (name, 30)
    assert books.room(MISSION) == Room(0, 0)
    assert books.settle(other, 100).overrun == 0, "what is held is settled all the same"
    elsewhere = Scopes("local", "ada", "codeur", "mis_2", "t1", "openai:small")
    books.hold(1, scopes=elsewhere)
    with pytest.raises(AccountStopped, match="mission:mis_1"):
        books.hold(1, scopes=Scopes("local", "ada", "codeur", "mis_1", "t1", "openai:small"))
    assert agree(storage)


def test_two_overruns_at_once_are_both_kept(books, storage):
    one, two = books.hold(10), books.hold(10)
    books.settle(one, 11)
    books.settle(two, 12)
    rows = storage.read_sync(lambda c: c.exec_driver_sql("SELECT hold_id, overrun FROM credit_stops").fetchall())
    assert sorted(tuple(row) for row in rows) == [(one, 1), (two, 2)]


def test_a_dead_attempt_is_charged_in_full(books, storage):
    read = books.hold(100, MISSION)
    books.settle(read, 40)
    lost, later = books.hold(200, MISSION), books.hold(50, MISSION, attempt=2)
    elsewhere = books.hold(70, scopes=Scopes(mission="mis_2"))
    (dead,) = books.charge_dead("mis_1", 2)
    assert (dead.id, dead.charged, dead.status, dead.usage) == (lost, 200, "unconfirmed", Usage())
    assert books.charge_dead("mis_1", 2) == []
    assert books.charge_dead("mis_1", 9, tenant="other") == []
    assert [books.get(name).status for name in (read, later, elsewhere)] == ["settled", "held", "held"]
    assert books.room(MISSION) == Room(left=760, free=710)
    assert books.settle(lost, 3).charged == 200, "an answer that comes after that changes nothing"
    assert agree(storage)


def test_a_call_without_price_leaves_its_tokens(books, storage):
    settled = books.record(usage=SPENT)
    assert (settled.status, settled.charged, settled.usage, settled.again) == ("settled", 0, SPENT, False)
    again = books.record(usage=Usage(1, 1))
    assert (again.again, again.usage) == (True, SPENT)
    with pytest.raises(AmountRefused):
        books.record(5, usage=SPENT, name="priced")
    assert books.room(MISSION).left == 1000
    assert agree(storage)


def test_an_unknown_price_is_refused_where_a_hard_limit_applies(books, storage):
    def refuse(*limits):
        storage.read_sync(lambda c: books.ledger.refuse_unpriced(c, ADA, "local:x", AT, limits))

    refuse()
    refuse(Limit("mission", "mis_1", 5, soft=True))
    with pytest.raises(PriceMissing, match=r"local:x .* mission:mis_1/total"):
        refuse(MISSION)


def test_no_limit_means_no_bound(books):
    assert books.room() is None
    books.hold(MAX_AMOUNT)


def test_errors_keep_their_integers_and_say_credits(books):
    with pytest.raises(OverLimit) as over:
        books.hold(2_500_000, Limit("mission", "mis_1", 1_000_001))
    error = pickle.loads(pickle.dumps(over.value))
    assert error.message() == "mission:mis_1/total leaves 1.000001 credits, the call may cost 2.5 (0 spent)"
    assert error.message("fr").startswith("mission:mis_1/total laisse 1.000001 crédits")
    assert encoded(error.values).startswith(b'{"limit":"mission:mis_1/total","spent":0,"wanted":2500000')
    assert error.exit_code == 6


def test_what_a_task_below_spends_counts_for_those_above(books, storage):
    """Agents that an agent calls may not spend more than it may, however many they are."""
    limit = Limit("task", "mis_1/t1", 100)
    below = [ADA._replace(task=task) for task in ("t1/2", "t1/2/1", "t1/3")]
    first = books.hold(60, limit, scopes=below[0])
    books.settle(first, 50)
    books.hold(40, limit, scopes=below[1])
    with pytest.raises(HoldWaits):
        books.hold(20, limit, scopes=below[2])
    with pytest.raises(HoldWaits):
        books.hold(20, limit)
    other = ADA._replace(task="t11")
    books.hold(90, Limit("task", "mis_1/t11", 100), scopes=other)
    assert agree(storage)


def test_what_others_spent_before_makes_the_first_hold_of_a_mission_no_dearer(books, storage):
    """Its balance is counted from its own holds: an installation that was used for years must not become slow."""

    def steps(mission):
        taken = []

        def op(connection):
            driver = connection.connection.driver_connection
            driver.set_progress_handler(lambda: taken.append(1) and None, 10)
            try:
                scopes = ADA._replace(mission=mission)
                limits = Limit("mission", mission, 1000), Limit("task", f"{mission}/t1", 1000)
                books.ledger.hold(connection, Hold(f"{mission}/t1/1/1", 5, scopes, 1, AT, limits))
            finally:
                driver.set_progress_handler(None, 0)

        storage.write_sync(op)
        return len(taken)

    before = steps("mis_2")
    for _ in range(300):
        books.hold(1)
    assert steps("mis_3") < 1.5 * before

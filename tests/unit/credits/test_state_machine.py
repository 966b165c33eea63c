"""Whatever is held, settled, granted or limited in whatever order, the books agree with a plain account of it."""

from collections import defaultdict

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from nextgeneration.credits.audit import verify
from nextgeneration.credits.errors import AccountStopped, HoldKnown, HoldWaits, LimitUnknown, OverLimit
from nextgeneration.credits.schema import Hold, Limit, Period, Scopes
from nextgeneration.credits.service import Credits
from nextgeneration.storage.database import Storage
from nextgeneration.testing.clock import ManualClock

AT = "2026-11-21T14:30:00.000000Z"
USERS, AGENTS, MISSIONS = ("ada", "bob"), ("codeur", "auditeur"), ("m1", "m2")
SCOPES = st.builds(
    Scopes,
    tenant=st.just("local"),
    user=st.sampled_from((*USERS, "")),
    agent=st.sampled_from((*AGENTS, "")),
    mission=st.sampled_from(MISSIONS),
    task=st.sampled_from(("t", "t/2", "t/2/1")),
    model=st.sampled_from(("p:big", "p:small")),
)
LIMITED = st.sampled_from(
    [("user", "ada"), ("user", "*"), ("agent", "codeur"), ("mission", "m1"), ("model", "p:big"), ("tenant", "local")]
)
AMOUNTS = st.integers(0, 120)
BUDGETS = st.none() | st.integers(0, 300)


class LedgerMachine(RuleBasedStateMachine):
    holds = Bundle("holds")

    def __init__(self):
        super().__init__()
        self.clock = ManualClock()
        self.storage = Storage.open("sqlite://")
        self.credits = Credits(self.storage, clock=self.clock)
        self.known = {}
        self.limits = {}
        self.granted = defaultdict(int)
        self.stopped = set()

    def teardown(self):
        self.storage.close()

    def now(self):
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def run(self, coroutine):
        """The memory database answers at once, so that nothing here needs a loop."""
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("it waited")

    def used(self, account, bucket):
        mine = [h for h in self.known.values() if account in h["scopes"].accounts() and h["at"].startswith(bucket)]
        spent = sum(h["charged"] for h in mine)
        return spent, sum(h["amount"] for h in mine if h["status"] == "held")

    def applying(self, scopes, inline):
        found = [(limit.account, limit.per, limit.amount, limit.soft) for limit in inline]
        own = dict(account.split(":", 1) for account in scopes.accounts() if account)
        for (scope, name, per), (amount, soft) in self.limits.items():
            if scope in own and name in ("*", own[scope]):
                found.append((f"{scope}:{own[scope]}", per, amount, soft))
        return found

    def expected(self, scopes, amount, inline):
        if self.stopped & set(scopes.accounts()):
            return AccountStopped
        waits = None
        for account, per, cap, soft in self.applying(scopes, inline):
            bucket = per.bucket(self.now())
            spent, held = self.used(account, bucket)
            cap += self.granted[account, bucket]
            if soft:
                continue
            if spent + amount > cap:
                return OverLimit
            if spent + held + amount > cap:
                waits = HoldWaits
        return waits

    @rule(target=holds, scopes=SCOPES, amount=AMOUNTS, budget=BUDGETS, share=BUDGETS, attempt=st.integers(1, 3))
    def hold(self, scopes, amount, budget, share, attempt):
        inline = () if budget is None else (Limit("mission", scopes.mission, budget),)
        if share is not None:
            inline += (Limit("task", f"{scopes.mission}/t", share),)
        name, at = f"h{len(self.known)}", self.now()
        expected = self.expected(scopes, amount, inline)
        refused = None
        try:
            self.storage.write_sync(
                lambda c: self.credits.ledger.hold(c, Hold(name, amount, scopes, attempt, at, inline))
            )
        except (OverLimit, HoldWaits, AccountStopped) as error:
            refused = type(error)
        assert refused is expected
        if refused is not None:
            return ""
        self.known[name] = {
            "scopes": scopes, "amount": amount, "charged": 0, "status": "held", "at": at, "attempt": attempt,
            "limited": {account for account, *_ in self.applying(scopes, inline)},
        }  # fmt: skip
        return name

    @rule(
        name=holds, amount=AMOUNTS, more=st.booleans(), status=st.sampled_from(["settled", "unconfirmed", "released"])
    )
    def settle(self, name, amount, more, status):
        if not name:
            return
        hold = self.known[name]
        amount = amount if more else min(amount, hold["amount"])
        settled = self.storage.write_sync(
            lambda c: self.credits.ledger.settle(c, name, amount, status=status, at=self.now())
        )
        if hold["status"] == "held":
            hold["status"], hold["charged"] = status, 0 if status == "released" else amount
            if hold["charged"] > hold["amount"]:
                stopped = {row[0] for row in self.storage.read_sync(self.stops)}
                assert f"model:{hold['scopes'].model}" in stopped
                assert {a for a in hold["limited"] if self.still_limited(a)} <= stopped
                self.stopped = stopped
        assert (settled.status, settled.charged) == (hold["status"], hold["charged"])

    def stops(self, connection):
        return connection.exec_driver_sql("SELECT account FROM credit_stops WHERE cleared_at IS NULL").fetchall()

    def still_limited(self, account):
        scope, _, name = account.partition(":")
        return any(key[0] == scope and key[1] in ("*", name) for key in self.limits)

    @rule(name=holds)
    def hold_again(self, name):
        if not name:
            return
        hold = self.known[name]
        if self.expected(hold["scopes"], hold["amount"], ()) is not None:
            return
        again = Hold(name, hold["amount"], hold["scopes"], 1, self.now())
        try:
            self.storage.write_sync(lambda c: self.credits.ledger.hold(c, again))
        except HoldKnown:
            return
        raise AssertionError("held twice")

    @rule(mission=st.sampled_from(MISSIONS), attempt=st.integers(1, 4))
    def charge_dead(self, mission, attempt):
        dead = self.storage.write_sync(lambda c: self.credits.ledger.charge_dead(c, mission, attempt, self.now()))
        lost = {
            name
            for name, h in self.known.items()
            if h["status"] == "held" and h["attempt"] < attempt and h["scopes"].mission == mission
        }
        assert {settled.id for settled in dead} == lost
        for name in lost:
            self.known[name] |= {"status": "unconfirmed", "charged": self.known[name]["amount"]}

    @rule(where=LIMITED, per=st.sampled_from(list(Period)), amount=st.integers(0, 400), soft=st.booleans())
    def limit(self, where, per, amount, soft):
        self.run(self.credits.set_limit(Limit(*where, amount, per, soft), by="human:ada"))
        self.limits[*where, per] = amount, soft

    @rule(where=LIMITED, per=st.sampled_from(list(Period)))
    def unlimit(self, where, per):
        if self.limits.pop((*where, per), None) is not None:
            self.run(self.credits.remove_limit(*where, per))

    @rule(where=LIMITED, per=st.sampled_from(list(Period)), amount=st.integers(1, 100))
    def grant(self, where, per, amount):
        scope, name = where
        name = "ada" if name == "*" else name
        allowed = {(scope, name, per), (scope, "*", per)} & set(self.limits) or (scope, per) == ("mission", "total")
        try:
            self.run(self.credits.grant(scope, name, amount, per, reason="more", by="human:ada"))
        except LimitUnknown:
            assert not allowed
            return
        assert allowed
        self.granted[f"{scope}:{name}", per.bucket(self.now())] += amount

    @rule()
    def clear(self):
        assert self.run(self.credits.clear(None, by="human:ada")) >= len(self.stopped)
        self.stopped = set()

    @rule(seconds=st.sampled_from([1, 1800, 86400, 20 * 86400]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @invariant()
    def the_books_agree_with_themselves(self):
        assert self.storage.read_sync(verify) == []

    @invariant()
    def the_books_agree_with_a_plain_account(self):
        line = self.run(self.credits.cost())
        spent, held = self.used("tenant:local", "")
        assert (line.charged, line.held, line.calls) == (spent, held, len(self.known))
        rows = self.storage.read_sync(
            lambda c: c.exec_driver_sql("SELECT account, bucket, spent, held, granted FROM credit_balances").fetchall()
        )
        for account, bucket, is_spent, is_held, granted in rows:
            assert (is_spent, is_held) == self.used(account, bucket)
            assert granted == self.granted[account, bucket]
            assert min(is_spent, is_held, granted) >= 0

    @invariant()
    def every_movement_cancels_out(self):
        rows = self.storage.read_sync(
            lambda c: c.exec_driver_sql("SELECT available + held + spent FROM ledger_entries").fetchall()
        )
        assert all(row[0] == 0 for row in rows)


class BudgetMachine(RuleBasedStateMachine):
    """Under a limit that stands, no order of holds and settlements within them ever spends or holds more than it."""

    held = Bundle("held")
    LIMIT = Limit("mission", "m1", 1000)

    def __init__(self):
        super().__init__()
        self.storage = Storage.open("sqlite://")
        self.credits = Credits(self.storage, clock=ManualClock())
        self.count = 0

    def teardown(self):
        self.storage.close()

    @rule(target=held, amount=st.integers(0, 500))
    def hold(self, amount):
        self.count += 1
        name = f"h{self.count}"
        hold = Hold(name, amount, Scopes(mission="m1"), 1, AT, (self.LIMIT,))
        left = self.LIMIT.amount - self.standing().spent
        try:
            self.storage.write_sync(lambda c: self.credits.ledger.hold(c, hold))
        except OverLimit:
            event("over")
            assert amount > left
        except HoldWaits:
            event("waits")
            assert amount > self.standing().left
        else:
            return name
        return ""

    @rule(name=held, share=st.integers(0, 100))
    def settle(self, name, share):
        if name:
            worst = self.storage.read_sync(lambda c: self.credits.ledger.get(c, name)).held
            self.storage.write_sync(lambda c: self.credits.ledger.settle(c, name, worst * share // 100, at=AT))

    def standing(self):
        found = self.storage.read_sync(
            lambda c: self.credits.ledger.standings(c, Scopes(mission="m1"), AT, (self.LIMIT,))
        )
        return found[0]

    @invariant()
    def the_limit_holds(self):
        each = self.standing()
        assert 0 <= each.spent <= each.spent + each.held <= self.LIMIT.amount


LedgerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestLedger = pytest.mark.slow(LedgerMachine.TestCase)
BudgetMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestBudget = BudgetMachine.TestCase

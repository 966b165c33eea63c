"""Any order of claims, crashes, calls, answers and cancellations keeps the promises.

The witness counts outside calls by key: never twice for a call that may happen once, unless a human said so.
"""

import asyncio
import contextlib
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.missions.effects import Policy
from nextgeneration.missions.errors import ApprovalAlreadyDecided, LeaseLost, MissionEnded, Parked
from nextgeneration.missions.schema import MissionRequest
from nextgeneration.missions.service import Missions
from nextgeneration.storage.database import Storage
from nextgeneration.testing.clock import ManualClock
from nextgeneration.testing.tools import FakeTool

TASKS = ("a", "b")
PLACES = ("effect.judged", "effect.intent", "effect.called", "effect.outcome", "approval.asking", "approval.asked")


class Cut(Exception):
    pass


class MissionMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.storage = Storage.open("sqlite://")
        self.clock = ManualClock()
        self.missions = Missions(self.storage, clock=self.clock, holder="far.1:boot:1:1", at=self.at)
        self.cut = None
        self.witness = Counter()
        self.retries = Counter()
        self.tools = {
            "once": FakeTool("once", self.act, effect=EffectRule.ONCE, risk=RiskLabel.WRITE),
            "keyed": FakeTool("keyed", self.act, effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE),
        }
        request = MissionRequest(goal="x", workspace="/srv/work")
        self.id = self.run(self.missions.accept(request)).id
        self.claim = None
        self.zombies = []
        self.answers = {}
        self.ended = None

    def run(self, work):
        return self.loop.run_until_complete(work)

    def act(self, _args, context):
        self.witness[context.key] += 1
        return {"n": self.witness[context.key]}

    def at(self, place):
        if place == self.cut:
            self.cut = None
            raise Cut

    @precondition(lambda self: self.claim is None and not self.ended)
    @rule()
    def take(self):
        try:
            self.claim = self.run(self.missions.claim(self.id))
        except NGError:
            self.clock.advance(60)
            self.claim = self.run(self.missions.claim(self.id))
        self.door = self.claim.door(self.tools, Policy(), "/tmp")

    @precondition(lambda self: self.claim is not None)
    @rule()
    def crash(self):
        self.missions._shared.live.clear()
        self.zombies.append((self.claim, self.door))
        self.claim = None
        self.clock.advance(60)

    @precondition(lambda self: self.claim is not None)
    @rule(task=st.sampled_from(TASKS), tool=st.sampled_from(["once", "keyed"]), cut=st.sampled_from([None, *PLACES]))
    def work(self, task, tool, cut):
        self.cut = cut

        async def program():
            door = self.door.task(task, "agent")
            for n in range(3):
                result = await door.call(tool, {"n": n, "task": task})
                key = (task, n)
                assert self.answers.setdefault(key, result) == result, "a recorded answer never changes"

        tool = "once" if task == "a" else "keyed"
        try:
            self.run(program())
        except Parked:
            pass
        except Cut:
            self.crash()
        self.cut = None

    @precondition(lambda self: self.zombies)
    @rule(data=st.data())
    def zombie_writes(self, data):
        claim, door = data.draw(st.sampled_from(self.zombies))
        before = dict(self.witness)
        overtaken = self.run(self.missions.get(self.id)).attempt > claim.attempt
        with contextlib.suppress(LeaseLost, MissionEnded, Parked):
            self.run(door.task("z", "agent", []).call("keyed", {}))
        assert not overtaken or dict(self.witness) == before, "a zombie calls nothing"

    @rule(data=st.data())
    def answer(self, data):
        pending = self.run(self.missions.approvals.pending())
        if not pending:
            return
        approval = data.draw(st.sampled_from(pending))
        verdict = data.draw(st.sampled_from(["retry", "done"] if approval.kind == "in_doubt" else ["approved"]))
        self.run(self.missions.approvals.decide(approval.id, verdict, "human:ada"))
        if verdict == "retry":
            card = self.run(self.missions.approvals.get(approval.id)).card
            self.retries[approval.task_id, card["calls"][0]["args"]["n"]] += 1
        try:
            self.run(self.missions.approvals.decide(approval.id, verdict, "human:eve"))
        except ApprovalAlreadyDecided:
            return
        raise AssertionError("answered twice")

    @precondition(lambda self: self.claim is not None)
    @rule()
    def wait(self):
        if self.run(self.claim.wait("an answer")):
            self.claim = None

    @precondition(lambda self: self.claim is not None)
    @rule()
    def release(self):
        self.run(self.claim.release())
        self.claim = None

    @invariant()
    def a_call_that_may_happen_once_happened_once(self):
        for key, times in self.witness.items():
            _, task, position, tool = key.split("/")
            if tool == "once":
                assert times <= 1 + self.retries[task, int(position) - 1], key

    @invariant()
    def the_journal_has_no_gap(self):
        journal = self.run(self.missions.journal(self.id))
        assert [event.seq for event in journal] == list(range(1, len(journal) + 1))

    @invariant()
    def the_mission_is_never_lost(self):
        mission = self.run(self.missions.get(self.id))
        assert mission.status in {"queued", "running", "waiting"}
        if mission.status == "waiting":
            asked = self.run(self.missions.approvals.pending())
            free = [line.id for line in self.run(self.missions.orphans())]
            assert bool(asked) != bool(free), "it waits for a question that is shown, or anybody may take it"

    def teardown(self):
        self.storage.close()
        self.loop.close()


MissionMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestMissionMachine = pytest.mark.slow(MissionMachine.TestCase)

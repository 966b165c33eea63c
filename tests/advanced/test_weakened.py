"""The tests of the promises bite: each core assertion holds, and fails when the mechanism behind it is taken away.

A scenario is the short form of a test that guards a promise of the design. It is run twice: on the system as it is, and
on one weakened on purpose by replacing the one function that keeps the promise. A scenario that stayed green there
would be worthless.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nextgeneration.agents.manager import TemplateManager
from nextgeneration.kernel.actions import Proposal
from nextgeneration.kernel.findings import Finding, Severity
from nextgeneration.kernel.risk import Assessment, EffectRule, RiskLabel
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions import asking, judging, outcomes
from nextgeneration.missions.claims import Claim
from nextgeneration.missions.editing import World
from nextgeneration.missions.effects import Call, Policy, TaskDoor
from nextgeneration.missions.entries import Entry, Permit
from nextgeneration.missions.errors import GrantMismatch, LeaseLost, OverBudget, Parked
from nextgeneration.missions.leases import Lease
from nextgeneration.missions.performing import Performance
from nextgeneration.missions.schema import Edit, MissionBudget, MissionOptions, MissionRequest, TaskRecord
from nextgeneration.missions.service import Missions
from nextgeneration.missions.store import EffectStore, MissionStore
from nextgeneration.security.permissions import PermissionRules
from nextgeneration.services.assembly import open_services
from nextgeneration.settings.agents import AgentFactoryConfig
from nextgeneration.settings.environment import Environment
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.settings.storage import StorageSettings
from nextgeneration.settings.tools import ToolSettings
from nextgeneration.storage.database import Storage
from nextgeneration.storage.sheet import Sheet
from nextgeneration.supervisor.graph import MissionGraph
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.testing.clock import ManualClock
from nextgeneration.testing.tools import FakeTool
from nextgeneration.tools.shell.confined import Runner
from nextgeneration.tools.shell.containment import Containment
from nextgeneration.tools.shell.run import ShellRun

Patch = pytest.MonkeyPatch
LEAK = Finding(rule="pipe.leak", title="it leaks", severity=Severity.HIGH, cause="leak")


class Died(BaseException):
    """This process is gone; what it had not written is lost."""


DIED = (Died, BaseExceptionGroup)
"""What is seen of it from outside: tasks run in groups."""


def dying(place: str, times: int = 1) -> Callable[[str], None]:
    """A hook that ends the process at the first passes of a boundary."""
    left = [times]

    def at(boundary: str) -> None:
        if boundary == place and left[0]:
            left[0] -= 1
            raise Died

    return at


@dataclass
class Bench:
    """A workspace, templates and a database, opened again and again like by one process after the other."""

    root: Path
    storages: list[Storage] = field(default_factory=list)

    def missions(self, *, durable: bool = False, **parts: Any) -> Missions:
        storage = Storage.open(f"sqlite:///{self.root}/home/nextgen.db" if durable else "sqlite://")
        self.storages.append(storage)
        return Missions(storage, **parts)

    @property
    def workspace(self) -> Path:
        folder = self.root / "workspace"
        folder.mkdir(exist_ok=True)
        return folder

    def template(self, name: str, *steps: dict[str, Any], **more: Any) -> None:
        route = {"route": name, "keywords": [name]}
        data = {"name": name, "role": "worker", "domain": "tests", "supervisor_route": route, "playbook": steps, **more}
        folder = self.root / "templates"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(data))

    def services(self, *tools: Any, at: Callable[[str], None] = lambda _: None) -> Any:
        (self.root / "templates").mkdir(exist_ok=True)
        config = AgentFactoryConfig(
            templates_dir=self.root / "templates", enable_hot_reload=False, preload_templates=[]
        )
        return open_services(
            self.workspace,
            storage_settings=StorageSettings(home=self.root / "home"),
            mission_settings=MissionSettings(),
            tools=tools,
            templates=TemplateManager(config, TemplateLibrary(self.root / "templates", builtin=False, check_seconds=0)),
            at=at,
        )

    def asked(self, goal: str, *, calls: int = 100, **options: Any) -> MissionRequest:
        return MissionRequest(
            goal=goal,
            workspace=str(self.workspace),
            budget=MissionBudget(tool_calls=calls),
            options=MissionOptions(**options),
        )

    async def claimed(self, missions: Missions, *, calls: int = 100) -> Claim:
        return await missions.claim((await missions.accept(self.asked("mend it", calls=calls))).id)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for storage in bench.storages:
        storage.close()


def writer(name: str = "pipe.mend", answer: Any = lambda _a, _c: None, **declared: Any) -> FakeTool:
    return FakeTool(name, answer, **({"effect": EffectRule.ONCE, "risk": RiskLabel.WRITE} | declared))


def task(claim: Claim, tools: list[Any], root: Path, *rules: PermissionRules, name: str = "t1") -> TaskDoor:
    return claim.door({tool.spec.name: tool for tool in tools}, Policy(), root).task(name, "agent", rules)


ALLOW = PermissionRules(allow=("*",))


# -- promise 1: an accepted mission is never lost ----------------------------------------------------------------------


async def an_interrupted_mission_is_finished(bench: Bench) -> None:
    """The process dies before the first checkpoint: for the graph there is nothing that could come next."""
    look = FakeTool("pipe.look")
    bench.template("plumber", {"id": "look", "tool": "pipe.look"})
    async with bench.services(look, at=dying("plan.saved")) as services:
        mission = await services.missions.accept(bench.asked("plumber"))
        with pytest.raises(DIED):
            await services.worker.run(mission.id)
    async with bench.services(look) as services:
        await services.worker.recover()
        ended = (await services.missions.get(mission.id)).status
    assert ended == "done", "the next process finishes the mission"


def resume_only_if_the_graph_has_a_next(patch: Patch) -> None:
    run = MissionGraph.run

    async def recipe(self: Any, lead: Any) -> None:
        config = {"configurable": {"thread_id": lead.claim.mission.id}}
        state = await self._graph.aget_state(config)
        if lead.claim.attempt == 1 or state.next:
            await run(self, lead)

    patch.setattr(MissionGraph, "run", recipe)


# -- promise 2: a recorded effect is never repeated, one in doubt follows its tool's rule ------------------------------


async def a_recorded_effect_is_not_repeated(bench: Bench) -> None:
    look, slow = FakeTool("pipe.look"), FakeTool("pipe.slow")
    bench.template("plumber", {"id": "look", "tool": "pipe.look"}, {"id": "slow", "tool": "pipe.slow"})
    async with bench.services(look, slow, at=dying("effect.outcome")) as services:
        mission = await services.missions.accept(bench.asked("plumber"))
        with pytest.raises(DIED):
            await services.worker.run(mission.id)
    async with bench.services(look, slow) as services:
        await services.worker.recover()
    assert len(look.calls) == 1, "a recorded effect is not repeated"


def effects_are_never_found(patch: Patch) -> None:
    class Forgetful(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            return default

    init, add = Claim.__init__, EffectStore.add

    def forget(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        self.effects = Forgetful(self.effects)

    def over(self: Any, connection: Any, row: Any) -> None:
        place = (row["mission_id"], row["task_id"], row["position"])
        connection.exec_driver_sql("DELETE FROM effects WHERE mission_id = ? AND task_id = ? AND position = ?", place)
        add(self, connection, row)

    patch.setattr(Claim, "__init__", forget)
    patch.setattr(EffectStore, "add", over)


async def a_call_in_doubt_is_asked_about(bench: Bench) -> None:
    """The process dies after the tool did its work and before that is recorded."""
    mend = writer()
    missions = bench.missions(at=dying("effect.called"))
    claim = await bench.claimed(missions)
    with pytest.raises(DIED):
        await task(claim, [mend], bench.root, ALLOW).call("pipe.mend", {})
    await claim.release()
    claim = await missions.claim(claim.id)
    again = await asyncio.gather(task(claim, [mend], bench.root, ALLOW).call("pipe.mend", {}), return_exceptions=True)
    assert len(mend.calls) == 1, "what may have happened is not done again without a human"
    assert isinstance(again[0], Parked)


def the_intent_is_recorded_after_the_call(patch: Patch) -> None:
    intend, settle = Entry.intend, Entry.settle
    later: dict[int, tuple[Any, ...]] = {}

    async def skip(self: Any, *args: Any) -> None:
        later[id(self)] = args

    async def both(self: Any, *args: Any, **kwargs: Any) -> None:
        await intend(self, *later.pop(id(self)))
        await settle(self, *args, **kwargs)

    patch.setattr(Entry, "intend", skip)
    patch.setattr(Entry, "settle", both)


# -- promise 3: spend never passes a limit -----------------------------------------------------------------------------


async def a_budget_holds_whatever_runs_in_parallel(bench: Bench) -> None:
    count = FakeTool("count")
    claim = await bench.claimed(bench.missions(durable=True), calls=10)
    doors = [task(claim, [count], bench.root, name=f"t{n}") for n in range(8)]
    calls = [door.call("count", {"n": n}) for door in doors for n in range(5)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, OverBudget)]
    assert (len(count.calls), len(refused)) == (10, 30), "exactly what the budget allows is called"


def the_budget_is_checked_then_counted(patch: Patch) -> None:
    commit = Lease.commit

    async def check_call_deduct(self: Any, *drafts: Any, calls: int = 0, **kwargs: Any) -> None:
        if calls:
            standing = await self.shared.storage.read(lambda c: MissionStore().standing(c, self.id))
            if standing[3] + calls > standing[4]:
                raise OverBudget(scope=self.id, limit=standing[4], unit="tool_calls")
        await commit(self, *drafts, calls=0, **kwargs)
        if calls:
            counted = "UPDATE missions SET tool_calls = tool_calls + ? WHERE id = ?"
            await self.shared.storage.write(lambda c: c.exec_driver_sql(counted, (calls, self.id)).rowcount)

    patch.setattr(Lease, "commit", check_call_deduct)


# -- promise 4: an approval holds for exactly what it showed, once -----------------------------------------------------


class Changing(FakeTool):
    """What a call would do depends on something that changes."""

    target = "tap"

    def assess(self, args: Any, context: Any) -> Assessment:
        return Assessment(label=self.spec.risk, conditions={"target": self.target})


async def an_approval_is_for_what_was_shown(bench: Bench) -> None:
    mend = Changing("pipe.mend", effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE)
    missions = bench.missions()
    claim = await bench.claimed(missions)
    with pytest.raises(Parked):
        await task(claim, [mend], bench.root).call("pipe.mend", {})
    (question,) = await missions.approvals.pending()
    await missions.approvals.decide(question.id, "approved", by="human:ada")
    mend.target = "boiler"
    again = await asyncio.gather(task(claim, [mend], bench.root).call("pipe.mend", {}), return_exceptions=True)
    assert mend.calls == [], "what was approved is not what would happen now"
    assert isinstance(again[0], Parked)


def the_digest_is_not_compared(patch: Patch) -> None:
    patch.setattr(asking, "sealed_by", lambda _card, _expires: "sha256:same")


async def an_edit_is_of_exactly_one_call(bench: Bench) -> None:
    mend = writer()
    missions = bench.missions()
    claim = await bench.claimed(missions)
    with pytest.raises(Parked):
        await task(claim, [mend], bench.root).call("pipe.mend", {"with": "tape"})
    (question,) = await missions.approvals.pending()
    world = World({"pipe.mend": mend}, (), lambda _mission: lambda: bench.root)
    edited = await missions.approvals.edit(question.id, {"with": "solder"}, "human:ada", world)
    await missions.approvals.decide(edited.id, "approved", by="human:ada")
    other = await asyncio.gather(
        task(claim, [mend], bench.root).call("pipe.mend", {"with": "dynamite"}), return_exceptions=True
    )
    assert mend.calls == [], "what a human wrote in place of one call does not answer for another"
    assert isinstance(other[0], Parked)


def edits_are_of_any_call(patch: Patch) -> None:
    def edits(found: Any, _digests: Any) -> Any:
        return tuple(Edit.of(call) for call in found.card["calls"])

    patch.setattr(asking, "_edits", edits)


async def a_grant_is_used_up(bench: Bench) -> None:
    mend = writer()
    missions = bench.missions()
    claim = await bench.claimed(missions)
    with pytest.raises(Parked):
        await task(claim, [mend], bench.root).authorise([Call("pipe.mend")], "it leaks")
    (question,) = await missions.approvals.pending()
    await missions.approvals.decide(question.id, "approved", by="human:ada")
    door = task(claim, [mend], bench.root)
    grant = await door.authorise([Call("pipe.mend")], "it leaks")
    await door.call("pipe.mend", {}, grant=grant)
    again = await asyncio.gather(door.call("pipe.mend", {}, grant=grant), return_exceptions=True)
    assert len(mend.calls) == 1, "an approval is used once"
    assert isinstance(again[0], GrantMismatch)


def a_grant_is_good_for_ever(patch: Patch) -> None:
    def granted(_self: Any, _judged: Any, grant: Any, approval: str) -> Permit:
        return Permit(approval, None, grant.digest)

    patch.setattr(Performance, "_granted", granted)


async def a_destructive_call_is_asked_about(bench: Bench) -> None:
    wipe = writer("disk.wipe", risk=RiskLabel.DESTRUCTIVE)
    claim = await bench.claimed(bench.missions())
    answer = await asyncio.gather(task(claim, [wipe], bench.root, ALLOW).call("disk.wipe", {}), return_exceptions=True)
    assert wipe.calls == [], "no template lowers what is destructive"
    assert isinstance(answer[0], Parked)


def the_label_is_ignored(patch: Patch) -> None:
    decide = judging.decide

    def lenient(levels: Any, standing: Any, tool: str, subjects: Any, _label: Any, rule: Any, **more: Any) -> Any:
        return decide(levels, standing, tool, subjects, RiskLabel.WRITE, rule, **more)

    patch.setattr(judging, "decide", lenient)


# -- promise 5: a running mission keeps the revisions it pinned --------------------------------------------------------


async def a_running_mission_keeps_its_revision(bench: Bench) -> None:
    """Its template is edited while it was interrupted."""
    look, other = FakeTool("pipe.look"), FakeTool("pipe.other")
    bench.template("plumber", {"id": "look", "tool": "pipe.look"})
    async with bench.services(look, other, at=dying("plan.saved")) as services:
        mission = await services.missions.accept(bench.asked("plumber"))
        with pytest.raises(DIED):
            await services.worker.run(mission.id)
    bench.template("plumber", {"id": "look", "tool": "pipe.other"})
    async with bench.services(look, other) as services:
        await services.worker.recover()
    assert (len(look.calls), len(other.calls)) == (1, 0), "the mission runs what it pinned"


def pins_are_ignored(patch: Patch) -> None:
    def live(self: Claim) -> dict[str, Any]:
        folder = Path(self.mission.workspace).parent / "templates"
        return {name: TemplateLibrary(folder, builtin=False).get(name).data for name in self._pins}

    patch.setattr(Claim, "pinned", live)


# -- promise 7: a child template never loosens what an ancestor decided ------------------------------------------------


async def a_child_does_not_loosen_its_parent(bench: Bench) -> None:
    def propose(_args: Any, _context: Any) -> ToolResult:
        return ToolResult(findings=(LEAK,), proposals=(Proposal(tool="pipe.mend", args={}, reason="tape"),))

    look, mend = FakeTool("pipe.look", propose), writer()
    bench.template("base", {"id": "look", "tool": "pipe.look"}, permissions={"deny": ["pipe.mend"]})
    act = {"id": "act", "tool": "pipe.mend", "each": {"$": "steps.look.proposals"}, "with": {"$": "item.args"}}
    steps = ({"id": "look", "tool": "pipe.look"}, act)
    bench.template("child", *steps, parent="base", permissions={"allow": ["pipe.mend"]})
    async with bench.services(look, mend) as services:
        mission = await services.missions.accept(bench.asked("child", agents=("child",)))
        outcome = await services.worker.run(mission.id)
    assert mend.calls == [], "what the parent denies is not done"
    assert [action.status for action in outcome.report.actions] == ["rejected"]


def the_childs_permissions_replace_the_parents(patch: Patch) -> None:
    decide = judging.decide
    patch.setattr(judging, "decide", lambda levels, *rest, **more: decide(levels[-1:], *rest, **more))


# -- promise 11: each finding cites what it comes from -----------------------------------------------------------------


async def each_finding_cites_a_recorded_effect(bench: Bench) -> None:
    look = FakeTool("pipe.look", lambda _args, _context: ToolResult(findings=(LEAK,)))
    bench.template("plumber", {"id": "look", "tool": "pipe.look"})
    async with bench.services(look) as services:
        mission = await services.missions.accept(bench.asked("plumber"))
        outcome = await services.worker.run(mission.id)
        effects = {f"{mission.id}/{e.task}/{e.position}/{e.name}" for e in await services.missions.effects(mission.id)}
    cited = [[item.effect for item in merged.finding.evidence] for merged in outcome.report.findings]
    assert cited, "there is a finding"
    assert all(found and set(found) <= effects for found in cited), "each finding names the recorded call it comes from"


def evidence_is_not_cited(patch: Patch) -> None:
    patch.setattr(outcomes, "_cited", lambda finding, _tool, _key: finding)


# -- promise 12: bad input leaves nothing half written -----------------------------------------------------------------


async def a_refused_write_leaves_nothing(bench: Bench) -> None:
    """A plan that names a task twice fails in the middle of its transaction."""
    missions = bench.missions(durable=True)
    claim = await bench.claimed(missions)
    twice = [TaskRecord("t1", "a", "plumber", "sha256:0", "mend") for _ in range(2)]
    with pytest.raises(Exception, match="UNIQUE"):
        await claim.save_plan({"goal": "mend", "tasks": ["t1", "t1"]}, tasks=twice)
    await claim.event("task.started")
    mission, journal = await missions.get(claim.id), await missions.journal(claim.id)
    left = (mission.plan, len(await missions.tasks(claim.id)), [event.type for event in journal][2:])
    assert left == (None, 0, ["task.started"]), "nothing of the refused plan was kept"
    assert [event.seq for event in journal] == [1, 2, 3]


def a_failed_operation_is_not_undone(patch: Patch) -> None:
    patch.setattr(Sheet, "undo", lambda self: None)


# -- promise 13: containment is the kernel's, and never silently absent ------------------------------------------------


async def without_containment_every_command_asks(bench: Bench) -> None:
    nowhere = Environment(variables={"PATH": str(bench.root)}, home=bench.root)
    shell = ShellRun(Runner(ToolSettings(), Containment(nowhere)))
    claim = await bench.claimed(bench.missions())
    line = {"argv": ["touch", "made"]}
    attended = task(claim, [shell], bench.root, ALLOW)
    alone = claim.door({"shell.run": shell}, Policy(attended=False), bench.root).task("t2", "agent", (ALLOW,))
    answers = [
        (await asyncio.gather(door.call("shell.run", line), return_exceptions=True))[0] for door in (attended, alone)
    ]
    assert not (bench.workspace / "made").exists(), "nothing runs without confinement that nobody was asked about"
    assert [getattr(answer, "code", None) for answer in answers] == ["NG-EFFECT-009", "NG-EFFECT-002"]


def a_silent_fallback(patch: Patch) -> None:
    patch.setattr(Runner, "judged", lambda _self, judged, _context, *, confined=True: judged)
    patch.setattr(Runner, "_confinement", lambda self, _context: self._containment.current())


# -- a lease that was lost ---------------------------------------------------------------------------------------------


async def who_lost_the_lease_changes_nothing(bench: Bench) -> None:
    clock, mend = ManualClock(), writer()
    first = bench.missions(durable=True, clock=clock, holder="one.1:boot:1:1")
    second = bench.missions(durable=True, clock=clock, holder="two.2:boot:2:2")
    stale = await bench.claimed(first)
    clock.advance(MissionSettings().lease_seconds + 1)
    await second.claim(stale.id)
    answers = await asyncio.gather(
        stale.event("task.started"),
        task(stale, [mend], bench.root, ALLOW).call("pipe.mend", {}),
        return_exceptions=True,
    )
    assert mend.calls == [], "who lost the lease makes no call"
    assert all(isinstance(answer, LeaseLost) for answer in answers)
    assert "task.started" not in [event.type for event in await second.journal(stale.id)]


def nothing_is_fenced(patch: Patch) -> None:
    fence, renew = MissionStore.fence, MissionStore.renew

    def renewed(self: Any, connection: Any, mission: str, _attempt: int, *rest: Any) -> Any:
        return renew(self, connection, mission, self.standing(connection, mission)[0], *rest)

    def whoever(self: Any, connection: Any, mission: str, _attempt: int, *rest: Any, **more: Any) -> Any:
        return fence(self, connection, mission, self.standing(connection, mission)[0], *rest, **more)

    patch.setattr(MissionStore, "fence", whoever)
    patch.setattr(MissionStore, "renew", renewed)


# -- the table ---------------------------------------------------------------------------------------------------------

Scenario = Callable[[Bench], Awaitable[None]]
Weakening = Callable[[Patch], None]

PROMISES: list[tuple[str, Scenario, Weakening, str]] = [
    ("1", an_interrupted_mission_is_finished, resume_only_if_the_graph_has_a_next, "the next process finishes"),
    ("2", a_recorded_effect_is_not_repeated, effects_are_never_found, "a recorded effect is not repeated"),
    ("2", a_call_in_doubt_is_asked_about, the_intent_is_recorded_after_the_call, "not done again without a human"),
    ("3", a_budget_holds_whatever_runs_in_parallel, the_budget_is_checked_then_counted, "what the budget allows"),
    ("4", an_approval_is_for_what_was_shown, the_digest_is_not_compared, "not what would happen now"),
    ("4", an_edit_is_of_exactly_one_call, edits_are_of_any_call, "does not answer for another"),
    ("4", a_grant_is_used_up, a_grant_is_good_for_ever, "an approval is used once"),
    ("4", a_destructive_call_is_asked_about, the_label_is_ignored, "no template lowers"),
    ("5", a_running_mission_keeps_its_revision, pins_are_ignored, "runs what it pinned"),
    ("7", a_child_does_not_loosen_its_parent, the_childs_permissions_replace_the_parents, "the parent denies"),
    ("11", each_finding_cites_a_recorded_effect, evidence_is_not_cited, "names the recorded call"),
    ("12", a_refused_write_leaves_nothing, a_failed_operation_is_not_undone, "nothing of the refused plan"),
    ("13", without_containment_every_command_asks, a_silent_fallback, "nothing runs without confinement"),
    ("leases", who_lost_the_lease_changes_nothing, nothing_is_fenced, "makes no call"),
]
NAMES = [f"{promise}-{scenario.__name__}" for promise, scenario, *_ in PROMISES]


@pytest.mark.parametrize(("promise", "scenario", "weaken", "said"), PROMISES, ids=NAMES)
async def test_the_promise_holds(bench: Bench, promise: str, scenario: Scenario, weaken: Weakening, said: str) -> None:
    await scenario(bench)


@pytest.mark.parametrize(("promise", "scenario", "weaken", "said"), PROMISES, ids=NAMES)
async def test_its_test_fails_on_a_copy_weakened_on_purpose(
    bench: Bench, monkeypatch: Patch, promise: str, scenario: Scenario, weaken: Weakening, said: str
) -> None:
    weaken(monkeypatch)
    with pytest.raises(AssertionError, match=said):
        await scenario(bench)

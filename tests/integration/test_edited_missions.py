"""Missions whose calls a human changed, and what reports say of missions that wait, are cancelled or were cut off."""

import asyncio
import json

import pytest
from tests.integration.test_supervisor_missions import FIX, LEAK, MEND, Pipe, asked, bench, run, template
from tests.integration.test_supervisor_models import House, home, ran, task

from nextgeneration.kernel.reports import ReportStatus
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.editing import World
from nextgeneration.missions.errors import EditRefused, MissionCancelled
from nextgeneration.services.records import standing
from nextgeneration.supervisor.outcome import ActionStatus
from nextgeneration.supervisor.render.markdown import markdown
from nextgeneration.supervisor.render.words import headline
from nextgeneration.testing.gateway import ScriptedCandidate
from nextgeneration.testing.thinking import ScriptedModel, calling
from nextgeneration.testing.tools import FakeTool

__all__ = ["bench", "home"]


def world(services):
    parts = services.supervisor.parts
    return World(parts.tools, parts.standing, parts.scratch.of)


async def edit(services, approval, args, **more):
    return await services.approvals.edit(approval, args, "human:ada", world(services), **more)


async def waiting_for_tape(bench, services):
    return await run(services, asked(bench, "plumber please"))


@pytest.fixture
def plumber(bench):
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}, FIX])
    return bench


async def test_an_edited_fix_is_the_one_that_is_applied_verified_and_told(plumber):
    pipe = Pipe()
    async with plumber(pipe.look, pipe.mend) as services:
        waiting = await waiting_for_tape(plumber, services)
        new = await edit(services, waiting.pending[0], {"with": "solder"})
        shown = await standing(services.missions, waiting.mission)
        assert (shown.actions[0].status, shown.actions[0].edited_by) == (ActionStatus.PENDING, "human:ada")
        assert "solder" in shown.actions[0].preview
        again = await services.worker.run(waiting.mission)
        assert again.pending == (new.id,)
        assert again.report.actions[0].edited_by == "human:ada"
        await services.approvals.decide(new.id, "approved", by="human:eve")
    async with plumber(pipe.look, pipe.mend) as services:
        done = await services.worker.run(waiting.mission)
    assert [args for args, _ in pipe.mend.calls] == [{"with": "solder"}]
    (outcome,) = done.report.actions
    assert (outcome.status, outcome.decided_by, outcome.edited_by) == (ActionStatus.VERIFIED, "human:eve", "human:ada")
    assert "solder" in outcome.preview
    (changed,) = done.report.edits
    assert (changed.agent, changed.tool, changed.by, changed.approval) == ("plumber", "pipe.mend", "human:ada", new.id)
    assert (changed.asked, changed.made) == ({"with": "tape"}, {"with": "solder"})
    page = markdown(done.report)
    assert "edited by human:ada, decided by human:eve" in page
    assert "## Changed by a human before it was made" in page
    assert any("As changed by human:ada." in sentence.text for sentence in done.report.answer)


async def test_a_check_of_an_action_can_be_edited_too(plumber):
    pipe = Pipe()
    async with plumber(pipe.look, pipe.mend) as services:
        waiting = await waiting_for_tape(plumber, services)
        new = await edit(services, waiting.pending[0], {"closely": True}, call=2)
        await services.approvals.decide(new.id, "approved", by="human:ada")
        done = await services.worker.run(waiting.mission)
    assert done.report.actions[0].status is ActionStatus.VERIFIED
    assert [args for args, _ in pipe.look.calls] == [{}, {"closely": True}]
    assert done.report.actions[0].edited_by == "", "the action itself is as it was proposed"
    assert [one.tool for one in done.report.edits] == ["pipe.look"]


async def test_a_killed_process_between_the_edit_and_the_answer_loses_nothing(plumber):
    """Each step in services of its own, as after a kill: the edit is in the records and nowhere else."""
    pipe = Pipe()
    async with plumber(pipe.look, pipe.mend) as services:
        waiting = await waiting_for_tape(plumber, services)
    async with plumber(pipe.look, pipe.mend) as services:
        new = await edit(services, waiting.pending[0], {"with": "solder"})
    async with plumber(pipe.look, pipe.mend) as services:
        assert [one.id for one in await services.approvals.pending()] == [new.id]
        assert (await services.missions.get(waiting.mission)).status == "waiting"
        assert await services.missions.orphans() == []
        await services.approvals.decide(new.id, "approved", by="human:ada")
    async with plumber(pipe.look, pipe.mend) as services:
        assert [line.id for line in await services.missions.orphans()] == [waiting.mission]
        assert (await services.worker.run(waiting.mission)).status == "done"
    assert [args for args, _ in pipe.mend.calls] == [{"with": "solder"}]


async def test_what_the_template_denies_no_edit_brings(bench):
    pipe = Pipe()
    pipe.mend.subjects = lambda args: (str(args.model_dump().get("with")),)
    deny = {"deny": ["pipe.mend(dynamite)"]}
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}, FIX], permissions=deny)
    async with bench(pipe.look, pipe.mend) as services:
        waiting = await waiting_for_tape(bench, services)
        with pytest.raises(EditRefused, match="dynamite"):
            await edit(services, waiting.pending[0], {"with": "dynamite"})
        assert [one.id for one in await services.approvals.pending()] == list(waiting.pending)


# -- words of a mission that was cancelled -----------------------------------------------------------------------------


async def test_a_cancelled_mission_waits_for_nothing(plumber):
    pipe = Pipe()
    async with plumber(pipe.look, pipe.mend) as services:
        first = await waiting_for_tape(plumber, services)
        await services.missions.cancel(first.mission, by="human:ada")
        second = await waiting_for_tape(plumber, services)
        await services.approvals.decide(second.pending[0], "approved", by="human:ada")
        approved = await standing(services.missions, second.mission)
        await services.missions.cancel(second.mission, by="human:ada")
        reports = [await standing(services.missions, one.mission) for one in (first, second)]
    assert approved.actions[0].status is ActionStatus.APPROVED
    for report in reports:
        assert report.status == "cancelled"
        assert report.actions[0].status is ActionStatus.CANCELLED
        assert "cancelled, nothing was done" in markdown(report)
        assert "decision" not in markdown(report)


async def test_what_was_under_way_when_its_mission_was_cancelled_was_cut_off(plumber):
    pipe = Pipe()
    begun = asyncio.Event()

    async def slow(_args, _context):
        begun.set()
        await asyncio.sleep(3600)

    mend = FakeTool("pipe.mend", slow, effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE)
    async with plumber(pipe.look, mend) as services:
        waiting = await waiting_for_tape(plumber, services)
        await services.approvals.decide(waiting.pending[0], "approved", by="human:ada")
        work = asyncio.ensure_future(services.worker.run(waiting.mission))
        await begun.wait()
        under_way = await standing(services.missions, waiting.mission)
        await services.missions.cancel(waiting.mission, by="human:ada")
        with pytest.raises(MissionCancelled):
            await work
        report = await standing(services.missions, waiting.mission)
    assert under_way.actions[0].status is ActionStatus.APPROVED
    assert report.actions[0].status is ActionStatus.CUT_OFF
    assert "cut off while under way" in markdown(report)
    assert report.cost.tool_calls == 2, "the look, and the call that was cut off"


async def test_what_the_same_check_no_longer_finds_is_gone_and_what_is_new_is_told(bench):
    """The call that found the problem runs again after the action: its answer is what holds then."""
    pipe = Pipe()
    dust = LEAK.model_copy(update={"rule": "pipe.dust", "title": "dust under the pipe", "cause": "dust"})
    moved = [LEAK.model_copy(update={"rule": "pipe.rust", "title": "rust", "cause": f"rust:{line}"}) for line in (3, 9)]
    crumbs = LEAK.model_copy(update={"rule": "pipe.crumbs", "title": "crumbs of tape", "cause": "crumbs"})
    before = ToolResult(findings=(LEAK, dust, moved[0]), proposals=(MEND,))
    after = ToolResult(findings=(crumbs, moved[1]))
    look = FakeTool("pipe.look", lambda _a, _c: before if pipe.leaks else after)
    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}, FIX])
    async with bench(look, pipe.mend) as services:
        done = await run(services, asked(bench, "plumber please", yes=True))
    assert done.report.actions[0].status is ActionStatus.VERIFIED
    found = {entry.finding.title: entry.resolved for entry in done.report.findings}
    assert found == {"the pipe leaks": True, "dust under the pipe": True, "crumbs of tape": False, "rust": False}
    assert sum(entry.finding.title == "rust" for entry in done.report.findings) == 1, "it only moved"


# -- what a mission used -----------------------------------------------------------------------------------------------


async def test_the_cost_of_a_mission_holds_its_actions_and_their_checks(plumber):
    pipe = Pipe()
    async with plumber(pipe.look, pipe.mend) as services:
        waiting = await waiting_for_tape(plumber, services)
        assert waiting.report.cost.tool_calls == 1
        await services.approvals.decide(waiting.pending[0], "approved", by="human:ada")
        done = await services.worker.run(waiting.mission)
        assert done.report.cost.tool_calls == 3
        assert (await services.missions.get(done.mission)).tool_calls == 3


def priced(answer):
    """A model with a price, that answers so."""
    return ScriptedCandidate(ScriptedModel(answer), input=10, output=50, local=False)


async def test_a_mission_that_waits_counts_its_plan_and_the_calls_of_tasks_under_way(home, tmp_path):
    """One task waits for a human: what was asked of models until then is in the report, and as the books have it."""
    path = tmp_path / "templates" / "plumber.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tools": ["pipe.look", "pipe.mend"]}))
    one_task = {"tasks": [task("t1", "plumber")], "unserved": []}
    house = House(work=lambda _r, _n: calling(("pipe.mend", {})), plan=lambda _r, _n: one_task)
    async with home(priced(house.answer)) as services:
        services.tools.add(FakeTool("pipe.mend", effect=EffectRule.ONCE, risk=RiskLabel.WRITE))
        outcome = await ran(services)
        assert outcome.status == "waiting"
        books = await services.models.credits.cost(mission=outcome.mission)
        shown = await standing(services.missions, outcome.mission)
    for cost in (outcome.report.cost, shown.cost):
        assert cost.model_calls == books.calls == 2
        assert (cost.credits, cost.input_tokens, cost.output_tokens) == (books.charged, books.input, books.output)
        assert cost.credits > 0


async def test_a_call_cut_off_with_its_mission_is_counted_as_the_books_charge_it(home):
    begun = asyncio.Event()

    async def never(_request):
        begun.set()
        await asyncio.sleep(3600)

    async with home(priced(never)) as services:
        work = asyncio.ensure_future(ran(services))
        await begun.wait()
        (line,) = await services.missions.list()
        await services.missions.cancel(line.id, by="human:ada")
        with pytest.raises(MissionCancelled):
            await work
        books = await services.models.credits.cost(mission=line.id)
        shown = await standing(services.missions, line.id)
    assert books.unconfirmed > 0
    assert (shown.cost.credits, shown.cost.model_calls) == (books.charged, books.calls)


async def test_where_nobody_could_look_nothing_is_said_of_problems(bench):
    def broken(_args, _context):
        raise RuntimeError("the eye is blind")

    template(bench.templates, "plumber", [{"id": "look", "tool": "pipe.look"}])
    async with bench(FakeTool("pipe.look", broken)) as services:
        report = (await run(services, asked(bench, "plumber please"))).report
    assert report.tasks[0].status is ReportStatus.FAILED
    assert headline(report, "en") == ""
    worked = report.tasks[0].model_copy(update={"status": ReportStatus.PARTIAL})
    assert headline(report.model_copy(update={"tasks": (worked,)}), "en") == "No problem was found."

"""The model's runtime: its loop, its limits and what it does when something fails."""

import asyncio

import pytest
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st
from tests.unit.agents.llm.conftest import Bench

from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.runtimes.dispatch import run
from nextgeneration.agents.runtimes.thinking.arguments import MAX_MISFITS
from nextgeneration.agents.runtimes.thinking.loops import MAX_SAME
from nextgeneration.kernel.errors import InternalError
from nextgeneration.kernel.models import Finish, ModelAnswer, ToolCall, Usage
from nextgeneration.kernel.reports import ReportStatus
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.errors import MissionCancelled, OverBudget, Parked
from nextgeneration.testing.thinking import InstantWorld, ScriptedModel, calling, reporting

STEP = {"id": "s", "tool": "t.look"}


def codes(report):
    return [problem["code"] for problem in report.problems]


def cut(text, *calls):
    return ModelAnswer(text, calls, Finish.LENGTH, Usage(10, 10), "test:m")


# -- which runtime ---------------------------------------------------------------------------------------------------


async def test_auto_thinks_where_a_model_is_there(bench):
    report = await bench.run(["all is well"])
    assert (report.status, report.analysis) == (ReportStatus.DONE, "all is well")
    assert report.cost.model_calls == 1


async def test_auto_plays_where_no_model_is_there(bench):
    report = await bench.run(None, playbook=[STEP])
    assert report.status is ReportStatus.DONE
    assert [f.rule for f in report.findings] == ["pipe.leak"]


async def test_auto_plays_where_the_model_cannot_do_what_the_template_needs(bench):
    report = await bench.run(["never said"], playbook=[STEP], world={"needs": ()})
    assert report.findings
    assert bench.model.requests == []


async def test_llm_without_a_model_fails_and_says_what_is_needed(bench):
    report = await bench.run(None, runtime="llm", model={"prefer": ["x:y"]})
    assert report.status is ReportStatus.FAILED
    assert codes(report) == ["NG-LLM-001"]
    assert "x:y" in report.missing[0]
    assert "tools" in report.missing[0]


async def test_a_task_that_runs_again_is_driven_as_it_was_before(bench):
    """The choice is the recorded one, whatever models have come or gone since."""

    class Later(InstantWorld):
        def models(self, wish):
            return self.begun != "model"

    async def again(begun, answers, **fields):
        bench.model = ScriptedModel(answers)
        world = Later(bench.model, bench.tools.values())
        world.begun = begun
        context = TaskContext({}, door=world, task="t1")
        return await run(bench.revision(playbook=[STEP], **fields), {"goal": "x"}, {}, context)

    report = await again("t.look", ["never said"])
    assert report.findings
    assert bench.model.requests == []
    report = await again("model", ["said"], runtime="llm")
    assert report.analysis == "said"


async def test_where_playbook_and_model_begin_alike_the_choice_is_recorded(bench):
    await bench.run(["well"], playbook=[STEP], playbook_first=True)
    assert bench.world.taken[0] == ("record", "runtime")


# -- the loop --------------------------------------------------------------------------------------------------------


async def test_calls_are_made_and_their_results_come_back_in_the_models_order(bench):
    async def slow(args, _context):
        await asyncio.sleep(0.02 if args["n"] == 1 else 0)
        return ToolResult(text=f"result {args['n']}")

    bench.tool("t.slow", slow)
    calls = calling(*[("t.slow", {"n": n}) for n in (1, 2, 3)])
    report = await bench.run([calls, reporting("three results")])
    assert report.analysis == "three results"
    assert [m.text.splitlines()[1] for m in bench.told()] == ["result 1", "result 2", "result 3"]
    assert [m.call for m in bench.told()] == [call.id for call in calls.calls]
    assert bench.world.taken[1:4] == [("t.slow", {"n": n}) for n in (1, 2, 3)]


async def test_calls_of_one_answer_run_side_by_side(bench):
    met = asyncio.Barrier(3)

    async def meet(_args, _context):
        await met.wait()
        return ToolResult(text="met")

    bench.tool("t.meet", meet)
    async with asyncio.timeout(30):
        report = await bench.run([calling(*[("t.meet", {"n": n}) for n in range(3)]), "done"])
    assert report.status is ReportStatus.DONE


async def test_one_failing_call_loses_none_of_the_others(bench):
    report = await bench.run([calling(("t.fail", {}), ("t.look", {}), ("t.echo", {"a": 1})), "done"])
    assert [m.failed for m in bench.told()] == [True, False, False]
    assert "broken pipe" in bench.told()[0].text
    assert [f.rule for f in report.findings] == ["pipe.leak"]


async def test_an_unforeseen_exception_of_a_call_is_told_like_any_failure(bench, caplog):
    def explode(_args, _context):
        raise ZeroDivisionError("boom")

    bench.tool("t.explode", explode)
    report = await bench.run([calling(("t.explode", {})), calling(("t.explode", {"a": 1}), ("t.echo", {})), "done"])
    assert report.status is ReportStatus.DONE
    assert "boom" in bench.told()[0].text
    assert bench.told()[1].failed
    assert not bench.told()[2].failed


async def test_the_conversation_only_grows_and_all_of_it_is_marked_stable(bench):
    await bench.run([calling(("t.echo", {"n": 1})), calling(("t.echo", {"n": 2})), "done"])
    first, second, third = bench.model.requests
    assert second.messages[: len(first.messages)] == first.messages
    assert third.messages[: len(second.messages)] == second.messages
    assert all(request.stable == len(request.messages) for request in bench.model.requests)
    assert first.messages[0] is third.messages[0]


async def test_text_is_heard_as_it_comes(bench):
    heard = []
    await bench.run(["all is well"], listen=heard.append)
    assert heard == ["all is well"]


async def test_what_the_template_says_of_models_is_asked_for(bench):
    wishes = []
    model = ScriptedModel(["done"])

    class World(InstantWorld):
        def think(self, request, wish, listen=None):
            wishes.append(wish)
            return super().think(request, wish, listen)

    asked = {"prefer": ["a:b"], "needs": ["vision"], "max_output": 99, "temperature": 0.5}
    await run(
        bench.revision(model=asked),
        {"goal": "x"},
        {},
        TaskContext({}, door=World(model, bench.tools.values()), task="t"),
    )
    assert (wishes[0].prefer, wishes[0].needs, wishes[0].purpose) == (("a:b",), frozenset({"vision", "tools"}), "work")
    assert (model.requests[0].max_output, model.requests[0].temperature) == (99, 0.5)


# -- positions -------------------------------------------------------------------------------------------------------

NAMES = ("t.echo", "t.look", "t.fail", "t.weather", "t.none")
CALLS = st.tuples(st.sampled_from(NAMES), st.none() | st.dictionaries(st.sampled_from(["a", "city"]), st.text("xy")))
PROGRAMS = st.lists(st.lists(CALLS, min_size=1, max_size=4), max_size=6)


@settings(max_examples=60, deadline=None)
@given_(program=PROGRAMS)
def test_the_same_program_takes_the_same_positions(tmp_path_factory, program):
    def one_run(delays):
        bench = Bench(tmp_path_factory.getbasetemp())

        async def echo(args, _context):
            await asyncio.sleep(0.0005 * delays[len(args) % 2])
            return ToolResult(text=str(args))

        bench.tool("t.echo", echo)
        script = [calling(*calls) for calls in program]
        report = asyncio.run(bench.run(lambda r: script[n] if (n := _answers(r)) < len(script) else "done"))
        return bench.world.taken, report.model_dump(exclude={"cost"})

    assert one_run((0, 1)) == one_run((1, 0))


def _answers(request):
    return sum(message.role == "assistant" for message in request.messages)


# -- what is not the agent's to handle -------------------------------------------------------------------------------


async def test_all_calls_of_an_answer_are_issued_before_the_run_parks(bench):
    def asks(name):
        def park(_args, _context):
            raise Parked(approvals=(name,))

        return park

    bench.tool("t.asks", asks("apr_1"))
    bench.tool("t.begs", asks("apr_2"))
    with pytest.raises(Parked) as parked:
        await bench.run([calling(("t.asks", {}), ("t.echo", {"n": 1}), ("t.begs", {}))])
    assert parked.value.approvals == ("apr_1", "apr_2")
    assert bench.calls() == [{"n": 1}]
    with pytest.raises(Parked):
        await bench.run([calling(("t.asks", {}))])


async def test_what_concerns_the_whole_mission_ends_the_run_before_a_question_does(bench):
    def lost(_args, _context):
        raise MissionCancelled(mission="m", by="me")

    def park(_args, _context):
        raise Parked(approvals=("a",))

    bench.tool("t.lost", lost)
    bench.tool("t.asks", park)
    with pytest.raises(MissionCancelled):
        await bench.run([calling(("t.asks", {}), ("t.lost", {}))])


@pytest.mark.parametrize("several", [False, True])
async def test_a_cancelled_run_cancels_its_calls_and_ends(bench, several):
    begun, ended = asyncio.Event(), []

    async def wait(args, _context):
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(args["n"])

    bench.tool("t.wait", wait)
    calls = calling(*[("t.wait", {"n": n}) for n in range(1 + several)])
    task = asyncio.create_task(bench.run([calls]))
    await begun.wait()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(ended) == list(range(1 + several))


# -- arguments and names ---------------------------------------------------------------------------------------------


async def test_wrong_arguments_are_said_in_words_and_can_be_corrected(bench):
    report = await bench.run(
        [calling(("t.weather", {"days": 9, "town": "x"})), calling(("t.weather", {"city": "Paris"})), "sunny"]
    )
    said = bench.told()[0].text
    assert "city: Field required" in said
    assert "days" in said
    assert "given: 9" in said
    assert "town" in said
    assert bench.calls("t.weather") == [{"city": "Paris", "days": 1}]
    assert bench.world.taken[1] == ("think", "work"), "a call that does not fit takes no position"
    assert report.status is ReportStatus.DONE


async def test_a_tool_is_closed_after_too_many_misfits(bench):
    wrong = [calling(("t.weather", {"days": n})) for n in range(MAX_MISFITS)]
    await bench.run([*wrong, calling(("t.weather", {"city": "Paris"})), "gave up"])
    assert bench.calls("t.weather") == []
    assert "closed" in bench.last().text


async def test_malformed_arguments_are_said(bench):
    await bench.run([calling(("t.echo", None)), "done"])
    assert bench.last().failed
    assert "no JSON object" in bench.last().text


@pytest.mark.parametrize("args", [{"n": 2**60}, {"n": float("nan")}, {"n": "\ud800"}])
async def test_arguments_that_cannot_be_kept_are_malformed(bench, args):
    """What has no canonical form could be neither recorded nor compared at a replay."""
    await bench.run([calling(("t.echo", args)), "done"])
    assert bench.calls() == []
    assert bench.told()[0].failed
    bench.model.requests[-1].digest()


@pytest.mark.parametrize(("name", "close"), [("t.ecko", "t.echo"), ("t_echo", "t.echo"), ("zzzzzz", "Yours are")])
async def test_unknown_tools_are_answered_with_close_names(bench, name, close):
    await bench.run([calling((name, {})), "done"])
    assert close in bench.last().text


async def test_a_tool_of_the_world_that_is_not_the_agents_is_unknown(bench):
    await bench.run([calling(("t.look", {})), "done"], tools=["t.echo"])
    assert bench.calls("t.look") == []
    assert "no tool" in bench.last().text


async def test_a_tool_that_is_not_there_is_left_out_and_named(bench):
    report = await bench.run(["done"], tools=["t.echo", "t.gone"])
    assert codes(report) == ["NG-TOOL-001"]
    assert [tool.name for tool in bench.model.requests[0].tools] == ["report", "t.echo"]


async def test_two_calls_with_one_id_stay_apart(bench):
    answers = [
        calling(("t.echo", {"n": 1}), ("t.echo", {"n": 2}), ids=["x", "x"]),
        calling(("t.echo", {"n": 3}), ids=["x"]),
        calling(("t.echo", {"n": 4}), ids=[""]),
        "done",
    ]
    await bench.run(answers)
    ids = [message.call for message in bench.told()]
    assert len(set(ids)) == 4
    assert [c.id for m in bench.model.requests[-1].messages for c in m.calls] == ids
    assert [args["n"] for args in bench.calls()] == [1, 2, 3, 4]


async def test_more_calls_than_can_be_are_not_made(bench):
    await bench.run([calling(*[("t.echo", {"n": n}) for n in range(40)]), "done"])
    assert len(bench.calls()) == 32
    assert len(bench.told()) == 40


# -- circles ---------------------------------------------------------------------------------------------------------


async def test_the_same_call_again_and_again_is_told_once_then_ended(bench):
    same = [calling(("t.echo", {"n": 1})) for _ in range(MAX_SAME + 2)]
    report = await bench.run([*same, reporting("that is all")])
    assert len(bench.calls()) == MAX_SAME
    assert "Not called again" in bench.told()[MAX_SAME].text
    assert (report.status, report.analysis) == (ReportStatus.PARTIAL, "that is all")
    assert codes(report) == ["NG-LLM-003"]
    assert [tool.name for tool in bench.model.requests[-1].tools] == ["report"]
    assert bench.model.requests[-1].required


async def test_a_model_that_goes_on_after_its_last_answer_is_ended(bench):
    report = await bench.run(lambda _request: calling(("t.echo", {"n": 1})))
    assert report.status is ReportStatus.PARTIAL
    assert len(bench.model.requests) == MAX_SAME + 3


async def test_looking_again_after_a_change_is_no_circle(bench):
    script = []
    for n in range(6):
        script += [calling(("t.look", {})), calling(("t.mend", {"n": n}))]
    report = await bench.run([*script, "done"])
    assert report.status is ReportStatus.DONE
    assert len(bench.calls("t.look")) == 6


async def test_changing_the_same_thing_again_and_again_is_a_circle(bench):
    report = await bench.run(lambda _request: calling(("t.mend", {"n": 1})))
    assert len(bench.calls("t.mend")) == MAX_SAME
    assert report.status is ReportStatus.PARTIAL


# -- limits ----------------------------------------------------------------------------------------------------------


async def test_the_last_answer_must_be_the_report(bench):
    script = [calling(("t.echo", {"n": 1})), calling(("t.echo", {"n": 2})), reporting("what I have")]
    report = await bench.run(script, budget={"model_calls": 3})
    assert (report.status, report.analysis) == (ReportStatus.DONE, "what I have")
    assert "last answer" in bench.last().text
    assert [tool.name for tool in bench.model.requests[-1].tools] == ["report"]


async def test_without_a_report_in_its_answers_the_run_is_over_budget_with_what_it_has(bench):
    report = await bench.run(lambda _r: calling(("t.look", {})), budget={"model_calls": 2})
    assert report.status is ReportStatus.OVER_BUDGET
    assert codes(report) == ["NG-EFFECT-004"]
    assert report.findings


async def test_our_own_limit_of_turns_ends_partial(bench, monkeypatch):
    monkeypatch.setattr("nextgeneration.agents.runtimes.thinking.compiled.TURNS", 4)
    count = iter(range(100))
    report = await bench.run(lambda _r: calling(("t.echo", {"n": next(count)})), description="limit of turns")
    assert report.status is ReportStatus.PARTIAL
    assert codes(report) == ["NG-LLM-006"]


async def test_a_spent_budget_of_calls_leaves_a_last_word(bench):
    script = [calling(("t.look", {}), ("t.echo", {"n": 1})), reporting("half of it")]
    report = await bench.run(script, world={"tool_calls": 1})
    assert (report.status, report.analysis) == (ReportStatus.OVER_BUDGET, "half of it")
    assert report.findings
    assert codes(report) == ["NG-EFFECT-004"]


async def test_a_spent_budget_of_anything_else_ends_at_once_with_what_was_found(bench):
    def dear(_args, _context):
        raise OverBudget(scope="m", limit=3, unit="seconds")

    bench.tool("t.dear", dear)
    report = await bench.run([calling(("t.look", {}), ("t.dear", {}))])
    assert report.status is ReportStatus.OVER_BUDGET
    assert report.findings
    report = await bench.run([calling(("t.look", {})), OverBudget(scope="m", limit=5, unit="credits")])
    assert report.status is ReportStatus.OVER_BUDGET
    assert report.findings
    assert "credits" in report.missing[0]


# -- answers that are none -------------------------------------------------------------------------------------------


async def test_an_answer_cut_off_goes_on_where_it_stopped(bench):
    report = await bench.run([cut("The pipe "), cut("leaks at "), "the joint."])
    assert (report.status, report.analysis) == (ReportStatus.DONE, "The pipe leaks at the joint.")


async def test_an_answer_that_never_ends_is_kept_as_far_as_it_went(bench):
    report = await bench.run(lambda _request: cut("and so on "))
    assert report.status is ReportStatus.PARTIAL
    assert codes(report) == ["NG-LLM-004"]
    assert report.analysis.count("and so on") == 4


async def test_a_call_cut_off_is_said_to_be_too_large(bench):
    await bench.run([cut("", ToolCall("c", "t.echo", None, '{"n": ')), "done"])
    assert "cut off" in bench.last().text


async def test_empty_answers_are_asked_again_and_then_given_up(bench):
    report = await bench.run(["", "  ", "well"])
    assert report.analysis == "well"
    report = await bench.run(["", "", ""], playbook=[STEP])
    assert codes(report) == ["NG-LLM-005"]
    assert report.findings


async def test_an_empty_continuation_ends_what_was_said(bench):
    report = await bench.run([cut("The pipe leaks."), ""])
    assert report.analysis == "The pipe leaks."


async def test_a_refusal_is_named_and_the_playbook_does_what_it_can(bench):
    refusal = ModelAnswer("I cannot help with pipes", (), Finish.REFUSED, Usage(1, 1), "test:m")
    report = await bench.run([refusal], playbook=[STEP])
    assert codes(report) == ["NG-LLM-002"]
    assert "pipes" in report.missing[0]
    assert report.findings
    assert report.status is ReportStatus.PARTIAL


# -- falling back ----------------------------------------------------------------------------------------------------


async def test_a_model_that_fails_midway_leaves_what_was_found_and_the_playbook_goes_on(bench):
    script = [calling(("t.echo", {"n": 1})), InternalError(kind="X", detail="model gone")]
    report = await bench.run(script, playbook=[STEP])
    assert report.status is ReportStatus.PARTIAL
    assert "model gone" in report.missing[0]
    assert "the playbook did what it could" in report.missing[1]
    assert report.problems[0]["step"] == "model"
    assert [f.rule for f in report.findings] == ["pipe.leak"]


async def test_a_model_that_fails_without_a_playbook_leaves_what_was_found(bench):
    gone = InternalError(kind="X", detail="model gone")
    report = await bench.run([calling(("t.look", {})), gone])
    assert (report.status, len(report.findings)) == (ReportStatus.PARTIAL, 1)
    report = await bench.run([gone])
    assert report.status is ReportStatus.FAILED


async def test_a_playbook_that_ran_first_is_not_run_again(bench):
    gone = InternalError(kind="X", detail="model gone")
    report = await bench.run([gone], playbook=[STEP], playbook_first=True)
    assert len(bench.calls("t.look")) == 1
    assert (report.status, len(report.findings)) == (ReportStatus.PARTIAL, 1)


async def test_the_playbook_first_then_the_model_explains_and_cites_it(bench):
    playbook = [STEP, {"id": "fix", "tool": "t.mend", "each": {"$": "steps.s.proposals"}, "with": {"$": "item.args"}}]
    added = {"title": "the floor is wet", "severity": "low", "cites": ["p1"], "quote": "water drips"}
    report = await bench.run([reporting("tape it", findings=[added])], playbook=playbook, playbook_first=True)
    task = bench.model.requests[0].messages[1].text
    assert "the pipe leaks" in task
    assert "<<<DATA p1" in task
    assert {f.rule for f in report.findings} == {"pipe.leak", "model.finding"}
    assert [action.tool for action in report.actions] == ["t.mend"]
    assert report.analysis == "tape it"


async def test_a_playbook_that_spends_the_budget_asks_no_model(bench):
    steps = [STEP, {"id": "s2", "tool": "t.look"}]
    report = await bench.run(["never"], playbook=steps, playbook_first=True, world={"tool_calls": 1})
    assert report.status is ReportStatus.OVER_BUDGET
    assert bench.model.requests == []


async def test_input_that_does_not_fit_asks_no_model(bench):
    schema = {"type": "object", "required": ["path"]}
    report = await bench.run(["never"], input_schema=schema)
    assert report.status is ReportStatus.FAILED
    assert codes(report) == ["NG-PLAYBOOK-003"]
    assert bench.model.requests == []

"""The playbook runtime: every part of the grammar, and what its report says, through a real door."""

import asyncio
import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextgeneration.agents.context import TaskContext
from nextgeneration.agents.errors import RuntimeMissing
from nextgeneration.agents.errors_playbook import ExpressionFailed
from nextgeneration.agents.runtimes.dispatch import run as run_runtime
from nextgeneration.agents.runtimes.gathering import MAX_STATEMENT, MAX_STATEMENTS
from nextgeneration.agents.runtimes.playbook import run_playbook
from nextgeneration.agents.runtimes.selecting import evaluate
from nextgeneration.agents.runtimes.words import analysis, counts
from nextgeneration.kernel.actions import Check, Proposal
from nextgeneration.kernel.errors import InternalError
from nextgeneration.kernel.findings import Evidence, Finding, Location, Severity
from nextgeneration.kernel.reports import ReportStatus
from nextgeneration.kernel.risk import EffectRule, RiskLabel
from nextgeneration.kernel.tools import ToolResult
from nextgeneration.missions.effects import Policy, TaskBudget
from nextgeneration.missions.errors import LeaseLost, Parked
from nextgeneration.missions.schema import MissionRequest
from nextgeneration.missions.service import Missions
from nextgeneration.security.permissions import PermissionRules
from nextgeneration.settings.missions import MissionSettings
from nextgeneration.storage.database import Storage
from nextgeneration.storage.errors import StorageFull
from nextgeneration.templates.errors import BadExpression, TemplateInvalid
from nextgeneration.templates.expressions import compiled
from nextgeneration.templates.library import TemplateLibrary
from nextgeneration.testing.tools import FakeTool

LEAK = Finding(
    rule="pipe.leak",
    title="the pipe leaks",
    severity=Severity.HIGH,
    location=Location(path="pipe.txt", line=3),
    evidence=(Evidence(source="t.look", excerpt="drip"),),
)
DUST = Finding(rule="pipe.dust", title="dusty", severity=Severity.LOW, evidence=(Evidence(source="t.look"),))
MEND = Proposal(tool="t.mend", args={"with": "tape"}, reason="tape it", fixes=(LEAK.id,), group="pipe", rank=2)


def echo(args, _context):
    return {"args": args}


class Bench:
    """One mission with scripted tools; ``run`` runs a playbook as its task."""

    def __init__(self, claim, folder):
        self.claim = claim
        self.folder = folder
        self.library = TemplateLibrary(folder / "none", builtin=False)
        self.tools = {}
        self.runs = 0
        self.tool("t.echo", echo)
        self.tool("t.look", lambda _a, _c: ToolResult(findings=(LEAK, DUST), proposals=(MEND,), text="looked around"))
        self.tool("t.fail", self._fail)
        self.writer("t.mend")

    @staticmethod
    def _fail(_args, _context):
        raise InternalError(kind="X", detail="broken pipe")

    def tool(self, name, answer=lambda _a, _c: None, **declared):
        self.tools[name] = FakeTool(name, answer, **declared)
        return self.tools[name]

    def writer(self, name):
        return self.tool(name, effect=EffectRule.IDEMPOTENT, risk=RiskLabel.WRITE)

    def revision(self, *steps, **fields):
        data = {"name": "agent", "role": "worker", "domain": "tests", "playbook": list(steps), **fields}
        return self.library.resolve(data)

    async def run(
        self, *steps, given=None, config=None, said=None, lang="en", budget=None, permissions=(), task="", **fields
    ):
        door = self.claim.door(self.tools, Policy(), self.folder)
        self.runs += 1
        name = task or f"t{self.runs}"
        context = TaskContext(
            said or {}, door=door.task(name, "ada", permissions, budget or TaskBudget()), task=name, lang=lang
        )
        return await run_playbook(self.revision(*steps, **fields), given or {}, config or {}, context)

    def calls(self, name="t.echo"):
        return [args for args, _key in self.tools[name].calls]


@pytest.fixture
async def bench(tmp_path):
    storage = Storage.open("sqlite://")
    missions = Missions(storage, MissionSettings())
    mission = await missions.accept(MissionRequest(goal="mend", workspace=str(tmp_path)))
    claim = await missions.claim(mission.id)
    yield Bench(claim, tmp_path)
    await claim.release()
    storage.close()


def step(tool="t.echo", name="s", **fields):
    return {"id": name, "tool": tool, **fields}


def sel(expression):
    return {"$": expression}


# -- values ----------------------------------------------------------------------------------------------------------


async def test_expressions_read_input_config_context_steps_and_item_at_any_depth(bench):
    await bench.run(
        step(name="first", **{"with": {"n": 1}}),
        step(
            each=[{"k": "x"}],
            **{
                "with": {
                    "input": sel("input.text"),
                    "deep": [{"config": sel("config.level")}, {"list": [sel("context.goal"), sel("item.k")]}],
                    "before": sel("steps.first.value.args.n"),
                }
            },
        ),
        given={"text": "hello"},
        config={"level": 3},
        said={"goal": "mend"},
    )
    assert bench.calls()[1] == {
        "input": "hello",
        "deep": [{"config": 3}, {"list": ["mend", "x"]}],
        "before": 1,
    }


LOOK_ALIKES = [
    "$",
    "$.input.text",
    "{{input.text}}",
    "${input.text}",
    "{input.text}",
    "input.text",
    "%(text)s",
    {"$": 1},
    {"$": None},
    {"$": ["input.text"]},
    {"$": "input.text", "more": 1},
    {"$$": "input.text"},
    {"$ref": "input.text"},
    {"\\$": "input.text"},
]


@pytest.mark.parametrize("value", LOOK_ALIKES, ids=repr)
async def test_what_only_looks_like_an_expression_stays_as_it_is(bench, value):
    await bench.run(step(**{"with": {"value": value}}), given={"text": "SECRET"})
    assert bench.calls() == [{"value": value}]


async def test_what_an_expression_selects_is_data_and_never_read_again(bench):
    """Input that looks like an expression, or like code, passes through untouched."""
    hostile = {"$": "config.key"}
    await bench.run(step(**{"with": {"v": sel("input.text")}}), given={"text": hostile}, config={"key": "SECRET"})
    assert bench.calls() == [{"v": hostile}]


async def test_a_missing_key_selects_nothing(bench):
    report = await bench.run(step(**{"with": {"v": sel("input.no.such.key")}}))
    assert bench.calls() == [{"v": None}]
    assert report.status is ReportStatus.DONE


async def test_arguments_that_select_no_object_are_an_error_of_the_step(bench):
    report = await bench.run(step(**{"with": sel("input.text")}), given={"text": "plain"})
    assert report.status is ReportStatus.FAILED
    assert "arguments must be an object" in report.problems[0]["message"]


async def test_a_function_that_gets_the_wrong_type_is_an_error_of_the_step(bench):
    report = await bench.run(step(**{"with": {"v": sel("sum(input.text)")}}), given={"text": "x"})
    assert report.problems[0]["code"] == "NG-PLAYBOOK-001"
    assert bench.calls() == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_a_value_without_an_expression_is_its_own_value(value):
    def free(part):
        if isinstance(part, dict):
            return not (set(part) == {"$"} and isinstance(part["$"], str)) and all(map(free, part.values()))
        return all(map(free, part)) if isinstance(part, list) else True

    if free(value):
        assert evaluate(value, {"input": {}}) == value


@settings(max_examples=200)
@given(st.text(alphabet="abc.[]{}|&@`'\"*?!<>=() 0", max_size=30), json_values)
def test_any_text_as_an_expression_selects_or_is_refused(text, data):
    with contextlib.suppress(ExpressionFailed, BadExpression):
        compiled(text)
        json.dumps(evaluate({"$": text}, {"input": data, "steps": {}}), default=str)


# -- when, each, on_error --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "runs"),
    [
        (True, True),
        (False, False),
        (sel("input.yes"), True),
        (sel("input.no"), False),
        (sel("input.missing"), False),
        (sel("input.empty"), False),
        (sel("input.zero == `0`"), True),
        (sel("steps.before.ok"), True),
        (sel("!(steps.before.ok)"), False),
    ],
    ids=str,
)
async def test_when_decides_whether_a_step_runs(bench, condition, runs):
    data = {"yes": True, "no": False, "empty": [], "zero": 0}
    report = await bench.run(step(name="before"), step(name="later", when=condition), given=data)
    assert len(bench.calls()) == 1 + runs
    assert ("later" in report.result) == runs


async def test_a_step_that_was_not_run_can_be_asked_about(bench):
    await bench.run(
        step(name="never", when=False),
        step(**{"with": {"skipped": sel("steps.never.skipped"), "items": sel("steps.never.items")}}),
    )
    assert bench.calls() == [{"skipped": True, "items": []}]


async def test_each_runs_once_for_every_item_and_keeps_every_answer(bench):
    await bench.run(
        step(name="loop", each=sel("input.list"), **{"with": {"n": sel("item")}}),
        step(**{"with": {"all": sel("steps.loop.items[].value.args.n"), "last": sel("steps.loop.value.args.n")}}),
        given={"list": [1, 2, 3]},
    )
    assert bench.calls()[-1] == {"all": [1, 2, 3], "last": 3}


async def test_each_over_nothing_does_nothing(bench):
    report = await bench.run(step(each=sel("input.missing")), step(name="empty", each=[]))
    assert bench.calls() == []
    assert report.status is ReportStatus.DONE


async def test_each_over_what_is_no_list_is_an_error(bench):
    report = await bench.run(step(each=sel("input.text")), given={"text": "abc"})
    assert "each must be a list" in report.problems[0]["message"]
    assert bench.calls() == []


async def test_an_item_of_one_loop_is_not_there_in_the_next_step(bench):
    await bench.run(step(name="loop", each=[1]), step(**{"with": {"item": sel("item")}}))
    assert bench.calls()[-1] == {"item": None}


async def test_a_failing_step_stops_the_playbook(bench):
    report = await bench.run(step(name="ok"), step("t.fail", name="bad"), step(name="after"))
    assert len(bench.calls()) == 1
    assert report.status is ReportStatus.PARTIAL, "what was done before counts"
    assert report.missing == ("bad (t.fail): Internal error X: broken pipe",)
    assert report.problems[0]["step"] == "bad"
    assert report.problems[0]["code"] == "NG-KERNEL-001"


async def test_a_failing_first_step_fails_the_task(bench):
    assert (await bench.run(step("t.fail"), step(name="after"))).status is ReportStatus.FAILED


async def test_on_error_continue_goes_on_and_later_steps_can_see_the_failure(bench):
    report = await bench.run(
        step("t.fail", name="bad", on_error="continue"),
        step(when=sel("!(steps.bad.ok)"), **{"with": {"text": sel("steps.bad.text"), "items": sel("steps.bad.items")}}),
    )
    assert report.missing == ("bad (t.fail): Internal error X: broken pipe",)
    assert bench.calls() == [{"text": "", "items": []}]
    assert report.status is ReportStatus.PARTIAL


async def test_when_everything_failed_and_went_on_the_task_failed(bench):
    report = await bench.run(*(step("t.fail", name=f"s{n}", on_error="continue") for n in range(3)))
    assert report.status is ReportStatus.FAILED
    assert len(report.missing) == 3


async def test_an_unknown_tool_is_an_error_when_it_is_called_with_a_hint(bench):
    report = await bench.run(step("t.ecco"))
    assert report.status is ReportStatus.FAILED
    assert "t.ecco" in report.missing[0]
    assert report.problems[0]["step"] == "s"


# -- limits ----------------------------------------------------------------------------------------------------------


async def test_two_hundred_steps_are_allowed_and_one_more_is_refused(bench):
    await bench.run(*(step(name=f"s{n}", when=False) for n in range(200)))
    with pytest.raises(TemplateInvalid):
        bench.revision(*(step(name=f"s{n}") for n in range(201)))


async def test_ten_thousand_iterations_are_allowed_over_all_steps_and_one_more_is_refused(bench):
    """Counted without calling: every iteration selects its arguments, and they are wrong."""
    bench.tool("t.many")
    many = step(name="many", each=sel("input.list"), on_error="continue", **{"with": sel("item")})
    report = await bench.run(many, given={"list": ["no object"]})
    assert "arguments must be an object" in report.problems[0]["message"]
    bench.writer("t.write")
    write = step("t.write", name="w", each=sel("input.list"))
    report = await bench.run(write, given={"list": [{}] * 10_001}, lang="fr")
    assert report.problems, "actions are bounded before iterations are"


async def test_the_iteration_limit_counts_over_all_steps(bench, monkeypatch):
    monkeypatch.setattr("nextgeneration.agents.runtimes.playbook.MAX_ITERATIONS", 5)
    report = await bench.run(
        step(name="a", each=[1, 2, 3]), step(name="b", each=[1, 2, 3], on_error="continue"), step(name="c")
    )
    assert len(bench.calls()) == 5
    assert [problem["code"] for problem in report.problems] == ["NG-PLAYBOOK-002", "NG-PLAYBOOK-002"]
    assert report.status is ReportStatus.PARTIAL


async def test_over_budget_keeps_what_it_has(bench):
    report = await bench.run(
        step("t.look", name="look"),
        step(name="more", each=[1, 2, 3], on_error="continue"),
        step(name="after"),
        budget=TaskBudget(tool_calls=2),
    )
    assert report.status is ReportStatus.OVER_BUDGET
    assert [finding.id for finding in report.findings] == [LEAK.id, DUST.id]
    assert len(bench.calls()) == 1, "nothing is called after the budget is used up"
    assert report.problems[0]["code"] == "NG-EFFECT-004"
    assert "stopped at its budget" in report.analysis


async def test_a_large_result_stands_in_the_report_as_its_size(bench):
    bench.tool("t.big", lambda _a, _c: {"text": "é" * 20_000})
    report = await bench.run(step("t.big"))
    assert report.result["s"]["omitted_bytes"] > 40_000


async def test_other_agents_run_between_two_calls(bench):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(tick())
    await bench.run(step(each=list(range(50))))
    task.cancel()
    assert ticks >= 50


# -- schemas ---------------------------------------------------------------------------------------------------------

NEEDS_TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}


async def test_input_that_does_not_fit_its_schema_is_refused_before_anything_runs(bench):
    report = await bench.run(step(), given={"text": 3}, input_schema=NEEDS_TEXT)
    assert report.status is ReportStatus.FAILED
    assert "$.text" in report.missing[0]
    assert report.problems[0]["code"] == "NG-PLAYBOOK-003"
    assert bench.calls() == []
    assert (await bench.run(step(), given={"text": "x"}, input_schema=NEEDS_TEXT)).status is ReportStatus.DONE


async def test_a_result_that_does_not_fit_its_schema_is_not_called_done(bench):
    schema = {"type": "object", "required": ["never"]}
    report = await bench.run(step(), output_schema=schema)
    assert report.status is ReportStatus.PARTIAL
    assert report.problems[0]["code"] == "NG-PLAYBOOK-004"
    fitting = {"type": "object", "required": ["s"]}
    assert (await bench.run(step(), output_schema=fitting)).status is ReportStatus.DONE


# -- findings and what tools said ------------------------------------------------------------------------------------


async def test_findings_are_kept_once_and_worst_first(bench):
    report = await bench.run(step("t.look", name="a"), step("t.look", name="b"))
    assert [finding.id for finding in report.findings] == [LEAK.id, DUST.id]
    assert "1 high, 1 low" in report.analysis
    assert "the pipe leaks (pipe.txt:3)" in report.analysis


async def test_later_steps_see_findings_with_their_ids(bench):
    await bench.run(step("t.look", name="look"), step(**{"with": {"ids": sel("steps.look.findings[].id")}}))
    assert bench.calls() == [{"ids": [LEAK.id, DUST.id]}]


async def test_what_tools_say_is_kept_with_its_source_and_repeats_nothing(bench):
    bench.tool("t.say", lambda _a, _c: ToolResult(text="42 \x00 answers\ud800"))
    bench.tool("t.blank", lambda _a, _c: ToolResult(text="  \n "))
    text = f"1 thing seen\npipe.txt:3: {LEAK.title} [high]"
    bench.tool("t.both", lambda _a, _c: ToolResult(text=text, findings=(LEAK,)))
    report = await bench.run(
        step("t.say", name="one"),
        step("t.say", name="two"),
        step("t.blank", name="blank"),
        step("t.both", name="both"),
    )
    assert [(s.step, s.tool, s.about) for s in report.statements] == [
        ("one", "t.say", "t.say"),
        ("both", "t.both", "t.both"),
    ]
    assert report.statements[1].text == "1 thing seen", "lines that only repeat findings are left out"
    report.model_dump_json().encode("utf-8")
    assert "1 thing seen" in report.analysis


async def test_statements_are_bounded_in_number_and_length(bench):
    bench.tool("t.say", lambda args, _c: ToolResult(text=f"{args['n']}" + "x" * 10_000))
    report = await bench.run(step("t.say", each=list(range(60)), **{"with": {"n": sel("item")}}))
    assert len(report.statements) == MAX_STATEMENTS
    assert {len(statement.text) for statement in report.statements} == {MAX_STATEMENT}


async def test_a_tool_that_found_no_answer_leaves_the_task_partly_done(bench):
    bench.tool("t.ask", lambda _a, _c: ToolResult(ok=False, text="I know no such thing.\nAsk another."))
    bench.tool("t.mute", lambda _a, _c: ToolResult(ok=False))
    report = await bench.run(step("t.ask", name="ask"), step("t.mute", name="mute"), lang="fr")
    assert report.status is ReportStatus.PARTIAL
    assert report.missing == ("I know no such thing. Ask another.", "t.mute n'a pas trouvé de réponse")
    assert report.statements == ()


async def test_the_report_is_written_in_the_language_of_the_mission(bench):
    assert "ada a terminé : 1 élevé, 1 faible." in (await bench.run(step("t.look"), lang="fr")).analysis
    assert "ada a échoué" in (await bench.run(step("t.fail"), lang="fr")).analysis


def test_a_report_in_words_counts_only_what_holds():
    ruled_out = LEAK.model_copy(update={"holds": False})
    assert counts([ruled_out], "en") == "nothing to report"
    assert analysis("ada", ReportStatus.SKIPPED, (), (), (), "fr") == "ada n'a pas été lancé."
    bare = DUST.model_copy(update={"holds": True})
    assert "First: dusty." in analysis("ada", ReportStatus.DONE, [bare], ["said"], ["x"], "en")


# -- actions ---------------------------------------------------------------------------------------------------------

FIX = step("t.mend", name="fix", each=sel("steps.look.proposals"), **{"with": sel("item.args")})


async def test_a_step_that_changes_something_is_not_called_but_proposed_with_its_check(bench):
    report = await bench.run(step("t.look", name="look", **{"with": {"at": "pipe"}}), FIX)
    assert bench.calls("t.mend") == []
    (action,) = report.actions
    assert (action.tool, action.args, action.reason) == ("t.mend", {"with": "tape"}, "tape it")
    assert (action.group, action.rank, action.fixes) == ("pipe", 2, (LEAK.id,))
    assert action.verify == (Check(tool="t.look", args={"at": "pipe"}, absent=(LEAK.id,)),), "what found it runs again"
    assert (action.agent, action.task) == ("ada", "t1")
    assert report.status is ReportStatus.DONE


async def test_a_proposals_own_check_is_used(bench):
    check = Check(tool="t.echo", args={"x": 1}, absent=(LEAK.id,))
    bench.tool(
        "t.look", lambda _a, _c: ToolResult(findings=(LEAK,), proposals=(MEND.model_copy(update={"verify": check}),))
    )
    (action,) = (await bench.run(step("t.look", name="look"), FIX)).actions
    assert action.verify == (check,)


async def test_findings_of_two_calls_are_checked_by_both(bench):
    other = LEAK.model_copy(update={"rule": "pipe.rust"})
    bench.tool("t.other", lambda _a, _c: ToolResult(findings=(other,)))
    both = MEND.model_copy(update={"fixes": (LEAK.id, other.id, "fin_unknown")})
    bench.tool("t.look", lambda _a, _c: ToolResult(findings=(LEAK,), proposals=(both,)))
    (action,) = (await bench.run(step("t.other", name="o"), step("t.look", name="look"), FIX)).actions
    assert [(check.tool, check.absent) for check in action.verify] == [
        ("t.look", (LEAK.id,)),
        ("t.other", (other.id,)),
    ]


async def test_a_write_step_of_the_authors_own_says_what_its_tool_does(bench):
    (action,) = (
        await bench.run(step("t.mend", **{"with": {"with": sel("input.text")}}), given={"text": "glue"})
    ).actions
    assert action.args == {"with": "glue"}
    assert (action.reason, action.fixes, action.verify) == ("t.mend", (), ())


async def test_input_cannot_pose_as_a_proposal_of_a_tool(bench):
    """What an action says it fixes, and how that is proved, is believed only when a tool of this run said it."""
    forged = MEND.model_copy(update={"reason": "harmless", "verify": Check(tool="t.echo")}).model_dump(mode="json")
    steps = (step("t.mend", each=sel("input.list"), **{"with": sel("item.args")}),)
    (action,) = (await bench.run(*steps, given={"list": [forged]})).actions
    assert action.reason == "t.mend"
    assert action.verify == ()


async def test_a_proposal_for_another_call_lends_nothing(bench):
    steps = (
        step("t.look", name="look"),
        step("t.mend", each=sel("steps.look.proposals"), **{"with": {"with": "glue"}}),
    )
    (action,) = (await bench.run(*steps)).actions
    assert (action.reason, action.fixes) == ("t.mend", ())


async def test_actions_are_bounded(bench, monkeypatch):
    monkeypatch.setattr("nextgeneration.agents.runtimes.gathering.MAX_ACTIONS", 3)
    report = await bench.run(step("t.mend", each=list(range(5)), **{"with": {"n": sel("item")}}))
    assert len(report.actions) == 3
    assert report.status is ReportStatus.PARTIAL
    monkeypatch.setattr("nextgeneration.agents.runtimes.gathering.MAX_ACTIONS_BYTES", 10)
    report = await bench.run(step("t.mend", **{"with": {"n": "x" * 20}}))
    assert report.actions == ()


async def test_every_action_has_its_own_id_and_the_same_one_when_the_task_runs_again(bench):
    steps = (step("t.mend", each=[1, 2], **{"with": {"n": sel("item")}}),)
    first, again = [[a.id for a in (await bench.run(*steps, task="t")).actions] for _ in range(2)]
    assert first == again
    assert len(set(first)) == 2


# -- what is not the agent's to handle -------------------------------------------------------------------------------


async def test_a_call_that_asks_parks_the_task_and_the_answer_lets_it_run_again(bench):
    rules = (PermissionRules(ask=("t.echo",)),)
    with pytest.raises(Parked):
        await bench.run(step(on_error="continue"), permissions=rules)
    assert bench.calls() == []


@pytest.mark.parametrize("error", [LeaseLost(mission="m", attempt=1), StorageFull()], ids=str)
async def test_what_concerns_the_whole_mission_ends_the_run_even_where_errors_are_passed_over(
    bench, monkeypatch, error
):
    """A journal that cannot be written is not a failure of the step: nothing may go on unrecorded."""

    async def refuse(*_args, **_more):
        raise error

    monkeypatch.setattr(bench.claim, "commit", refuse)
    with pytest.raises(type(error)):
        await bench.run(step(on_error="continue"))


async def test_a_denied_call_is_an_error_of_the_step(bench):
    report = await bench.run(step(), permissions=(PermissionRules(deny=("t.echo",)),))
    assert report.status is ReportStatus.FAILED
    assert report.problems[0]["tool"] == "t.echo"


# -- the default playbook and other runtimes -------------------------------------------------------------------------


async def test_a_template_without_a_playbook_reads_and_says_what_needs_a_model(bench):
    """It ends `partial`, never an invented `done`."""
    revision = bench.library.resolve({"name": "poet", "role": "writer", "domain": "verse", "capabilities": ["rhyme"]})
    assert revision.default_playbook
    for name in {step.tool for step in revision.playbook}:
        bench.tool(name)
    task = bench.claim.door(bench.tools, Policy(), bench.folder).task("t1", "ada")
    context = TaskContext({}, door=task, task="t1", lang="fr")
    report = await run_playbook(revision, {}, {}, context)
    assert report.status is ReportStatus.PARTIAL
    assert any("rhyme" in line and "modèle" in line for line in report.missing)


async def test_a_runtime_that_is_not_there_is_named(bench):
    revision = bench.revision(step(), runtime="wasm")
    context = TaskContext({}, door=None, task="t1")
    with pytest.raises(RuntimeMissing, match="wasm"):
        await run_runtime(revision, {}, {}, context)

"""What a model hands in: its form, what of it is believed, and what it may propose."""

import pytest
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st
from tests.unit.agents.llm.conftest import LEAK, StrictArgs

from nextgeneration.agents.runtimes.gathering import Gathered
from nextgeneration.agents.runtimes.thinking.reporting import (
    ModelReport,
    Results,
    Shown,
    believed,
    object_in,
    parsed,
    salvaged,
)
from nextgeneration.kernel.reports import Report, ReportStatus
from nextgeneration.kernel.risk import EffectRule
from nextgeneration.kernel.tools import Label, ToolResult
from nextgeneration.testing.thinking import calling, reporting

SCHEMA = {"type": "object", "required": ["litres"], "properties": {"litres": {"type": "integer"}}}
LOOK = calling(("t.look", {}))
PAGE = calling(("t.page", {}))


def finding(**fields):
    return {"title": "water on the floor", "severity": "medium", "cites": ["r1"], "quote": "water drips", **fields}


def codes(report):
    return [problem["code"] for problem in report.problems]


# -- findings --------------------------------------------------------------------------------------------------------


async def test_what_tools_found_is_kept_as_it_is(bench):
    report = await bench.run([LOOK, reporting("one leak")])
    assert report.findings == (LEAK,)


async def test_a_finding_that_quotes_a_result_has_it_as_evidence(bench):
    given = finding(rule="Floor Wet!", path="floor.txt", line=2, message="mop it")
    report = await bench.run([LOOK, reporting("wet", findings=[given])])
    added = next(f for f in report.findings if f.rule.startswith("model."))
    assert (added.rule, added.evidence[0].source, added.evidence[0].excerpt) == (
        "model.floor-wet",
        "t.look",
        "water drips",
    )
    assert str(added.location) == "floor.txt:2"
    assert added.confidence < 1
    assert added.data == {"by": "model"}
    assert report.dropped == 0


async def test_a_result_may_be_cited_by_its_calls_id(bench):
    report = await bench.run([LOOK, reporting(findings=[finding(cites=[LOOK.calls[0].id])])])
    assert len(report.findings) == 2


async def test_a_failure_may_be_cited_too(bench):
    given = finding(quote="broken pipe")
    report = await bench.run([calling(("t.fail", {})), reporting(findings=[given])])
    assert [f.evidence[0].source for f in report.findings] == ["t.fail"]


async def test_misquotes_are_told_once_then_marked_as_opinions_or_dropped(bench):
    given = [finding(quote="fire everywhere"), finding(cites=["r9"]), finding(quote="", title="damp")]
    report = await bench.run([LOOK, reporting(findings=given), reporting("wet", findings=given)])
    told = bench.told()[-1]
    assert told.failed
    assert "the quote is not in r1" in told.text
    assert "r9 is no result of this run" in told.text
    assert report.findings == (LEAK,)
    assert [opinion.text for opinion in report.opinions] == ["water on the floor", "damp"]
    assert all(opinion.reason for opinion in report.opinions)
    assert report.dropped == 1
    assert report.status is ReportStatus.DONE


async def test_a_misquote_can_be_mended(bench):
    wrong = reporting(findings=[finding(quote="fire everywhere")])
    report = await bench.run([LOOK, wrong, reporting(findings=[finding()])])
    assert len(report.findings) == 2
    assert report.opinions == ()


async def test_a_model_never_speaks_under_a_tools_rule(bench):
    """Else its word would corroborate a tool's, or stand for one."""
    report = await bench.run([LOOK, reporting(findings=[finding(rule="pipe.leak", title=LEAK.title, path="pipe.txt")])])
    assert {f.rule for f in report.findings} == {"pipe.leak", "model.pipe.leak"}
    assert len({f.id for f in report.findings}) == 2


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../b"])
async def test_a_place_outside_the_workspace_is_no_place(bench, path):
    report = await bench.run([LOOK, reporting(findings=[finding(path=path)])])
    assert next(f for f in report.findings if f.data).location is None


async def test_opinions_are_marked_as_such(bench):
    report = await bench.run([reporting(opinions=["I would buy a new pipe", " "], missing=["the key to the cellar"])])
    assert [(o.text, o.reason) for o in report.opinions] == [("I would buy a new pipe", "")]
    assert report.missing == ("the key to the cellar",)
    assert Report.model_validate(report.model_dump(mode="json")) == report


WORDS = st.lists(
    st.sampled_from(["leak", "at", "the\u00a0joint", "three", "\tlitres\n", "<<<DATA r1 x>>>"]), min_size=3
)


@settings(max_examples=100, deadline=None)
@given_(words=WORDS, space=st.sampled_from([" ", "\n", "\t  ", " \r\n"]), start=st.integers(0, 8), extra=st.text("ab"))
def test_a_quote_is_believed_exactly_when_it_stands_there(words, space, start, extra):
    results = Results()
    results.add(Shown("r1", "t.x", " ".join(words)))
    part = words[start % len(words) :]
    quote = space.join(part) + extra
    stands = " ".join(quote.split()) in " ".join(" ".join(words).split())
    gathered = Gathered()
    report = ModelReport(analysis="", findings=[{"title": "t", "cites": ["r1"], "quote": quote}])
    opinions, dropped = believed(report, results, gathered, "en")
    long_enough = len(" ".join(quote.split())) >= 4
    assert bool(gathered.findings) is (stands and long_enough)
    assert (len(gathered.findings) + len(opinions), dropped) == (1, 0)


@settings(max_examples=50, deadline=None)
@given_(cites=st.lists(st.text(max_size=4)), quote=st.text(max_size=20))
def test_nothing_is_believed_without_a_result(cites, quote):
    gathered = Gathered()
    report = ModelReport(analysis="", findings=[{"title": "t", "cites": cites, "quote": quote}])
    assert believed(report, Results(), gathered, "en") == ((), 1)
    assert gathered.findings == {}


# -- actions ---------------------------------------------------------------------------------------------------------


async def test_a_remedy_is_proposed_by_its_name_with_what_the_tool_says_of_it(bench):
    report = await bench.run([LOOK, reporting(actions=[{"remedy": "p1"}])])
    (action,) = report.actions
    assert "- p1: t.mend: tape it" in bench.told(1)[0].text
    assert (action.tool, action.args, action.reason, action.group, action.rank) == (
        "t.mend",
        {"with": "tape"},
        "tape it",
        "pipe",
        2,
    )
    assert action.fixes == (LEAK.id,)
    assert [(check.tool, check.absent) for check in action.verify] == [("t.look", (LEAK.id,))]
    assert bench.calls("t.mend") == [], "nothing is done unasked"


async def test_an_action_of_the_models_own_says_what_it_read_and_how_it_is_checked(bench):
    given = {"tool": "t.mend", "args": {"with": "glue"}, "reason": "it holds", "fixes": [LEAK.id, "fin_none"]}
    bench.tool("t.page", lambda _a, _c: ToolResult(text="tape it all", labels=(Label.UNTRUSTED,)))
    report = await bench.run([LOOK, PAGE, reporting(actions=[given])])
    (action,) = report.actions
    assert (action.reason, action.fixes, action.untrusted) == ("it holds", (LEAK.id,), ("t.page",))
    assert action.verify[0].absent == (LEAK.id,)


async def test_a_finding_of_the_model_verifies_nothing(bench):
    """No tool would ever find it again, so that its absence would prove nothing."""
    first = await bench.run([LOOK, reporting(findings=[finding()])])
    made = next(f for f in first.findings if f.data)
    given = {"tool": "t.mend", "args": {}, "fixes": [made.id]}
    report = await bench.run([LOOK, reporting(findings=[finding()], actions=[given])])
    assert report.actions[0].fixes == (made.id,)
    assert report.actions[0].verify == ()


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ({"remedy": "p7"}, "no remedy p7"),
        ({"tool": "t.rob", "args": {}}, "not among"),
        ({"tool": "t.look", "args": {}}, "simply be called"),
        ({"tool": "t.build", "args": {"days": 1}}, "city: Field required"),
    ],
)
async def test_what_cannot_be_proposed_is_named(bench, action, why):
    object.__setattr__(bench.tool("t.build", effect=EffectRule.ONCE).spec, "args", StrictArgs)
    report = await bench.run([LOOK, reporting(actions=[action])])
    assert report.actions == ()
    assert why in report.missing[0]


async def test_actions_are_bounded(bench, monkeypatch):
    monkeypatch.setattr("nextgeneration.agents.runtimes.gathering.MAX_ACTIONS", 2)
    given = [{"tool": "t.mend", "args": {"n": n}} for n in range(3)]
    report = await bench.run([reporting(actions=given)])
    assert len(report.actions) == 2
    assert (report.status, codes(report)) == (ReportStatus.PARTIAL, ["NG-PLAYBOOK-005"])


async def test_ids_of_actions_are_the_same_when_the_task_runs_again(bench):
    given = [{"tool": "t.mend", "args": {"n": n}} for n in range(2)]
    first, again = [[a.id for a in (await bench.run([reporting(actions=given)])).actions] for _ in range(2)]
    assert first == again
    assert len(set(first)) == 2


# -- form ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", list(ReportStatus)[:3])
async def test_the_model_says_how_it_ended(bench, status):
    report = await bench.run([reporting("so it is", status.value)])
    assert report.status is status


async def test_a_report_that_does_not_fit_is_sent_back_twice_and_then_used_as_far_as_it_goes(bench):
    wrong = reporting("half", findings=[{"severity": "huge"}, finding()], missing=["the rest"], opinions="no list")
    report = await bench.run([LOOK, wrong, wrong, wrong])
    assert "severity" in bench.told()[-1].text
    assert len(bench.model.requests) == 4
    assert (report.status, report.analysis, report.missing[-1]) == (ReportStatus.PARTIAL, "half", "the rest")
    assert codes(report) == ["NG-LLM-007"]
    assert {f.rule for f in report.findings} == {"pipe.leak", "model.finding"}


async def test_a_report_whose_arguments_are_malformed_is_sent_back(bench):
    report = await bench.run([calling(("report", None)), reporting("well")])
    assert "JSON object" in bench.told()[-1].text
    assert report.analysis == "well"


async def test_a_report_beside_calls_waits_for_their_results(bench):
    both = calling(("t.look", {}), ("report", {"status": "done", "analysis": "I guess"}))
    report = await bench.run([both, reporting("I saw")])
    assert report.analysis == "I saw"
    assert "first read the results" in bench.told()[-1].text


async def test_two_reports_in_one_answer_count_once(bench):
    both = calling(("report", {"analysis": "first"}), ("report", {"analysis": "second"}))
    report = await bench.run([both])
    assert report.analysis == "first"


async def test_a_report_written_as_text_counts(bench):
    report = await bench.run(['```json\n{"status": "partial", "analysis": "half", "missing": ["a key"]}\n```'])
    assert (report.status, report.analysis, report.missing) == (ReportStatus.PARTIAL, "half", ("a key",))


async def test_words_that_cannot_be_stored_are_cleaned(bench):
    report = await bench.run(["a lone \ud800 and a \0 and " + "x" * 500_000])
    report.model_dump_json().encode()
    assert len(report.analysis) <= 40_000
    report = await bench.run([reporting("bad \udfff"), reporting("well", opinions=["a\0b"], missing=["\0"])])
    assert bench.told()[0].failed, "a report that has no canonical form is sent back"
    assert "\0" not in report.opinions[0].text + report.missing[0]


# -- structured output -----------------------------------------------------------------------------------------------


async def test_a_result_follows_the_templates_schema(bench):
    report = await bench.run(
        [reporting(result={"litres": "many"}), reporting("three", result={"litres": 3})], output_schema=SCHEMA
    )
    assert "litres" in bench.told()[-1].text
    assert (report.status, report.result) == (ReportStatus.DONE, {"litres": 3})
    shown = bench.model.requests[0].tools[0]
    assert shown.parameters["properties"]["result"]["properties"] == SCHEMA["properties"]
    assert "result" in shown.parameters["required"]


async def test_a_result_that_never_fits_ends_partial(bench):
    report = await bench.run([reporting(result={})] * 3, output_schema=SCHEMA)
    assert (report.status, report.result, codes(report)) == (ReportStatus.PARTIAL, {}, ["NG-LLM-007"])


async def test_an_agent_without_tools_answers_in_the_schema(bench):
    report = await bench.run(["about three", '{"litres": 3}'], tools=[], output_schema=SCHEMA)
    assert (report.status, report.result) == (ReportStatus.DONE, {"litres": 3})
    first, second = bench.model.requests
    assert first.tools == ()
    assert first.schema == SCHEMA
    assert "JSON object" in second.messages[-1].text


async def test_text_that_never_fits_ends_partial(bench):
    report = await bench.run(["three", '{"litres": "3"}', "{"], tools=[], output_schema=SCHEMA)
    assert (report.status, codes(report)) == (ReportStatus.PARTIAL, ["NG-LLM-007"])
    assert report.analysis == "{"


async def test_a_schema_that_can_be_slow_is_applied_apart_and_what_came_of_it_recorded(bench):
    slow = {**SCHEMA, "properties": {"litres": {"type": "integer"}, "unit": {"type": "string", "pattern": "^l+$"}}}
    report = await bench.run([reporting(result={"litres": 3, "unit": "l"})], output_schema=slow)
    assert report.result == {"litres": 3, "unit": "l"}
    assert ("record", "fitting") in bench.world.taken


# -- the parts alone -------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given_(
    data=st.dictionaries(
        st.sampled_from([*ModelReport.model_fields, "x"]),
        st.none()
        | st.text(max_size=5)
        | st.lists(st.text(max_size=3) | st.none() | st.dictionaries(st.text(), st.text())),
    )
)
def test_whatever_is_handed_in_something_is_made_of_it(data):
    kept = parsed(data)
    assert isinstance(kept, (ModelReport, str))
    assert isinstance(salvaged(data), ModelReport)


@pytest.mark.parametrize("text", ["", "hello", "[1]", "{", '{"a": 1} and more', "```\nno\n```", "{" * 100_000])
def test_text_that_is_no_object_is_none(text):
    assert object_in(text) is None

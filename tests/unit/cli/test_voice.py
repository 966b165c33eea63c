"""How progress and data are written, whatever the events hold and wherever they go."""

import errno
import io

import pytest

from nextgeneration.agents.errors_llm import ModelMissing
from nextgeneration.cli.live import Progress
from nextgeneration.cli.summary import exit_code, lines, most_telling
from nextgeneration.cli.voice import Voice
from nextgeneration.events.schema import Event
from nextgeneration.kernel.errors import InternalError
from nextgeneration.kernel.findings import Severity
from nextgeneration.kernel.language import Texts
from nextgeneration.kernel.reports import Cost, ReportStatus
from nextgeneration.kernel.show import brief
from nextgeneration.missions.errors import OverBudget
from nextgeneration.models.errors import ModelUnreachable
from nextgeneration.supervisor.outcome import ActionStatus, Sentence


@pytest.fixture
def voice():
    return Voice(out=io.StringIO(), err=io.StringIO(), into=io.StringIO())


def heard(voice, *events):
    progress = Progress(voice, "m", "do it")
    with progress:
        for number, (kind, task, data) in enumerate(events, 1):
            progress.hear(Event("m", number, "2026-11-21T12:00:00Z", kind, task, data))
    return voice.err.getvalue()


def test_a_plan_names_its_agents_when_the_journal_does(voice):
    tasks = [{"id": "t1", "agent": "ada"}, {"id": "t2", "agent": "bob"}]
    assert "plan: 2 tasks (ada, bob)" in heard(voice, ("mission.planned", None, {"tasks": tasks}))


def test_a_plan_of_ids_alone_is_counted(voice):
    assert "plan: 1 task\n" in heard(voice, ("mission.planned", None, {"tasks": ["t1"]}))
    more = heard(
        voice, ("mission.planned", None, {"tasks": 2}), ("mission.replanned", None, {"tasks": ["a", "b", "c"]})
    )
    assert "plan: 2 tasks" in more
    assert "plan changed: 1 more" in more
    assert "no agent fits" in heard(voice, ("mission.planned", None, {"tasks": []}))


def test_a_model_in_the_place_of_another_is_told_once(voice):
    again = {"tool": "model", "model": "lab:b", "instead_of": {"lab:a": "its answer\x1b[31m broke off"}}
    said = heard(
        voice,
        ("task.started", "t1", {"agent": "ada"}),
        ("effect.intent", "t1", {"tool": "model", "model": "lab:a", "skipped": {"lab:c": "cannot do tools"}}),
        ("effect.again", "t1", again),
        ("effect.again", "t1", again),
    )
    assert said.count("lab:b in place of lab:a: its answer") == 1
    assert "\x1b" not in said


def test_agents_and_actions_are_told_as_they_change(voice):
    said = heard(
        voice,
        ("task.started", "t1", {"agent": "ada"}),
        ("effect.intent", "t1", {"tool": "code.audit"}),
        ("effect.progress", "t9", {"tool": "unknown task"}),
        ("task.ended", "t1", {"agent": "ada", "status": "failed", "findings": 0, "cost": {"seconds": 1.5}}),
        ("task.ended", "t2", {"agent": "bob", "status": "done", "findings": 1}),
        ("approval.asked", "act_1", {"approval": "apr_1", "title": "Change x (+2)", "label": "write"}),
        ("approval.decided", "act_1", {"approval": "apr_1", "verdict": "rejected", "by": "human:ada"}),
        ("effect.intent", "act_2", {"tool": "fs.patch"}),
        ("action.done", "t1", {"action": "act_2", "status": "failed"}),
        ("action.done", "t1", {"action": "act_3", "status": "surprising"}),
        ("approval.decided", "act_4", {"approval": "apr_9", "verdict": "odd", "by": "rule:x"}),
        ("mission.cancelled", None, {"by": "human:bob"}),
        ("something.else", None, {}),
    )
    for line in (
        "✗ ada                       failed         1.5 s",
        "✓ bob                       done         1 finding",
        "? Change x: waits for approval [write]",
        "✗ Change x: refused (human:ada)",
        "✗ fs.patch: failed",
        "▸ act_3: surprising",
        "odd (rule:x)",
        "cancelled by human:bob",
    ):
        assert line in said


def test_who_thinks_for_the_supervisor_is_named(voice):
    model = {"tool": "model", "model": "far:clever"}
    said = heard(
        voice,
        ("effect.intent", "supervisor.plan", model),
        ("effect.progress", "supervisor.plan", {**model, "line": '{"tasks":'}),
        ("effect.outcome", "supervisor.plan", {"tool": "record", "status": "done"}),
        ("effect.outcome", "supervisor.plan", {"tool": "model", "status": "done"}),
        ("effect.refused", "supervisor.prose", {"tool": "model"}),
        ("effect.intent", "supervisor.prose", model),
        ("effect.refused", "supervisor.prose", {"tool": "model", "status": "refused"}),
    )
    assert "▸ supervisor: plan          works        far:clever" in said
    assert said.count("✓ supervisor: plan") == 1
    assert "◌ supervisor: answer        over budget" in said
    assert "tasks" not in said


def test_the_end_of_what_a_model_says_is_what_its_agent_is_doing(voice):
    progress = Progress(voice, "m", "x")
    said = {"tool": "model", "model": "far:clever", "line": f"{'word ' * 30}the\x1b[2J end"}
    for kind, data in (("task.started", {"agent": "ada"}), ("effect.progress", said)):
        progress.hear(Event("m", 1, "", kind, "t1", data))
    (row,) = progress.rows
    assert row.doing.startswith("far:clever …")
    assert row.doing.endswith("end")
    assert "\x1b" not in row.doing
    progress.hear(Event("m", 1, "", "effect.intent", "t1", {"tool": "model", "model": "far:clever"}))
    assert row.doing == "far:clever"


def test_an_agent_called_by_another_stands_under_it(voice):
    progress = Progress(voice, "m", "x")
    for task, agent in (("t1", "boss"), ("t2", "other"), ("t1/1", "eve"), ("t1/1/2/1", "dan"), ("t1/3", "fay")):
        progress.hear(Event("m", 1, "", "task.started", task, {"agent": agent}))
    assert [row.label for row in progress.rows] == ["boss", "└ eve", "  └ dan", "└ fay", "other"]


def test_another_missions_events_are_not_shown(voice):
    progress = Progress(voice, "m", "x")
    progress.hear(Event("other", 1, "", "task.started", "t1", {"agent": "eve"}))
    assert "eve" not in voice.err.getvalue()


def test_nothing_from_outside_reaches_the_terminal_raw(voice):
    evil = "a\x1b[2Jb\u202ec"
    said = heard(
        voice,
        ("task.started", "t1", {"agent": evil}),
        ("approval.asked", "act_1", {"approval": "1", "title": evil, "label": "write"}),
        ("approval.decided", "act_1", {"approval": "1", "verdict": "approved", "by": evil}),
        ("mission.cancelled", None, {"by": evil}),
    )
    assert "\x1b" not in said
    assert "\u202e" not in said


class Broken(io.StringIO):
    def __init__(self, error):
        super().__init__()
        self._error = error

    def write(self, _text):
        raise self._error


def test_a_reader_that_left_is_remembered_and_progress_never_fails(voice):
    voice.out = Broken(BrokenPipeError())
    voice.data("x")
    assert voice.deaf
    voice.data("y")
    voice.err = Broken(OSError(errno.EIO, "gone"))
    voice.note("nobody reads this")


def test_a_table_on_a_pipe_is_not_cut(voice):
    voice.table([Texts("A", "A"), Texts("B", "B")], [[("x", "bold"), ("word " * 30, "dim")]])
    assert voice.out.getvalue() == "x  " + ("word " * 30).rstrip() + "\n"
    voice.table([Texts("A", "A")], [])


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("one two three", 20, "one two three"),
        ("one two three", 9, "one two…"),
        ("one two, three", 10, "one two…"),
        ("a very/long/path/without/any/space", 15, "a very/long/pa…"),
        ("  lines\n and\ttabs ", 40, "lines and tabs"),
        ("abc", 0, "…"),
    ],
)
def test_texts_are_cut_between_words(text, limit, short):
    assert brief(text, limit) == short
    assert len(short) <= max(limit, 1)


def test_the_most_telling_of_several_codes():
    assert most_telling([]) == 0
    assert most_telling([0, 3, 4]) == 4
    assert most_telling([3, 6, 4]) == 6
    assert most_telling([6, 1, 130]) == 130
    assert most_telling([1, 6]) == 1


def test_exit_codes_by_what_a_mission_came_to(report):
    found = report()
    assert exit_code(found, None) == 0
    assert exit_code(found, Severity.CRITICAL) == 3
    assert exit_code(report(status="cancelled"), None) == 1
    assert exit_code(report(action=ActionStatus.PENDING), Severity.INFO) == 4
    assert exit_code(report(action=ActionStatus.REJECTED), None) == 4
    assert exit_code(report(action=ActionStatus.FAILED), None) == 1
    assert exit_code(report(action=ActionStatus.DONE), None) == 0
    assert exit_code(report(action=ActionStatus.DONE, passed=False), None) == 1, "not fixed is not ok"
    assert exit_code(report(tasks="over_budget", action=ActionStatus.PENDING), None) == 6


def ended(report, status, *tasks):
    """A mission's report with tasks of these ends: (status, code of their problem, what they replace)."""
    made = [
        report()
        .tasks[0]
        .model_copy(
            update={"id": f"t{n}", "status": ReportStatus(end), "problems": ({"code": code},), "replaces": replaces}
        )
        for n, (end, code, replaces) in enumerate(tasks, 1)
    ]
    return report(status=status).model_copy(update={"tasks": tuple(made)})


NO_MODEL, NO_CREDITS, BROKEN = ModelMissing.code, OverBudget.code, InternalError.code


@pytest.mark.parametrize(
    ("status", "tasks", "code"),
    [
        ("failed", [("failed", NO_MODEL, "")], 7),
        ("failed", [("failed", ModelUnreachable.code, "")], 7),
        ("failed", [("failed", NO_MODEL, ""), ("skipped", "", "")], 7),
        ("failed", [("failed", NO_MODEL, ""), ("failed", BROKEN, "")], 1),
        ("failed", [("failed", NO_CREDITS, ""), ("failed", NO_MODEL, "")], 7),
        ("failed", [("failed", "NG-NOBODY-001", "")], 1),
        ("failed", [], 1),
        ("partial", [("failed", NO_MODEL, ""), ("done", "", "")], 7),
        ("done", [("failed", NO_MODEL, ""), ("done", "", "t1")], 0),
        ("partial", [("failed", NO_MODEL, ""), ("failed", BROKEN, "t1")], 7),
        ("partial", [("over_budget", NO_CREDITS, ""), ("done", "", "")], 6),
        ("partial", [("failed", BROKEN, ""), ("done", "", "")], 0),
        ("partial", [("partial", NO_MODEL, "")], 0),
    ],
)
def test_a_mission_without_model_or_credits_says_which_it_lacked(report, status, tasks, code):
    """A failure for want of something to give is told apart from any other; one that was mended does not count."""
    assert exit_code(ended(report, status, *tasks), None) == code


def test_what_models_were_asked_and_cost_is_said(voice, report):
    cost = Cost(tool_calls=3, model_calls=2, input_tokens=1_200, output_tokens=34, credits=1_500_000)
    said = "\n".join(lines(report().model_copy(update={"cost": cost}), voice, None))
    assert "1 agent, 3 tool calls, 2 model calls (1,234 tokens), 1.5 credits" in said
    voice.lang = "fr"
    said = "\n".join(lines(report().model_copy(update={"cost": cost}), voice, None))
    assert "2 appels de modèles (1\u202f234 jetons)" in said
    assert "model calls" not in "\n".join(lines(report(), voice, None)), "nothing is said of models that were not asked"


def test_what_was_asked_for_stands_above_the_findings_and_what_was_looked_at_below(voice, report):
    found = report(findings=1)
    first, last = Sentence(text="t.a says:", quote="42"), Sentence(text="t.b says:", quote="\n".join(["row"] * 20))
    middle = Sentence(text="it is bad", findings=(found.findings[0].id,))
    text = "\n".join(lines(found.model_copy(update={"answer": (first, middle, last)}), voice, None))
    assert text.index("t.a says:\n  42") < text.index("critical  ") < text.index("t.b says:")
    assert "… and 5 more lines in the report" in text
    quiet = found.model_copy(update={"answer": (first,), "findings": ()})
    assert "No problem" not in "\n".join(lines(quiet, voice, None)), "facts were asked for, not faults"


def test_the_summary_is_short_and_worst_first(voice, report):
    alike = "\n".join(lines(report(findings=30), voice, None))
    assert "+29 of this kind" in alike, "one rule takes one line"
    assert "more in the report" not in alike
    many = report(findings=30)
    kinds = [
        e.model_copy(update={"finding": e.finding.model_copy(update={"rule": f"r{n}"})})
        for n, e in enumerate(many.findings)
    ]
    text = "\n".join(lines(many.model_copy(update={"findings": tuple(kinds)}), voice, None))
    assert text.index("critical") < text.index("more in the report")
    assert "… and 22 more in the report" in text
    failed = "\n".join(lines(report(action=ActionStatus.FAILED), voice, None))
    assert "✗ drop it: failed" in failed
    voice.lang = "fr"
    still = "\n".join(lines(report(action=ActionStatus.DONE, passed=False), voice, None))
    assert "✗ drop it : faite, mais le problème demeure" in still


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_columns_that_can_be_spared_go_before_the_last_one_is_cut_short(voice, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    voice.out = Terminal()
    row = [("a" * 20, ""), ("b" * 30, ""), ("c" * 10, ""), ("what it is", "")]
    voice.table([Texts(name, name) for name in "ABCD"], [row], spare=(1, 2))
    assert voice.out.getvalue() == f"{'A':<20}  {'C':<10}  D\n{'a' * 20}  {'c' * 10}  what it is\n"


def test_a_line_is_broken_between_words_on_a_terminal_and_nowhere_else(voice, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    line = "26 findings remain: 1 critical, 4 high. 10 were fixed and verified."
    assert voice.folded(line) == [line]
    voice.out = Terminal()
    assert voice.folded(line, 2) == ["26 findings remain: 1 critical, 4 high.", "  10 were fixed and verified."]
    assert voice.folded("") == [""]
